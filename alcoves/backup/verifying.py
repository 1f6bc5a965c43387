"""Verifies one set in slices: each part read back, then each blob, from where the slice before has ended."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from alcoves.backup import checking, sealing, sets, targets
from alcoves.backup.checking import Checked
from alcoves.backup.errors import BackupError, BusyError, DamagedError
from alcoves.backup.looking import Pace
from alcoves.backup.models import NONE, Backup, Check, State
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Entry, Head
from alcoves.backup.working import Effort, bury, claim, fail
from media import audit, live
from media.audit import Actor
from storage.errors import StoreError

logger = logging.getLogger(__name__)
BUSY: Final = "A backup is being verified already. Wait for the end of that, or see it in the console."
PARTS, BLOBS = "parts", "blobs"
TRIED_AGAIN_AFTER: Final = timedelta(days=1)
Say = Callable[[Check], None]


def ask(backup: Backup, *, by: Actor, scheduled: bool = False) -> Check:
    """A row for a check that somebody is about to make. BusyError while one of this set waits or runs."""
    bury(Check)
    try:
        with transaction.atomic():
            row: Check = Check.objects.create(backup=backup, scheduled=scheduled, asked_by=by.user)
            audit.note("backup.verify", by=by, text=f"Asked to verify {backup.name}.", target=backup)
    except IntegrityError:
        raise BusyError(f"{backup.name} is being verified already. Wait for the end of that.") from None
    return row


def newest(target: str) -> Backup | None:
    """The set that a restore would take, with blobs: without them nothing of the pool would ever be read."""
    row: Backup | None = Backup.objects.carrying().filter(target=target).first()
    return row


def due(now: datetime) -> Backup | None:
    """The newest set of a target in which for VERIFY_DAYS no set was read back. Each target for itself."""
    days = int(live.value("VERIFY_DAYS"))
    if not days or Check.objects.filter(state__in=(State.QUEUED, State.RUNNING)).exists():
        return None
    for target in sorted(set(Backup.objects.carrying().order_by().values_list("target", flat=True))):
        row = newest(target)
        if row is not None and is_due(row, now, timedelta(days=days)) and is_known(target):
            return row
    return None


def is_due(row: Backup, now: datetime, within: timedelta) -> bool:
    """No try of the last day failed at it; and it is time, or an older one of the same pool is damaged."""
    tries = Check.objects.filter(backup=row, created_at__gt=now - TRIED_AGAIN_AFTER)
    if tries.exclude(state=State.KILLED).exists():
        return False
    beside = Backup.objects.standing().filter(target=row.target).exclude(damaged_at=None)
    if row.verified_at is None and beside.exists():
        return True
    carrying = Backup.objects.carrying().filter(target=row.target)
    read = Check.objects.filter(state=State.DONE, finished_at__gt=now - within, backup__in=carrying)
    return not read.exists()


def is_known(target: str) -> bool:
    """One that was taken out of the settings since cannot be asked."""
    try:
        targets.get(target)
    except BackupError:
        return False
    return True


def resume(backup: Backup) -> Check | None:
    """The check of it that was killed last, to be gone on with."""
    row: Check | None = Check.objects.filter(backup=backup).order_by("-id").first()
    if row is None or row.state != State.KILLED:
        return None
    again = Check.objects.filter(pk=row.pk, state=State.KILLED)
    with contextlib.suppress(IntegrityError), transaction.atomic():
        again.update(state=State.QUEUED, error="", finished_at=None, holder="", updated_at=timezone.now())
        return row
    return None


def verify(row: Check, *, seconds: float | None = None, say: Say | None = None) -> bool:
    """Goes on with a check, for so long at most. Whether it has ended."""
    row = claim(row, BUSY)
    try:
        verifying = Verifying(row, seconds, say)
        with verifying.living():
            return verifying.go_on()
    except (BackupError, StoreError) as error:
        fail(row, str(error))
        raise BackupError(str(error)) from error
    except Exception as error:
        fail(row, f"It broke off ({type(error).__name__}). The log says more; start it again.")
        raise


class Verifying(Effort[Check]):
    """One slice of one check."""

    def __init__(self, row: Check, seconds: float | None, say: Say | None) -> None:
        super().__init__(row, seconds)
        self.say = say
        target = targets.get(row.backup.target)
        targets.refuse_unmounted(target)
        self.store = target.store
        self.seal: Plain = Plain()
        self.pace = Pace(int(live.value("VERIFY_MB_PER_SECOND")))

    def ticked(self) -> None:
        if self.say is not None:
            self.say(self.row)

    def kept(self) -> tuple[str, ...]:
        return (*super().kept(), "looked", "missing", "damaged", "examples")

    def go_on(self) -> bool:
        try:
            head = self.opened()
            if self.row.phase in {"", PARTS} and not self.read_parts(head):
                return False
            if head.blobs != NONE and not self.read_blobs(head):
                return False
        except DamagedError as error:
            self.conclude(str(error))
            return True
        self.conclude(self.found().beyond(head).sentence())
        return True

    def opened(self) -> Head:
        name = self.row.backup.name
        seal = sealing.find(self.store, settings.BACKUP_PASSPHRASE)
        try:
            head = sets.read_head(self.store, name)
        except BackupError as error:
            if Backup.objects.filter(name=name).exclude(pruned_at=None).exists():
                raise BackupError(f"{name} was removed meanwhile: newer ones are kept.") from None
            raise DamagedError(str(error)) from error
        if head.encrypted and seal is None:
            raise DamagedError(f"{sealing.IDENTITY} is missing in the target: nothing of {name} can be read.")
        if head.encrypted and seal is not None:
            self.seal = seal
        self.row.total_bytes = sum(part.size for part in head.parts) + head.files_size
        return head

    def wait(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in self.passing(chunks):
            self.pace.passed(len(chunk))
            yield chunk

    def read_parts(self, head: Head) -> bool:
        """A part is never left in its middle: a digest is of the whole."""
        self.row.phase = PARTS
        for number in range(int(self.row.position.get("part", 0)), len(head.parts)):
            name = head.parts[number].name.removesuffix(".age")
            checking.drain(self.wait(sets.part_chunks(self.store, head, name, self.seal)), head.name, name)
            self.row.position = {"part": number + 1}
            if self.over and number + 1 < len(head.parts):
                self.pause()
                return False
        checking.check_dump(self.store, head, self.seal, tick=self.tick)
        self.row.phase, self.row.position = BLOBS, {"line": 0}
        self.tick(at_once=True)
        return True

    def read_blobs(self, head: Head) -> bool:
        found, lacking = self.found(), set(head.missing)
        pool = sets.Pool(self.store, self.seal, self.tick)
        for entry in self.entries(head):
            if entry.key not in lacking:
                found.look_at(entry, pool, self.wait)
            self.keep_found(found)
            self.tick()
            if self.over:
                self.pause()
                return False
        return True

    def entries(self, head: Head) -> Iterator[Entry]:
        lines = sets.entries(self.store, head, self.seal)
        try:
            yield from islice(lines, int(self.row.position["line"]), None)
        except checking.WRONG as error:
            raise checking.damaged(head.name, sets.MANIFEST) from error

    def found(self) -> Checked:
        row = self.row
        return Checked(
            files=row.looked,
            missing=row.missing,
            damaged=row.damaged,
            examples=list(row.examples),
        )

    def keep_found(self, found: Checked) -> None:
        row = self.row
        row.looked, row.missing, row.damaged = found.files, found.missing, found.damaged
        row.examples = found.examples
        if found.spoiled:
            found.write_down(row.backup.target)
        row.position = {"line": int(row.position["line"]) + 1}

    def conclude(self, sentence: str) -> None:
        name, target = self.row.backup.name, self.row.backup.target
        with transaction.atomic():
            self.end(State.DONE, sentence, position={})
            checking.record(name, target, sentence)
        if sentence:
            logger.error("backup %s is damaged: %s", name, sentence)
