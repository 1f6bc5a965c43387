"""What a restored database says of another machine is made true of this one: keys, work, caches, outputs."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from rich.filesize import decimal

from alcoves import env
from alcoves.backup import mending, sets
from alcoves.backup.examining import Opened, Stored
from alcoves.backup.models import Backup, Check, Finding, Installation, Look, State
from alcoves.backup.quieting import table_exists
from alcoves.backup.sets import Head
from alcoves.settings import secret_key
from alcoves.wording import are, counted
from media import orphans, reprocess
from media.models import Bulk, CachedImage, Derivative, Original, SweepHold, UnnamedBlob, Upload
from media.models.blob import FILES
from media.models.bulk import OPEN, BulkState
from media.models.cached_image import CACHE

BATCH: Final = 500
NAMED_ANEW: Final = (
    "The backup was made at {}, and this is another address: this installation removes no sets of that one. If both go "
    "on, give each a target of its own."
)
ROTTEN: Final = "Its restore found blobs that its pool lacks or holds damaged, such as {}."
UNDER_WAY: Final = "It was under way when the backup was made."
CONSIDERED: Final = timedelta(days=3650)
"""Until an operator decides."""


def bring_keys(of: Opened) -> str:
    """The signing key of an installation that keeps its own in a file. What to tell people, if anything."""
    if not of.head.encrypted:
        return "The set is not encrypted, so it has no keys: people log in again."
    kept = sets.small_part(of.target.store, of.head, sets.KEYS, of.seal)
    signing = kept.get("ALCOVES_SECRET_KEY", "")
    if not signing or signing == settings.SECRET_KEY:
        return ""
    if env.raw("ALCOVES_SECRET_KEY"):
        return (
            "ALCOVES_SECRET_KEY differs from that of the backup: set it to the one that --keys-to FILE writes, or "
            "people log in again and signed links end."
        )
    write_key(Path(settings.DATA_PATH) / "secret_key", signing)
    return "The signing key was brought back."


def write_key(path: Path, signing: str) -> None:
    """The one before is kept beside it."""
    if path.exists():
        shutil.copy2(path, path.with_name("secret_key.before-restore"))
    staged = path.with_name("secret_key.new")
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(signing)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    secret_key.sync_folder(path.parent)


def name_of_old() -> str:
    """What the installation that is here calls itself; empty where nothing says so."""
    if not table_exists(Installation):
        return ""
    return str(Installation.objects.values_list("key", flat=True).first() or "")


def name_anew(of: Opened, own: str) -> list[str]:
    """At another address it is another installation: the sets of the first one are not its own to remove.

    One that had a name of its own before keeps it, and with it the sets that it has made itself.
    """
    if of.head.installation in {"", settings.PUBLIC_URL}:
        return []
    if own and own != of.head.owner:
        Installation.objects.update_or_create(pk=1, defaults={"key": own})
    elif of.head.owner in {"", Installation.objects.name_here()}:
        Installation.objects.renew()
    return [NAMED_ANEW.format(of.head.installation)]


@transaction.atomic
def forget_unfinished(hold: str) -> None:
    """Uploads without their bytes, backups without their maker, holds of who is gone."""
    SweepHold.objects.exclude(reason=hold).delete()
    Upload.objects.filter(finished_at__isnull=True).delete()
    gone: dict[str, Any] = {"state": State.KILLED, "finished_at": Now(), "holder": "", "error": UNDER_WAY}
    Backup.objects.filter(state__in=(State.QUEUED, State.RUNNING)).update(**gone)
    Check.objects.filter(state__in=(State.QUEUED, State.RUNNING)).update(**gone)
    asked_for = Q(state=State.QUEUED, nightly=False)  # The pass of the nights goes on in the next one.
    Look.objects.filter(Q(state=State.RUNNING) | asked_for).update(**gone)
    Bulk.objects.filter(state__in=OPEN).update(state=BulkState.FAILED, text=UNDER_WAY, ended_at=Now())
    asked = Finding.objects.filter(state=Finding.State.REPAIRING, text__in=(mending.WAITS, mending.UNDER_WAY))
    asked.update(state=Finding.State.OPEN, text=UNDER_WAY)


def tell_of(head: Head, damaged: list[str]) -> None:
    """The set that was restored: its row is as it was at the beginning of its backup, and its head knows the end."""
    row = Backup.objects.filter(name=head.name).first()
    if row is None:
        return
    row.state, row.finished_at, row.holder = State.DONE, head.made, ""
    row.blobs, row.encrypted, row.missing = head.blobs, head.encrypted, head.missing_count
    row.files, row.files_size, row.position = head.files, head.files_size, {}
    row.size = sum(part.size for part in head.parts)
    row.error = row.lack
    if damaged:
        row.damaged_at = timezone.now()
        row.error = ROTTEN.format(", ".join(damaged[:3]))
    row.save()


def hold_unnamed(tick: Callable[[], None]) -> tuple[int, list[str]]:
    """What came to the store since the backup has lost its name, and may be the only copy: it stays.

    Returns how many blobs these are, and what to tell people. What was to be swept at the time of the backup has its
    time anew as well: whoever goes back to the database before finds all that it names.
    """
    due = UnnamedBlob.objects.exclude(store=CACHE).filter(due_at__lt=Now() + orphans.GRACE)
    due.update(due_at=Now() + orphans.GRACE)
    count, size = orphans.count_unnamed(tick)
    if not count:
        return 0, []
    SweepHold.objects.hold(orphans.RESTORED, (FILES,), CONSIDERED)
    told = (
        f"{counted(count, 'blob')} of {decimal(size)} in the store {are(count)} named by nothing: most came after "
        "the backup was made. Nothing is swept until you say on the page Backups, or by manage.py orphans --let-go, "
        "that they may go."
    )
    return count, [told]


def forget_lost_pictures(stored: Stored) -> None:
    """Rows of the image cache whose picture did not come along: they are made again when somebody asks."""
    last: Any = None
    while True:
        rows = CachedImage.objects.order_by("pk")
        batch = list((rows.filter(pk__gt=last) if last else rows)[:BATCH])
        if not batch:
            return
        last = batch[-1].pk
        lost = [row.pk for row in batch if stored.size(CACHE, row.key) != row.size]
        with transaction.atomic():
            Original.objects.filter(cached_images__in=lost).forget_warmth()
            CachedImage.objects.filter(pk__in=lost).delete()


def remake_lost_outputs(stored: Stored, tick: Callable[[], None]) -> int:
    """Asks anew for what was made and is not there. What needs bytes that are lost fails later, and says so."""
    last: Any = None
    count = 0
    while True:
        rows = Derivative.objects.filter(parent__isnull=True).exclude(outputs=[]).order_by("pk")
        batch = list((rows.filter(pk__gt=last) if last else rows).only("pk", "outputs")[:BATCH])
        if not batch:
            return count
        last = batch[-1].pk
        tick()
        lost = [
            row.pk
            for row in batch
            if any(stored.size(FILES, one["key"]) != one["size"] for one in row.outputs)
        ]
        if lost:
            count += reprocess.request(lost)
