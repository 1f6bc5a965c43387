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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from alcoves.accounts.avatars import AVATARS
from alcoves.backup import bringing, database, dropping, keeping, maintenance, quieting, sets, settling
from alcoves.backup.errors import BackupError, UntouchedError
from alcoves.backup.examining import Opened, Stored, occupied
from alcoves.backup.models import NONE, Maintenance
from alcoves.backup.quieting import has_tables, table_exists
from alcoves.backup.remembering import Remembered
from alcoves.backup.sets import Entry
from media import audit
from media.audit import Actor
from media.models import AuditEntry, SweepHold
from media.models.blob import FILES
from media.models.cached_image import CACHE
from storage.errors import StoreError

logger = logging.getLogger(__name__)
LOOKING: Final = "looking"
"""Nothing is touched yet. From here on nobody prunes or removes the set."""
DATABASE, BLOBS, FINISH, OPEN, DONE = "database", "blobs", "finish", "open", "done"
HOLD: Final = "restore"
HELD: Final = (FILES, AVATARS, CACHE)
HELD_FOR: Final = timedelta(days=30)
"""Longer than any restore; one that was killed leaves everything shut, and what it held must stay as well."""
TOLD: Final = 20
AGAIN: Final = (
    "Start Alcoves again, so that none of its processes goes on with what it knew of the database before."
)


STAYS_SHUT: Final = "The installation stays shut; put that right and give the same command again."
OPEN_AGAIN: Final = "Nothing was changed, and Alcoves is open again."
ON_BEFORE: Final = "Nothing was changed. Maintenance was on before and stays on."
WAS_HERE: Final = "The database that was here before lies in {}; pg_restore reads it."


@dataclass(slots=True)
class Progress:
    """Where a restore stands; all of it is in the file."""

    set: str
    target: str
    phase: str = DATABASE
    began_at: str = ""
    by: str = ""
    untouched: bool = False
    """Nothing was changed yet, so that a failure can be taken back."""
    stays_on: bool = False
    """Maintenance was on before, so it stays on after: for this reason, since then, by them."""
    reason: str = ""
    since: str = ""
    on_by: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    error: str = ""
    lost: int = 0
    lost_examples: list[str] = field(default_factory=list)
    remade: int = 0
    notes: list[str] = field(default_factory=list)
    before: str = ""
    """Where the database lies that was here."""
    with_losses: bool = False
    """Somebody wants what there is, although the set lacks blobs."""
    unnamed: int = 0
    """Blobs of the store that the database which came does not name."""
    own_name: str = ""
    """Of the installation that was here, by which it knows its sets."""
    damaged: list[str] = field(default_factory=list)
    """Blobs of the set that its pool lacks or holds damaged, as far as they are told; wherever they came from then."""


def place() -> Path:
    return Path(settings.BACKUP_PATH) / "restore.json"


def under_way() -> Progress | None:
    """The restore that was begun last. A look at a set that died has left nothing to be gone on with."""
    found = kept()
    return None if found is not None and found.phase == LOOKING and not is_held() else found


def unfinished() -> Progress | None:
    """One that has changed things, and has not come to its end."""
    found = kept()
    return found if found is not None and found.phase not in {LOOKING, DONE} else None


def kept() -> Progress | None:
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
    if unfinished() is None:
        keep(Progress(name, target, phase=DONE, began_at=now(), error=sentence))


def lock() -> Path:
    return place().with_name("restore.lock")


def is_held() -> bool:
    """Whether a process is at a restore, or at a look before it."""
    try:
        with lock().open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


Say = Callable[[Progress], None]


