"""Brings a set back: the database in one go, then the blobs, then what is left to say (`alcoves.backup.settling`).

Everything is looked at before (`alcoves.backup.examining`). Where it stands is kept in a file of the folder of
backups, because the database is what is being replaced; so a restore that was killed goes on with the same command,
and does nothing twice. Maintenance is on from the first change to the end, no worker takes anything, and nothing is
swept; a restore that failed leaves it so.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.accounts.avatars import AVATARS
from alcoves.backup import bringing, database, keeping, maintenance, sets, settling
from alcoves.backup.errors import BackupError
from alcoves.backup.examining import Opened, Stored, installation, occupied
from alcoves.backup.models import NONE, Backup, Look, Maintenance, State
from alcoves.backup.sets import Entry
from alcoves.backup.working import is_dead
from media import audit, controls
from media.audit import Actor
from media.models import AuditEntry, Derivative, SweepHold, Upload
from media.models.blob import FILES
from media.models.cached_image import CACHE
from storage.errors import StoreError

logger = logging.getLogger(__name__)
QUIET_SECONDS: Final = 600.0
DATABASE, BLOBS, FINISH, OPEN, DONE = "database", "blobs", "finish", "open", "done"
HOLD: Final = "restore"
HELD: Final = (FILES, AVATARS, CACHE)
HELD_FOR: Final = timedelta(days=30)
"""Longer than any restore; one that was killed leaves everything shut, and what it held must stay as well."""
TOLD: Final = 20
BUSY: Final = "A restore is under way already: wait for its end."
AGAIN: Final = (
    "Start Alcoves again, so that none of its processes goes on with what it knew of the database before."
)


WAS_HERE: Final = "The database that was here before lies in {}; pg_restore reads it."


@dataclass(slots=True)
class Progress:
    """Where a restore stands; all of it is in the file."""

    set: str
    target: str
    phase: str = DATABASE
    began_at: str = ""
    by: str = ""
    stays_on: bool = False
    """Maintenance was on before, so it stays on after."""
    done_bytes: int = 0
    total_bytes: int = 0
    error: str = ""
    lost: int = 0
    lost_examples: list[str] = field(default_factory=list)
    remade: int = 0
    notes: list[str] = field(default_factory=list)
    before: str = ""
    """Where the database lies that was here."""


def place() -> Path:
    return Path(settings.BACKUP_PATH) / "restore.json"


def under_way() -> Progress | None:
    """The restore that is not finished, if there is one."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not {"set", "target"} <= found.keys():
        return None
    known = {one.name for one in fields(Progress)}
    return Progress(**{name: value for name, value in found.items() if name in known})


def keep(progress: Progress) -> None:
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".new")
    with staged.open("w", encoding="utf-8") as file:
        json.dump(asdict(progress), file)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)


def refused(name: str, target: str, sentence: str) -> None:
    """A restore that did not begin: told to whoever asked for it in the console."""
    if under_way() is None:
        keep(Progress(name, target, phase=DONE, began_at=now(), error=sentence))


def was_done(*, since: str) -> bool:
    """Whether a restore was begun after that, of this set or of another, and has ended, here or on another machine."""
    begun = under_way()
    if begun is not None and begun.phase == DONE and begun.began_at >= since:
        return True
    told = AuditEntry.objects.filter(action="backup.restore", created_at__gte=datetime.fromisoformat(since))
    return any(began >= since for began in told.values_list("detail__began", flat=True) if began)


