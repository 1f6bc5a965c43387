"""Repairs what was found: makes it anew, brings it back from a backup, or leaves it to the sweeper."""

import logging
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from alcoves.accounts.avatars import AVATARS
from alcoves.accounts.models import User
from alcoves.backup import naming, sealing, sets, targets
from alcoves.backup.errors import BackupError, DamagedError
from alcoves.backup.models import Finding, Look
from alcoves.backup.sealing import Plain
from alcoves.wording import counted
from media import audit, orphans, reprocess
from media.audit import Actor
from media.models import Derivative, SweepHold, UnnamedBlob
from media.models.derivative import GIVEN, Status
from storage.errors import StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
BATCH: Final = 1000
WAITS: Final = "It waits for a worker to repair it."
ANEW: Final = "It is made anew by the workers."
UNDER_WAY: Final = "It is being repaired."
LOST_AFTER: Final = timedelta(minutes=15)
DEAD_AFTER: Final = timedelta(hours=12)
STUCK_AFTER: Final = timedelta(days=1)
"""Whoever asked for a repair is told that nothing came of it."""
STUCK: Final = {
    WAITS: "No worker took up its repair for a day. See whether workers run and the maintenance lane is paused.",
    ANEW: (
        "It was to be made anew, and a day later it is not. See whether its file is set aside or in the trash, or its "
        "queue is paused."
    ),
}
SWEPT: Final = f"It is swept in {orphans.GRACE.days} days."
NAMED_AGAIN: Final = "It has a name by now, so it stays."
UNNAMED: Final = "Nothing names it any more."
ALARM: Final = (
    "blobs are named by nothing, which is too much to be true, so none is entered to be swept. Check that this is the "
    "right database and that it is whole; if it is, run manage.py orphans --force."
)
ALARM_OF_FACES: Final = (
    "pictures of people are named by nobody, which is too much to be true, so none is entered to be swept. Check that "
    "this is the right database and that it is whole; if it is, delete them in the store by hand."
)
HELD: Final = (
    "Nothing is swept since a restore: it may be the only copy of what came after the backup. Decide on the page "
    "Backups, or by manage.py orphans --let-go."
)
NOWHERE: Final = "No backup of the targets has these bytes. Bring the file back by hand and look again."


def ask(findings: QuerySet[Finding], *, by: Actor) -> list[str]:
    """Marks them and writes it down; whoever asks sends the keys to a worker. Bytes are not moved in a request."""
    with audit.noting("findings.repair", by=by) as act:
        rows = findings.filter(state__in=(Finding.State.OPEN, Finding.State.REPAIRING))
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        now = timezone.now()
        marked = {"state": Finding.State.REPAIRING, "text": WAITS, "asked_at": now, "updated_at": now}
        act.count = Finding.objects.filter(pk__in=keys).update(**marked)
        act.text = f"Asked to repair {counted(act.count, 'finding')}."
    return [str(key) for key in keys]


def mend_asked(keys: list[str], *, by: Actor) -> int:
    """One batch, as it was asked for. The bytes first, then what was done in one entry: no transaction is held open."""
    done: list[str] = []
    left: list[str] = []
    for key in keys:
        taken = Finding.objects.filter(pk=key, state=Finding.State.REPAIRING, text=WAITS)
        if not taken.update(text=UNDER_WAY, updated_at=timezone.now()):
            continue  # Another message had it, or it is well by now.
        finding = Finding.objects.get(pk=key)
        (done if mend_safely(finding) else left).append(finding.key)
    if done or left:
        text = f"Repaired {len(done)} of {counted(len(done) + len(left), 'finding')}."
        audit.note("findings.repaired", by=by, text=text, count=len(done), keys=done, left=left)
    return len(done)


def mend_safely(finding: Finding) -> bool:
    """One that breaks off stops no other."""
    try:
        return mend(finding)
    except Exception as error:
        logger.exception("the repair of %s failed", finding.key)
        return leave(finding, f"Its repair broke off ({type(error).__name__}). The log says more.")


