"""Makes a set: one snapshot decides what is in it, blobs follow, and backup.json makes it valid at the end.

The work is done in phases that each can be gone on with in another process:

1. snapshot: the dump and the list of blobs, of one snapshot; settings, keys, the manifest.
2. blobs: each that the pool lacks is sent, read back, decrypted and compared.
3. verify: the parts are read back; every blob of the manifest is in the pool with its size.
4. finish: backup.json, then what nobody needs any more goes (`alcoves.backup.pruning`).

Meanwhile the sweeper is held, two seconds by two seconds, for a quarter of an hour each: blobs that lose their name
after the snapshot stay, and a backup that was killed holds nothing for longer.
"""

import json
import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import IO, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from alcoves.accounts import avatars
from alcoves.accounts.avatars import AVATARS
from alcoves.backup import contents, database, pruning, sealing, sets, targets, underway
from alcoves.backup.errors import BackupError, BusyError, LostError
from alcoves.backup.models import NONE, Backup, Installation, Spoiled, State
from alcoves.backup.pruning import Keep
from alcoves.backup.sets import Entry, Head, Part
from alcoves.backup.working import WAITS, Effort, bury, claim, fail
from media import audit
from media.audit import Actor
from media.models import SweepHold
from media.models.blob import FILES
from storage.errors import (
    BlobNotFoundError,
    ChecksumMismatchError,
    SizeMismatchError,
    StoreError,
    StoreFullError,
    UnreadableError,
)
from storage.registry import get_store
from storage.streams import Tally

logger = logging.getLogger(__name__)
HELD: Final = (FILES, AVATARS)
HOLD: Final = timedelta(minutes=15)
BETWEEN: Final = WAITS + timedelta(hours=1)
"""From one slice to the next: for as long as it is not taken for dead."""
BUSY: Final = "Another backup is being made. Wait for its end, or look at it in the console."
RESTORED: Final = (
    "A restore is under way or was not finished: go on with it to its end, then make a backup of what came."
)
NOT_HERE: Final = (BlobNotFoundError, SizeMismatchError, ChecksumMismatchError, UnreadableError)
"""What a blob itself is to blame for: it is left out and told, and all others go along."""
SNAPSHOT, SENDING, VERIFY, FINISH = "snapshot", "blobs", "verify", "finish"
MISSING_TOLD: Final = 1000
Say = Callable[[Backup], None]


def ask(target: str, blobs: str, *, by: Actor, scheduled: bool = False, named_only: bool = False) -> Backup:
    """A row for a backup that somebody is about to make. BusyError while there is one under way."""
    place = targets.by_name(target) if named_only else targets.get(target)
    refuse_while_restored()
    bury(Backup)
    with transaction.atomic():
        if Backup.objects.filter(Q(state=State.RUNNING) | Q(state=State.QUEUED)).exists():
            raise BusyError(BUSY)
        now = timezone.now()
        row = Backup.objects.create(
            name=f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            target=place.name,
            blobs=blobs,
            scheduled=scheduled,
            asked_by=by.user,
            encrypted=bool(settings.BACKUP_PASSPHRASE),
        )
        text = f"Asked for a backup to {place.name}."
        audit.note("backup.make", by=by, text=text, target=row, blobs=blobs)
    return row


def make(
    row: Backup, *, seconds: float | None = None, say: Say | None = None, keep: Keep | None = None
) -> bool:
    """Goes on with a backup, for so long at most. Whether it has ended. `keep` says what older sets stay."""
    refuse_while_restored()
    row = claim(row, BUSY)
    try:
        writing = Writing(row, seconds, say, keep or Keep())
        with writing.living():
            return writing.go_on()
    except (BackupError, StoreError) as error:
        give_up(row, sentence_of(error))
        raise BackupError(sentence_of(error)) from error
    except Exception as error:
        give_up(row, f"It broke off ({type(error).__name__}). The log says more; start it again.")
        raise


def refuse_while_restored() -> None:
    """What is here by halves would be taken for the whole, and older sets be removed for it."""
    if underway.is_changing():
        raise BusyError(RESTORED)


def sentence_of(error: Exception) -> str:
    if isinstance(error, StoreFullError):
        return f"The target has no room left: make some, or keep fewer sets. ({error})"
    return str(error)


def give_up(row: Backup, sentence: str) -> None:
    """What somebody else has taken up meanwhile holds the sweeper by the same name."""
    if fail(row, sentence):
        SweepHold.objects.let_go(hold_of(row))


def hold_of(row: Backup) -> str:
    return f"backup {row.name}"