@contextmanager
def alone() -> Iterator[None]:
    """One restore at a time, here and into this database; both locks end with the process, however it ends."""
    path = place().with_name("restore.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(BUSY) from None
        with database.alone() as is_alone:
            if not is_alone:
                raise BackupError(BUSY)
            yield


def allow(of: Opened, over: str) -> None:
    """Refuses to overwrite what is not empty, unless its name was typed, or this very restore was begun."""
    begun = under_way()
    if begun is not None and begun.phase != DONE:
        if (begun.set, begun.target) != (of.head.name, of.target.address):
            raise BackupError(
                f"The restore of {begun.set} was not finished: go on with it, or delete {place()} if you mean to "
                "restore another set."
            )
        return
    if over == installation():
        return
    there = occupied()
    if there and over:
        raise BackupError(f"This installation is named {installation()}, not {over}. Nothing was changed.")
    if there:
        raise BackupError(
            f"This installation is not empty: it has {there}. To overwrite it, give --over {installation()}."
        )


Say = Callable[[Progress], None]


class Restoring:
    """One restore, from where it stands to its end."""

    def __init__(self, of: Opened, by: Actor, say: Say | None = None) -> None:
        self.of = of
        self.by = by
        self.say = say
        begun = under_way()
        if begun is None or begun.phase == DONE or begun.set != of.head.name:
            begun = Progress(of.head.name, of.target.address, began_at=now(), by=by.name)
            told = maintenance.standing()
            begun.stays_on = told.on and not told.restoring  # A database without tables says that of itself.
        self.progress = begun
        self.told = 0.0

    def run(self) -> Progress:
        """BackupError where it failed; the installation stays shut then, and the same command goes on."""
        with alone():
            return self.go_on()

    def go_on(self) -> Progress:
        steps = {DATABASE: self.bring_database, BLOBS: self.bring_blobs, FINISH: self.finish}
        steps[OPEN] = self.open_again
        try:
            self.progress.error = ""
            self.shut()
            while self.progress.phase != DONE:
                self.progress.phase = steps[self.progress.phase]()
                keep(self.progress)
        except (BackupError, StoreError) as error:
            self.fail(str(error))
            raise BackupError(
                f"{error} The installation stays shut; put that right and give the same command again."
            ) from error
        except Exception as error:
            self.fail(type(error).__name__)
            raise
        self.tell(at_once=True)
        return self.progress

    def fail(self, sentence: str) -> None:
        self.progress.error = sentence
        keep(self.progress)

    def tell(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            keep(self.progress)
            if self.say is not None:
                self.say(self.progress)

    def shut(self) -> None:
        """Flags first: they hold also where there is no database yet. Then what still runs is waited for."""
        keep(self.progress)
        reason = f"The backup {self.progress.set} is being restored."
        told = maintenance.Standing(True, reason, now(), self.by.name, restoring=True)
        maintenance.tell(told)
        if has_tables():
            maintenance.switch_on(reason, by=nobody(self.by), restoring=True)
            self.hold_sweeper()
            if self.progress.phase == DATABASE:
                wait_until_quiet(self.progress.set)
        if self.progress.phase == DATABASE:
            maintenance.tell(replace(told, shut=True))
        self.tell(at_once=True)

    def bring_database(self) -> str:
        of = self.of
        self.keep_database()
        chunks = sets.part_chunks(of.target.store, of.head, sets.DATABASE, of.seal)
        try:
            database.restore(chunks, database.server_major())
        except BackupError as error:
            kept = f" {WAS_HERE.format(self.progress.before)}" if self.progress.before else ""
            raise BackupError(f"{error}{kept}") from error
        self.hold()
        call_command("migrate", interactive=False, verbosity=0)
        return BLOBS

    def keep_database(self) -> None:
        """What is here goes before anybody knows that the new one fits: it is dumped first, once for each restore."""
        if self.progress.before or not occupied():
            return
        path = place().with_name(f"before-{timezone.now():%Y%m%d-%H%M%S}.dump")
        keeping.dump_to(path, self.tell)
        self.progress.before = str(path)
        self.tell(at_once=True)

    def hold(self) -> None:
        """The database that has just come says nothing of this restore: it is told at once."""
        if not table_exists(Maintenance):
            return  # Older than maintenance; the flags hold.
        Maintenance.objects.update_or_create(
            pk=1, defaults={"on": True, "reason": "A backup is being restored.", "by": self.by.name}
        )
        maintenance.switch_on("A backup is being restored.", by=nobody(self.by), restoring=True)
        self.hold_sweeper()

    def hold_sweeper(self) -> None:
        """Until the end of the restore, whichever database is there: nothing that it names may go."""
        if table_exists(SweepHold):
            SweepHold.objects.hold(HOLD, HELD, HELD_FOR)

    def bring_blobs(self) -> str:
        self.hold()
        of, progress = self.of, self.progress
        progress.done_bytes, progress.total_bytes, progress.lost, progress.lost_examples = (
            0,
            of.head.files_size,
            0,
            [],
        )
        pool = sets.Pool(of.target.store, of.seal) if of.head.blobs != NONE else None
        stored = Stored()
        for entry in sets.entries(of.target.store, of.head, of.seal):
            if not self.is_here(entry, stored) and not self.bring(entry, pool):
                progress.lost += 1
                progress.lost_examples += [entry.name or entry.key][: TOLD - len(progress.lost_examples)]
            progress.done_bytes += entry.size
            self.tell()
        return FINISH

    def is_here(self, entry: Entry, stored: Stored) -> bool:
        if stored.size(entry.store, entry.key) != entry.size:
            return False
        return bringing.is_right(entry, datetime.fromisoformat(self.progress.began_at), self.passing)

    def bring(self, entry: Entry, pool: sets.Pool | None) -> bool:
        return pool is not None and bringing.bring(entry, pool, self.passing)

    def passing(self, chunks: Any) -> Any:
        for chunk in chunks:
            self.tell()
            yield chunk

    def finish(self) -> str:
        """What the database says of work, uploads and caches of another machine is made true of this one."""
        progress = self.progress
        note = settling.bring_keys(self.of)
        progress.notes = [AGAIN, note] if note else [AGAIN]
        if progress.before:
            progress.notes.append(
                f"{WAS_HERE.format(progress.before)} Delete it when nobody needs it any more."
            )
        settling.forget_unfinished(self.of.head.name, HOLD)
        stored = Stored()
        settling.forget_lost_pictures(stored)
        progress.remade = settling.remake_lost_outputs(stored, self.tell)
        self.note()
        return OPEN

    def note(self) -> None:
        """Once for each restore, also where this step was killed and is done again."""
        progress = self.progress
        with transaction.atomic():
            told = AuditEntry.objects.filter(action="backup.restore", detail__began=progress.began_at)
            if not told.exists():
                audit.note(
                    "backup.restore",
                    by=nobody(self.by),
                    text=f"Restored the backup {progress.set} of {self.of.head.made_at}.",
                    set=progress.set,
                    began=progress.began_at,
                    lost=progress.lost,
                    remade=progress.remade,
                )

    def open_again(self) -> str:
        SweepHold.objects.let_go(HOLD)
        if self.progress.stays_on:
            told = maintenance.standing()
            maintenance.tell(maintenance.Standing(True, told.reason, told.since, told.by))
            controls.tell()
        else:
            maintenance.end(by=nobody(self.by))
        return DONE


def now() -> str:
    return timezone.now().isoformat(timespec="seconds")


def nobody(by: Actor) -> Actor:
    """The one who asks may not be a user of the database that comes: only the name is kept."""
    return Named(by.via, None, by.address, by.request_id, by.name) if by.user is not None else by


@dataclass(frozen=True, slots=True)
class Named(Actor):
    """Somebody whose row is gone."""

    told: str = ""

    @property
    def name(self) -> str:
        return self.told


def has_tables() -> bool:
    return table_exists(Maintenance)


def table_exists(model: Any) -> bool:
    connection.close()
    return model._meta.db_table in connection.introspection.table_names()


def wait_until_quiet(coming: str, seconds: float = QUIET_SECONDS) -> None:
    """Until no run holds a lease and no upload writes. What runs now is let to its end."""
    until = time.monotonic() + seconds
    while busy := what_runs(coming):
        if time.monotonic() > until:
            raise BackupError(
                f"Work is still under way ({busy}): wait for it, or stop the workers and the web part."
            )
        time.sleep(1)


def what_runs(coming: str) -> str:
    """A database that came with an earlier try says that the set itself is being made: that is long over."""
    runs = Derivative.objects.filter(status="processing", lease_expires_at__gt=Now()).count()
    uploads = Upload.objects.filter(locked_until__gt=Now()).count()
    backups = Backup.objects.filter(state=State.RUNNING).exclude(holder="").exclude(name=coming)
    making = sum(not is_dead(row) for row in backups) if table_exists(Backup) else 0
    looks = Look.objects.filter(state=State.RUNNING).exclude(holder="")
    looking = sum(not is_dead(row) for row in looks) if table_exists(Look) else 0
    counts = ((runs, "runs"), (uploads, "uploads"), (making, "backups"), (looking, "looks at the blobs"))
    told = [f"{count} {what}" for count, what in counts if count]
    return " and ".join(told)
