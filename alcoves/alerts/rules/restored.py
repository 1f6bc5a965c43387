"""After a restore nothing is swept until somebody has looked at what the database that came does not name."""

from collections.abc import Iterator

from alcoves.alerts.rules.base import Severity, Trouble, age, page
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
    count = told.detail["unnamed"] if told is not None else "Some"
    yield Trouble(
        "backup:unswept",
        Severity.WARNING,
        f"{count} blobs in the store are named by nothing since the restore of {age(held.created_at)} ago, so nothing "
        "is swept. Bring back what is wanted of them, then let them be swept.",
        page("backups"),
    )