class Writing(Effort[Backup]):
    """One slice of one backup."""

    def __init__(self, row: Backup, seconds: float | None, say: Say | None, keep: Keep) -> None:
        super().__init__(row, seconds)
        self.say, self.older = say, keep
        self.hold()
        self.target = targets.get(row.target)
        self.store = self.target.store
        targets.refuse_unmounted(self.target)
        self.seal = sealing.make(self.store, settings.BACKUP_PASSPHRASE)

    def hold(self) -> None:
        SweepHold.objects.hold(hold_of(self.row), HELD, HOLD)

    def pause(self) -> None:
        super().pause()
        SweepHold.objects.hold(hold_of(self.row), HELD, BETWEEN)

    def beaten(self) -> None:
        self.hold()

    def ticked(self) -> None:
        self.hold()
        if self.say is not None:
            self.say(self.row)

    def kept(self) -> tuple[str, ...]:
        return (*super().kept(), "encrypted", "size", "files", "files_size", "sent", "sent_size", "missing")

    def go_on(self) -> bool:
        phases = {SNAPSHOT: self.take, SENDING: self.send, VERIFY: self.verify, FINISH: self.finish}
        while True:
            following = phases[self.row.phase or SNAPSHOT]()
            if following is None:
                return True
            if following == self.row.phase:
                self.pause()
                return False
            self.row.phase = following
            self.tick(at_once=True)
            logger.info("backup %s: %s", self.row.name, following)

    # 1. The snapshot.

    def take(self) -> str:
        """Begun anew where it was killed: what lies there of an earlier try is written over."""
        row = self.row
        targets.mark(self.target)
        pruning.clean(self.target, keep=row.name)
        row.encrypted = self.seal.encrypted
        head = Head(
            name=row.name,
            made_at=timezone.now().isoformat(timespec="milliseconds"),
            alcoves=contents.version(),
            postgres=0,
            database=str(settings.DATABASES["default"].get("NAME", "")),
            encrypted=row.encrypted,
            blobs=row.blobs,
            parts=[],
            installation=settings.PUBLIC_URL,
            owner=Installation.objects.name_here(),
        )
        with self.spool() as spool:
            with database.snapshot() as taken:
                head.postgres = taken.major
                head.migrations = contents.migrations(taken)
                for entry in contents.blobs(taken, row.blobs):
                    spool.write(entry.line())
                    self.tick()
                head.parts.append(self.put(sets.DATABASE, database.dumped(taken)))
            spool.seek(0)
            unknown: list[Entry] = []
            head.parts.append(self.put(sets.MANIFEST, self.manifest(spool, head, unknown)))
        for entry in unknown:
            avatars.learn(entry.key, entry.size, entry.sha256)
        head.parts.append(self.put(sets.SETTINGS, iter([contents.as_bytes(contents.run_time_settings())])))
        if self.seal.encrypted:
            head.parts.append(self.put(sets.KEYS, iter([contents.as_bytes(contents.keys())])))
        row.size = sum(part.size for part in head.parts)
        row.files, row.files_size, row.missing = head.files, head.files_size, head.missing_count
        row.done_bytes, row.total_bytes = 0, head.files_size
        row.position = {"line": 0, "head": asdict(head)}
        return VERIFY if row.blobs == NONE else SENDING

    def spool(self) -> IO[bytes]:
        settings.SCRATCH_PATH.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(prefix="backup-", dir=settings.SCRATCH_PATH)

    def put(self, name: str, chunks: Iterator[bytes]) -> Part:
        name = f"{name}{self.seal.suffix}"
        wrapped = self.passing(self.seal.wrap(chunks), counted=False)
        stat = self.store.put(f"{sets.folder_of(self.row.name)}{name}", wrapped)
        if stat.sha256 is None:
            raise BackupError("The target told no checksum of what was written: choose another target.")
        return Part(name, stat.size, stat.sha256)

    def manifest(self, spool: IO[bytes], head: Head, unknown: list[Entry]) -> Iterator[bytes]:
        """The list with what the database does not know: digests of bytes that are not hashed yet.

        Of avatars these are `unknown` to whoever has it drawn, maybe in a thread of the seal, where no row is written.
        """
        for line in spool:
            told = Entry(**json.loads(line))
            entry = complete(told, self.tick)
            if entry.size < 0:
                head.missing_count += 1
                head.missing += [entry.key][: MISSING_TOLD - len(head.missing)]
                continue
            if entry.store == AVATARS and not told.sha256:
                unknown.append(entry)
            head.files += 1
            head.files_size += entry.size
            pool = sets.pool_key(self.seal, entry.sha256).removeprefix(sets.POOL)
            yield Entry(**{**asdict(entry), "pool": pool}).line()

    # 2. Blobs.

    def head(self) -> Head:
        kept = self.row.position["head"]
        return Head(**{**kept, "parts": [Part(**part) for part in kept["parts"]]})

    def send(self) -> str:
        row, head = self.row, self.head()
        pool, spoiled = sets.Pool(self.store, self.seal, self.tick), Spoiled.objects.of(row.target)
        done = int(row.position["line"])
        for entry in islice(sets.entries(self.store, head, self.seal), done, None):
            if entry.sha256 not in spoiled and pool.has(entry.sha256, entry.size):
                row.done_bytes += entry.size
            else:
                self.send_one(entry, pool, head, spoiled)
            row.position = {"line": row.position["line"] + 1, "head": row.position["head"]}
            self.tick()
            if self.over:
                row.position["head"] = asdict(head)
                return SENDING
        row.position["head"] = asdict(head)
        return VERIFY

    def send_one(self, entry: Entry, pool: sets.Pool, head: Head, spoiled: set[str]) -> None:
        row = self.row
        before = row.done_bytes
        tally = Tally(size=entry.size, sha256=entry.sha256)
        try:
            source = held_to(tally, sets.stored_chunks(get_store(entry.store), entry.key))
            key = sets.pool_key(self.seal, entry.sha256)
            stat = self.store.put(key, self.passing(self.seal.wrap(source)))
            self.look_at(entry, key)
        except NOT_HERE as error:
            logger.warning("blob %s is not as the database says and is left out: %s", entry.key, error)
            row.missing += 1
            head.missing_count += 1
            head.missing += [entry.key][: MISSING_TOLD - len(head.missing)]
        else:
            pool.add(entry.sha256, stat.size)
            if entry.sha256 in spoiled:
                spoiled.discard(entry.sha256)
                Spoiled.objects.filter(target=row.target, digest=entry.sha256).delete()
            row.sent += 1
            row.sent_size += entry.size
        row.done_bytes = before + entry.size

    def look_at(self, entry: Entry, key: str) -> None:
        """What was written, read back, decrypted and compared."""
        tally = Tally(size=entry.size, sha256=entry.sha256)
        back = self.seal.unwrap(self.passing(sets.stored_chunks(self.store, key), counted=False))
        try:
            for _ in held_to(tally, back):
                pass
        except LostError:
            raise  # Stopped in the middle: what was read so far says nothing of the bytes.
        except (*NOT_HERE, BackupError):
            self.store.delete(key)
            raise BackupError(
                "The target gave back other bytes than were written: check its disk, or choose another target."
            ) from None

    # 3. and 4.

    def verify(self) -> str:
        from alcoves.backup import checking

        checking.check_parts(self.store, self.head(), self.seal, tick=self.tick)
        self.send_what_went()
        return FINISH

    def send_what_went(self) -> None:
        """What the pool had when it was listed may be gone, or found to be spoiled by a check beside us."""
        head, done = self.head(), self.row.done_bytes
        if self.row.blobs == NONE or head.missing_count > MISSING_TOLD:
            return
        pool, missing = sets.Pool(self.store, self.seal, self.tick), set(head.missing)
        spoiled = Spoiled.objects.of(self.row.target)
        for entry in sets.entries(self.store, head, self.seal):
            right = entry.sha256 not in spoiled and pool.has(entry.sha256, entry.size)
            if entry.key not in missing and not right:
                self.send_one(entry, pool, head, spoiled)
            self.tick()
        self.row.done_bytes = done
        self.row.position["head"] = asdict(head)

    def finish(self) -> None:
        head = self.head()
        text = head.text()
        self.tick(at_once=True)
        self.store.put(f"{sets.folder_of(head.name)}{sets.HEAD}", [text], size=len(text))
        self.row.missing = head.missing_count
        # Each blob that was sent was read back; what the pool had already nobody has read today.
        read = self.row.blobs == NONE or self.row.sent >= self.row.files
        self.prune()
        self.end(State.DONE, self.row.lack, verified_at=timezone.now() if read else None, position={})
        SweepHold.objects.let_go(hold_of(self.row))

    def prune(self) -> None:
        """While this backup still runs, so that no other begins and counts on a blob that goes just now.

        The new set is whole already: what ails older ones is told, and never makes this one a failure.
        """
        try:
            older = self.older
            older.gone += pruning.prune(self.target, self.seal, days=older.days, by=older.by, tick=self.tick)
        except LostError:
            raise
        except (BackupError, StoreError) as error:
            self.older.trouble = str(error)
            logger.warning("older sets were not removed: %s", error)
        except Exception as error:
            self.older.trouble = f"It broke off ({type(error).__name__}). The log says more."
            logger.exception("older sets were not removed")


def complete(entry: Entry, tick: Callable[[], None]) -> Entry:
    """With size and digest. A size of -1: it is not there."""
    if entry.size >= 0 and entry.sha256:
        return entry
    tally = Tally(size=entry.size if entry.size >= 0 else None)
    try:
        for _ in tally.through(sets.stored_chunks(get_store(entry.store), entry.key)):
            tick()
        tally.verify()
    except NOT_HERE:
        return Entry(**{**asdict(entry), "size": -1})
    return Entry(**{**asdict(entry), "size": tally.size, "sha256": tally.sha256})


def held_to(tally: Tally, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from tally.through(chunks)
    tally.verify()
