"""Whether a set is whole: its parts read and decrypted, its dump listed, its blobs in the pool; deep: each read too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from django.utils import timezone

from alcoves.backup import database, sets, targets
from alcoves.backup.errors import BackupError, DamagedError, LostError
from alcoves.backup.models import NONE, Backup, Spoiled
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Entry, Head
from alcoves.wording import are, counted
from storage.base import BlobStore
from storage.errors import BlobNotFoundError, ChecksumMismatchError, SizeMismatchError, UnreadableError
from storage.streams import Tally

Reading = Callable[[Iterator[bytes]], Iterator[bytes]]
"""What chunks go through as they are read."""
TOLD: Final = 100
AT_ONCE: Final = 500
WRONG: Final = (
    BlobNotFoundError,
    ChecksumMismatchError,
    SizeMismatchError,
    UnreadableError,
    BackupError,
)
"""What the bytes themselves are to blame for. A target that is away for the moment says nothing about them."""


@dataclass(slots=True)
class Checked:
    """What one check has seen."""

    files: int = 0
    size: int = 0
    missing: int = 0
    damaged: int = 0
    examples: list[str] = field(default_factory=list)
    spoiled: list[str] = field(default_factory=list)
    """Digests that are not written down yet."""

    def look_at(self, entry: Entry, pool: sets.Pool, reading: Reading | None) -> None:
        """One line of the manifest; its bytes too, where they are to be read."""
        self.files += 1
        self.size += entry.size
        if not pool.has(entry.sha256, entry.size):
            self.missing += 1
        elif reading is not None and not is_right(pool, entry, reading):
            self.damaged += 1
        else:
            return
        self.examples += [entry.name or entry.key][: TOLD - len(self.examples)]
        self.spoiled.append(entry.sha256)

    def write_down(self, target: str) -> None:
        """For the next backup, whatever becomes of this check."""
        Spoiled.objects.found(target, self.spoiled)
        self.spoiled = []

    def beyond(self, head: Head) -> "Checked":
        """Without those of which the set says itself that it lacks them: it counts all, and names the first only."""
        return replace(self, missing=max(0, self.missing - max(0, head.missing_count - len(head.missing))))

    def sentence(self) -> str:
        """Empty where all is well."""
        if not self.missing and not self.damaged:
            return ""
        some = ", ".join(self.examples[:3])
        missing = f"{counted(self.missing, 'blob')} {are(self.missing)} missing in the pool"
        return f"{missing} and {self.damaged} {are(self.damaged)} damaged, such as {some}."


def nothing() -> None:
    """Nobody wants to know."""


def check_parts(store: BlobStore, head: Head, seal: Plain, *, tick: Callable[[], None] = nothing) -> None:
    """Every part read back: size, checksum, decryption; and pg_restore can read the dump."""
    for part in head.parts:
        name = part.name.removesuffix(".age")
        drain(ticking(sets.part_chunks(store, head, name, seal), tick), head.name, name)
    check_dump(store, head, seal, tick=tick)


def check_dump(store: BlobStore, head: Head, seal: Plain, *, tick: Callable[[], None] = nothing) -> None:
    """Read once more from the beginning: pg_restore reads no further than it has to."""
    chunks = ticking(sets.part_chunks(store, head, sets.DATABASE, seal), tick)
    if not database.check_readable(chunks, head.postgres):
        raise DamagedError(f"The dump of the set {head.name} is empty: take another set.")


def ticking(chunks: Iterator[bytes], tick: Callable[[], None]) -> Iterator[bytes]:
    for chunk in chunks:
        tick()
        yield chunk


def drain(chunks: Iterator[bytes], name: str, part: str) -> None:
    try:
        for _ in chunks:
            pass
    except LostError:
        raise
    except WRONG as error:
        raise damaged(name, part) from error


def damaged(name: str, part: str) -> DamagedError:
    return DamagedError(f"The part {part} of the set {name} is damaged or missing: take another set.")


def check_blobs(
    store: BlobStore,
    head: Head,
    seal: Plain,
    *,
    deep: bool = False,
    tick: Callable[[], None] = nothing,
    target: str = "",
) -> Checked:
    """All that the manifest names lie in the pool with a size that fits; deep: with the right bytes.

    With the name of the target what is spoiled is written down as it is found.
    """
    found = Checked()
    if head.blobs == NONE:
        return found
    known_missing = set(head.missing)
    pool = sets.Pool(store, seal)
    reading = partial(ticking, tick=tick) if deep else None
    for entry in sets.entries(store, head, seal):
        tick()
        if entry.key in known_missing:
            continue
        found.look_at(entry, pool, reading)
        if target and len(found.spoiled) >= AT_ONCE:
            found.write_down(target)
    if target:
        found.write_down(target)
    return found.beyond(head)


def is_right(pool: sets.Pool, entry: Entry, reading: Reading) -> bool:
    tally = Tally(size=entry.size, sha256=entry.sha256)
    try:
        for _ in reading(tally.through(pool.chunks(entry.sha256))):
            pass
        tally.verify()
    except LostError:
        raise
    except WRONG:
        return False
    return True


def record(name: str, target: str, sentence: str) -> None:
    """What was found of a set, with its row: a sentence, empty where all is well."""
    row = Backup.objects.filter(name=name).first()
    if row is None or not targets.is_same(row.target, target):
        return  # Another installation made it, or this is a copy of it.
    now = timezone.now()
    row.verified_at, row.damaged_at = now, now if sentence else None
    row.error = sentence or row.lack
    row.save(update_fields=["verified_at", "damaged_at", "error", "updated_at"])
