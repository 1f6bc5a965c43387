"""After a restore nothing is swept until somebody has looked at what the database that came does not name."""

from collections.abc import Iterator

from alcoves.alerts.rules.base import Severity, Trouble, age, page
from alcoves.wording import are, counted
from media import orphans
from media.models import AuditEntry, SweepHold


def unswept() -> Iterator[Trouble]:
    """It costs room, but what came since the backup may have no other copy."""
    held = SweepHold.objects.filter(reason=orphans.RESTORED).first()
    if held is None:
        return
    told = (
        AuditEntry.objects.filter(action="backup.restore", detail__has_key="unnamed").order_by("-id").first()
    )
    count = told.detail["unnamed"] if told is not None else None
    some = "Some blobs" if count is None else counted(count, "blob")
    yield Trouble(
        "backup:unswept",
        Severity.WARNING,
        f"{some} in the store {are(count or 0)} named by nothing since the restore of {age(held.created_at)} "
        "ago, so nothing is swept. Bring back what is wanted of them, then let them be swept.",
        page("backups"),
    )