def lost(now: datetime) -> list[str]:
    """Keys of those whose message or worker is gone; they wait anew."""
    asked = Finding.objects.filter(state=Finding.State.REPAIRING)
    old = Q(text=WAITS, updated_at__lt=now - LOST_AFTER) | Q(text=UNDER_WAY, updated_at__lt=now - DEAD_AFTER)
    keys = list(asked.filter(old).order_by("pk").values_list("pk", flat=True)[:BATCH])
    Finding.objects.filter(pk__in=keys, state=Finding.State.REPAIRING).update(text=WAITS, updated_at=now)
    return [str(key) for key in keys]


def mend(finding: Finding) -> bool:
    """Whether something could be done. The finding says what."""
    if finding.kind == Finding.Kind.ORPHANED:
        return let_be_swept(finding)
    if finding.what == Finding.What.OUTPUT and can_be_made(finding):
        return make_again(finding)
    return bring_back(finding)


def let_be_swept(finding: Finding) -> bool:
    """Never on the word of a look of some days ago: what names it now is asked now."""
    if said := alarm():
        return leave(finding, said)
    if is_named(finding):
        return done(finding, NAMED_AGAIN)
    if finding.store == AVATARS and is_held():
        return leave(finding, HELD)
    UnnamedBlob.objects.enter([finding.key], due=orphans.GRACE, store=finding.store)
    return done(finding, SWEPT)


def is_held() -> bool:
    """Whether an operator has still to decide what a restore has left without a name."""
    return SweepHold.objects.filter(reason=orphans.RESTORED).exists()


def alarm() -> str:
    """Why no orphan is deleted: what the last look said that saw all of them, or has seen too many so far."""
    judged = Look.objects.filter(Q(whole=True) | ~Q(alarm="")).order_by("-updated_at")
    return judged.values_list("alarm", flat=True).first() or ""


def can_be_made(finding: Finding) -> bool:
    rows = Derivative.objects.filter(pk__in=[finding.derivative])
    variant = rows.values_list("variant", flat=True).first()
    return variant is None or not variant.startswith(GIVEN)


def make_again(finding: Finding) -> bool:
    """A part is made with the row that it is a part of."""
    row = Derivative.objects.filter(pk__in=[finding.derivative]).only("parent_id").first()
    count = reprocess.request([row.parent_id or row.pk]) if row is not None else 0
    if not count:
        return done(finding, UNNAMED)
    return done(finding, ANEW, state=Finding.State.REPAIRING)


def settle() -> int:
    """Findings whose bytes workers make anew: well when they are there, open again where their job failed.

    Where nothing came of a repair for a day, of whichever kind, somebody has to look why.
    """
    rows = Finding.objects.filter(state=Finding.State.REPAIRING, text=ANEW).order_by("pk")[:BATCH]
    return sum(is_settled(finding) for finding in rows) + give_up()


def give_up() -> int:
    asked = Finding.objects.filter(state=Finding.State.REPAIRING, asked_at__lt=timezone.now() - STUCK_AFTER)
    return sum(
        asked.filter(text=was).update(state=Finding.State.OPEN, text=said) for was, said in STUCK.items()
    )


def is_settled(finding: Finding) -> bool:
    row = (
        Derivative.objects.filter(pk__in=[finding.derivative]).only("status", "error_code", "outputs").first()
    )
    if row is None:
        return done(finding, UNNAMED)
    if row.status == Status.FAILED:
        leave(finding, f"It was to be made anew, and its job failed ({row.error_code}). See Failures.")
        return True
    if row.status in {Status.QUEUED, Status.PROCESSING}:
        return False
    for one in row.outputs:
        if one["key"] == finding.key:
            try:
                get_store(finding.store).stat(finding.key)
            except StoreError:
                return False  # The next look says more.
    return done(finding, "It was made anew.")


def is_named(finding: Finding) -> bool:
    return bool(naming.find_named(finding.store, [finding.key]))