class Restoring:
    """One restore, from where it stands to its end."""

    def __init__(self, of: Opened, by: Actor, say: Say | None = None) -> None:
        self.of = of
        self.by = by
        self.say = say
        begun = unfinished()
        if begun is None or begun.set != of.head.name:
            looked = kept()
            begun = Progress(of.head.name, of.target.address, began_at=now(), by=by.name)
            begun.with_losses = looked is not None and looked.phase == LOOKING and looked.with_losses
            told = maintenance.ask()
            begun.untouched = not told.restoring  # What another one has left by halves is never opened.
            begun.stays_on = told.on and not told.restoring  # A database without tables says that of itself.
            if begun.stays_on:
                begun.reason, begun.since, begun.on_by = told.reason, told.since, told.by
        self.progress = begun
        self.remembered = Remembered(place().with_name("restore.known"))
        self.told = 0.0

    def run(self) -> Progress:
        """Inside of `chosen`. BackupError where it failed; what was changed stays shut, the same command goes on."""
        steps = {DATABASE: self.bring_database, BLOBS: self.bring_blobs, FINISH: self.finish}
        steps[OPEN] = self.open_again
        try:
            self.progress.error = ""
            self.shut()
            while self.progress.phase != DONE:
                self.progress.phase = steps[self.progress.phase]()
                keep(self.progress)
        except (BackupError, StoreError) as error:
            raise BackupError(f"{error} {self.leave(str(error))}") from error
        except (Exception, KeyboardInterrupt) as error:
            self.leave(type(error).__name__)
            raise
        self.tell(at_once=True)
        return self.progress

    def leave(self, sentence: str) -> str:
        """After a failure: what was not changed is opened again. Returns how it stands."""
        if self.progress.untouched:
            try:
                undo(self.progress, self.by)
            except Exception:
                logger.exception("the beginning of the restore was not taken back")
            else:
                return ON_BEFORE if self.progress.stays_on else OPEN_AGAIN
        self.progress.error = sentence
        keep(self.progress)
        return STAYS_SHUT

    def tell(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            keep(self.progress)
            if self.say is not None:
                self.say(self.progress)

    def shut(self) -> None:
        """Flags first: they hold also where there is no database yet. Then what still runs is waited for."""
        keep(self.progress)
        reason = reason_of(self.progress.set)
        told = maintenance.Standing(True, reason, now(), self.by.name, restoring=True)
        maintenance.tell(told)
        if has_tables():
            maintenance.switch_on(reason, by=nobody(self.by), restoring=True)
            self.hold_sweeper()
            if self.progress.phase == DATABASE:
                quieting.wait_until_quiet(self.progress.set)
        if self.progress.phase == DATABASE:
            maintenance.tell(replace(told, shut=True))
        self.tell(at_once=True)

    def bring_database(self) -> str:
        of = self.of
        self.keep_database()
        chunks = sets.part_chunks(of.target.store, of.head, sets.DATABASE, of.seal)
        was = self.progress.untouched
        try:
            database.restore(chunks, database.server_major(), going=self.going)
        except UntouchedError:
            self.progress.untouched = was
            raise
        except BackupError as error:
            kept = f" {WAS_HERE.format(self.progress.before)}" if self.progress.before else ""
            raise BackupError(f"{error}{kept}") from error
        self.hold()
        call_command("migrate", interactive=False, verbosity=0)
        return BLOBS

    def going(self) -> None:
        """All that is here goes in a moment."""
        self.remembered.take_in()
        self.progress.own_name = self.progress.own_name or settling.name_of_old()
        self.progress.untouched = False
        keep(self.progress)

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
        with bringing.Brought(place().with_name("restore.brought"), progress.began_at) as brought:
            for entry in sets.entries(of.target.store, of.head, of.seal):
                if self.is_here(entry, stored, brought) or self.bring(entry, pool):
                    brought.add(entry)
                else:
                    progress.lost += 1
                    progress.lost_examples += [entry.name or entry.key][: TOLD - len(progress.lost_examples)]
                progress.done_bytes += entry.size
                self.tell()
        return FINISH

    def is_here(self, entry: Entry, stored: Stored, brought: bringing.Brought) -> bool:
        if stored.size(entry.store, entry.key) != entry.size:
            return False
        return brought.has(entry) or bringing.is_right(entry, self.passing)

    def bring(self, entry: Entry, pool: sets.Pool | None) -> bool:
        return pool is not None and bringing.bring(entry, pool, self.of.target.name, self.passing, self.spoil)

    def spoil(self, target: str, entry: Entry) -> None:
        """Kept at once: the database that came is told of it at the end, and its next backup sends it again."""
        ours = target == self.of.target.name
        if ours and not self.should_have(entry):
            return
        self.remembered.spoiled(target, entry.sha256)
        told, name = self.progress.damaged, entry.name or entry.key
        if ours and name not in told and len(told) < TOLD:
            told.append(name)
            keep(self.progress)

    def should_have(self, entry: Entry) -> bool:
        """A set that lacks more blobs than it names says nothing of the others."""
        head = self.of.head
        return head.missing_count <= len(head.missing) and entry.key not in head.missing

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
        settling.forget_unfinished(HOLD)
        settling.tell_of(self.of.head, progress.damaged)
        self.remembered.give_back()
        progress.notes += dropping.notes()
        progress.notes += settling.name_anew(self.of, progress.own_name)
        progress.unnamed, told = settling.hold_unnamed(self.tell)
        progress.notes += told
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
                    unnamed=progress.unnamed,
                )

    def open_again(self) -> str:
        place().with_name("restore.brought").unlink(missing_ok=True)
        self.remembered.forget()
        SweepHold.objects.let_go(HOLD)
        if self.progress.stays_on:
            maintenance.stay(self.progress.reason, self.progress.since, self.progress.on_by)
        else:
            maintenance.end(by=nobody(self.by))
        return DONE


def undo(progress: Progress, by: Actor) -> None:
    """Nothing of the database has gone: what was told, held and kept before that is taken back."""
    if table_exists(SweepHold):
        SweepHold.objects.let_go(HOLD)
    if not has_tables():
        maintenance.tell(maintenance.Standing())
    elif progress.stays_on:
        maintenance.stay(progress.reason, progress.since, progress.on_by)
    else:
        maintenance.end(by=nobody(by))
    kept_here, progress.before, progress.phase = progress.before, "", LOOKING
    keep(progress)
    if kept_here:
        Path(kept_here).unlink(missing_ok=True)


def reason_of(name: str) -> str:
    return f"The backup {name} is being restored."


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
