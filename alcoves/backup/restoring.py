"""Brings a set back: looks at everything first, then the database in one go, then the blobs, then what is left to say.

Where it stands is kept in a file of the folder of backups, because the database is what is being replaced; so a restore
that was killed goes on with the same command, and does nothing twice. Maintenance is on from the first change to the
end; a restore that failed leaves it on.
"""

import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from rich.filesize import decimal

from alcoves import env
from alcoves.accounts.models import User
from alcoves.backup import checking, contents, database, maintenance, sealing, sets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import NONE, Backup, Maintenance, State
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Entry, Head
from alcoves.backup.targets import Target
from alcoves.backup.working import is_dead
from alcoves.settings import secret_key
from media import audit, reprocess
from media.audit import Actor
from media.models import AuditEntry, CachedImage, Derivative, Library, Original, SweepHold, Upload
from media.models.cached_image import CACHE
from storage.errors import BlobNotFoundError, StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
QUIET_SECONDS: Final = 600.0
DATABASE, BLOBS, FINISH, OPEN, DONE = "database", "blobs", "finish", "open", "done"
BATCH: Final = 500
TOLD: Final = 20
AGAIN: Final = (
    "Start Alcoves again, so that none of its processes goes on with what it knew of the database before."
)


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


def place() -> Path:
    return Path(settings.BACKUP_PATH) / "restore.json"