def bring_back(finding: Finding) -> bool:
    if not is_named(finding):
        return done(finding, UNNAMED)
    size, sha256 = expected(finding)
    if not sha256 or size is None:
        return leave(finding, "Its checksum was never known, so no backup can be asked for it.")
    for name in targets.named():
        try:
            if brought_from(name, finding.store, finding.key, size, sha256):
                return done(finding, f"Its bytes came back from the target {name}.")
        except (BackupError, StoreError) as error:
            logger.warning("the target %s cannot help: %s", name, error)
    return leave(finding, NOWHERE)


def expected(finding: Finding) -> tuple[int | None, str]:
    """Size and digest; of an avatar as its row knows them by now, where they were not known when it was found."""
    if finding.sha256_expected or finding.store != AVATARS:
        return finding.size_expected, finding.sha256_expected
    rows = User.objects.filter(avatar_key=finding.key).values_list("avatar_size", "avatar_sha256")
    return rows.first() or (None, "")


def brought_from(name: str, to: str, key: str, size: int, sha256: str) -> bool:
    """From the pool of a target, encrypted or plain; only right bytes are let in. DamagedError: it cannot be opened."""
    store = targets.get(name).store
    seals = [Plain()]
    if settings.BACKUP_PASSPHRASE and (sealed := sealing.find(store, settings.BACKUP_PASSPHRASE)):
        seals.insert(0, sealed)
    for seal in seals:
        kept = sets.pool_key(seal, sha256)
        if next(iter(store.iterate(kept)), None) is None:
            continue
        chunks = seal.unwrap(sets.stored_chunks(store, kept))
        try:
            get_store(to).put(key, chunks, size=size, sha256=sha256)
        except BackupError as error:
            raise DamagedError(str(error)) from error
        return True
    return False


def enter_orphans() -> int:
    """All that is found and open, into the register of the sweeper."""
    return sum(enter_orphans_of(store) for store in naming.STORES)


def enter_orphans_of(store: str) -> int:
    rows = Finding.objects.filter(kind=Finding.Kind.ORPHANED, state=Finding.State.OPEN, store=store)
    if store == AVATARS and is_held():
        rows.update(text=HELD)
        return 0
    count = 0
    while batch := list(rows.order_by("pk")[:BATCH]):
        named = naming.find_named(store, [row.key for row in batch])
        swept = [row for row in batch if row.key not in named]
        UnnamedBlob.objects.enter([row.key for row in swept], due=orphans.GRACE, store=store)
        close([row for row in batch if row.key in named], NAMED_AGAIN)
        close(swept, SWEPT)
        count += len(swept)
    return count


def close_unnamed() -> None:
    """Lost or spoilt blobs that no row names any more: purged, made anew under another key, another picture."""
    lost = (Finding.Kind.MISSING, Finding.Kind.ALTERED)
    for store in naming.STORES:
        rows = Finding.objects.unmended().filter(kind__in=lost, store=store).order_by("pk")
        after = None
        while batch := list((rows.filter(pk__gt=after) if after else rows).only("pk", "key")[:BATCH]):
            after = batch[-1].pk
            named = naming.find_named(store, [row.key for row in batch])
            close([row for row in batch if row.key not in named], UNNAMED)


def close(findings: list[Finding], text: str) -> None:
    rows = Finding.objects.filter(pk__in=[row.pk for row in findings])
    rows.update(state=Finding.State.REPAIRED, repaired_at=timezone.now(), text=text)


def done(finding: Finding, text: str, *, state: str = Finding.State.REPAIRED) -> bool:
    now = timezone.now()
    told = {"state": state, "text": text, "repaired_at": now if state == Finding.State.REPAIRED else None}
    if state == Finding.State.REPAIRING:
        told["asked_at"] = finding.asked_at if finding.state == state and finding.asked_at else now
    Finding.objects.filter(pk=finding.pk).update(**told, updated_at=now)
    return True


def leave(finding: Finding, text: str) -> bool:
    Finding.objects.filter(pk=finding.pk).update(
        state=Finding.State.OPEN, text=text, updated_at=timezone.now()
    )
    return False