def under_way() -> Progress | None:
    """The restore that is not finished, if there is one."""
    try:
        found = json.loads(place().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Progress(**found)


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


def is_done(name: str, *, since: str) -> bool:
    begun = under_way()
    return begun is not None and begun.phase == DONE and begun.set == name and begun.began_at >= since


@contextmanager
def alone() -> Iterator[None]:
    """One restore at a time; the lock ends with the process, however it ends."""
    path = place().with_name("restore.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError("A restore is under way already: wait for its end.") from None
        yield


@dataclass(frozen=True, slots=True)
class Opened:
    """A set that has been looked at."""

    target: Target
    head: Head
    seal: Plain


def opened(target: Target, name: str, passphrase: str) -> Opened:
    """`latest` is a name too. BackupError with a sentence for whatever cannot be restored here."""
    if name == "latest":
        found = sets.heads(target.store)
        if not found:
            raise BackupError(f"There is no set in {target}: name another target with --from.")
        head = found[-1]
    else:
        head = sets.read_head(target.store, name)
    unknown = [
        one
        for one in head.migrations
        if one.partition(".")[0] in contents.our_apps() and one not in contents.known_migrations()
    ]
    if unknown:
        raise BackupError(
            f"The set {head.name} was made by a newer Alcoves ({head.alcoves}; it has {unknown[-1]}): "
            "update Alcoves first."
        )
    if not head.encrypted:
        return Opened(target, head, Plain())
    seal = sealing.find(target.store, passphrase)
    if seal is None:
        raise BackupError(f"{sealing.IDENTITY} is missing in {target}: without it nothing there can be read.")
    return Opened(target, head, seal)


def check(of: Opened) -> None:
    """Everything that can be known before anything is touched."""
    server = database.server_major()
    if server < of.head.postgres:
        raise BackupError(
            f"The set is of Postgres {of.head.postgres} and this database is Postgres {server}: restore into "
            f"{of.head.postgres} or newer."
        )
    checking.check_parts(of.target.store, of.head, of.seal)
    listed = database.check_readable(
        sets.part_chunks(of.target.store, of.head, sets.DATABASE, of.seal), server
    )
    wanted = [line.split(" EXTENSION - ")[1].split()[0] for line in listed if " EXTENSION - " in line]
    if missing := database.missing_extensions(wanted):
        raise BackupError(f"This Postgres lacks {', '.join(missing)}: install it there first.")
    found = checking.check_blobs(of.target.store, of.head, of.seal)
    if found.missing:
        raise BackupError(f"The set cannot be restored whole: {found.sentence()} Take another set.")


def check_room(of: Opened) -> None:
    """For the blobs that are not there yet; the database's disk is not ours to see."""
    needed: dict[str, int] = {}
    if of.head.blobs != NONE:
        for entry in sets.entries(of.target.store, of.head, of.seal):
            if get_store(entry.store).free_bytes() is None:
                continue  # A bucket has no end that is known.
            if size_in(entry.store, entry.key) != entry.size:
                needed[entry.store] = needed.get(entry.store, 0) + entry.size
    for name, size in needed.items():
        free = get_store(name).free_bytes()
        if free is not None and free < size:
            raise BackupError(
                f"The store {name} needs {decimal(size)} and has {decimal(free)} free: make room, then try again."
            )


def size_in(store: str, key: str) -> int | None:
    try:
        return get_store(store).stat(key).size
    except BlobNotFoundError:
        return None


def occupied() -> str:
    """What would be overwritten, as the end of a sentence; empty on a new machine."""
    try:
        counts = {
            "libraries": Library.objects.count(),
            "files": Original.objects.all()[:1000].count(),
            "people": User.objects.count() - 1,
        }
    except ProgrammingError:
        return ""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count > 0)


def installation() -> str:
    """What a person types to say that they mean this one."""
    return settings.PUBLIC_URL.partition("://")[2] or settings.PUBLIC_URL


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
            begun.stays_on = maintenance.standing().on
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
            if self.progress.phase == DATABASE:
                wait_until_quiet(self.progress.set)
        if self.progress.phase == DATABASE:
            maintenance.tell(replace(told, shut=True))
        self.tell(at_once=True)

    def bring_database(self) -> str:
        of = self.of
        chunks = sets.part_chunks(of.target.store, of.head, sets.DATABASE, of.seal)
        database.restore(chunks, database.server_major())
        self.hold()
        call_command("migrate", interactive=False, verbosity=0)
        return BLOBS

    def hold(self) -> None:
        """The database that has just come says nothing of this restore: it is told at once."""
        if not table_exists(Maintenance):
            return  # Older than maintenance; the flags hold.
        Maintenance.objects.update_or_create(
            pk=1, defaults={"on": True, "reason": "A backup is being restored.", "by": self.by.name}
        )
        maintenance.switch_on("A backup is being restored.", by=nobody(self.by), restoring=True)

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
        for entry in sets.entries(of.target.store, of.head, of.seal):
            if size_in(entry.store, entry.key) != entry.size and not self.bring(entry, pool):
                progress.lost += 1
                progress.lost_examples += [entry.name or entry.key][: TOLD - len(progress.lost_examples)]
            progress.done_bytes += entry.size
            self.tell()
        return FINISH

    def bring(self, entry: Entry, pool: sets.Pool | None) -> bool:
        if pool is None or not pool.has(entry.sha256, entry.size):
            return False
        get_store(entry.store).put(
            entry.key, self.passing(pool.chunks(entry.sha256)), size=entry.size, sha256=entry.sha256
        )
        return True

    def passing(self, chunks: Any) -> Any:
        for chunk in chunks:
            self.tell()
            yield chunk

    def finish(self) -> str:
        """What the database says of work, uploads and caches of another machine is made true of this one."""
        progress = self.progress
        progress.notes = [AGAIN]
        bring_keys(self.of, progress)
        with transaction.atomic():
            SweepHold.objects.all().delete()
            Upload.objects.filter(finished_at__isnull=True).delete()
            Backup.objects.filter(name=self.of.head.name).update(
                state=State.DONE, finished_at=Now(), verified_at=Now(), holder="", error=""
            )
            Backup.objects.filter(state__in=(State.QUEUED, State.RUNNING)).update(
                state=State.KILLED,
                finished_at=Now(),
                holder="",
                error="It was under way when the backup was made.",
            )
        forget_lost_pictures()
        progress.remade = remake_lost_outputs(self.tell)
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
        if self.progress.stays_on:
            told = maintenance.standing()
            maintenance.tell(maintenance.Standing(True, told.reason, told.since, told.by))
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
    counts = ((runs, "runs"), (uploads, "uploads"), (making, "backups"))
    told = [f"{count} {what}" for count, what in counts if count]
    return " and ".join(told)


def bring_keys(of: Opened, progress: Progress) -> None:
    """The signing key of an installation that keeps its own in a file; others are told what to set."""
    if not of.head.encrypted:
        progress.notes.append("The set is not encrypted, so it has no keys: people log in again.")
        return
    kept = sets.small_part(of.target.store, of.head, sets.KEYS, of.seal)
    signing = kept.get("ALCOVES_SECRET_KEY", "")
    if not signing or signing == settings.SECRET_KEY:
        return
    if env.raw("ALCOVES_SECRET_KEY"):
        progress.notes.append(
            "ALCOVES_SECRET_KEY differs from that of the backup: set it to the one that --keys-to FILE writes, or "
            "people log in again and signed links end."
        )
        return
    path = Path(settings.DATA_PATH) / "secret_key"
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
    progress.notes.append("The signing key was brought back.")


def forget_lost_pictures() -> None:
    """Rows of the image cache whose picture did not come along: they are made again when somebody asks."""
    last: Any = None
    while True:
        rows = CachedImage.objects.order_by("pk")
        batch = list((rows.filter(pk__gt=last) if last else rows)[:BATCH])
        if not batch:
            return
        last = batch[-1].pk
        lost = [row.pk for row in batch if size_in(CACHE, row.key) != row.size]
        with transaction.atomic():
            Original.objects.filter(cached_images__in=lost).forget_warmth()
            CachedImage.objects.filter(pk__in=lost).delete()


def remake_lost_outputs(tick: Callable[[], None]) -> int:
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
            row.pk for row in batch if any(size_in("files", one["key"]) != one["size"] for one in row.outputs)
        ]
        if lost:
            count += reprocess.request(lost)
