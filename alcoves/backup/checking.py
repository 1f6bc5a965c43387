"""Whether a set is whole: its parts read and decrypted, its dump listed, its blobs in the pool; deep: each read too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.utils import timezone

from alcoves.backup import database, sealing, sets, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import NONE, Backup
from alcoves.backup.sealing import Plain
from alcoves.backup.sets import Entry, Head
from storage.base import BlobStore
from storage.errors import StoreError
from storage.streams import Tally

TOLD = 100


@dataclass(slots=True)
class Checked:
    """What one check has seen."""

    files: int = 0
    size: int = 0
    missing: int = 0
    damaged: int = 0
    examples: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """Empty where all is well."""
        if not self.missing and not self.damaged:
            return ""
        some = ", ".join(self.examples[:3])
        return f"{self.missing} blobs are missing in the pool and {self.damaged} are damaged, such as {some}."


def nothing() -> None:
    """Nobody wants to know."""


def check_parts(store: BlobStore, head: Head, seal: Plain, *, tick: Callable[[], None] = nothing) -> None:
    """Every part read back: size, checksum, decryption; and pg_restore can read the dump."""
    for part in head.parts:
        name = part.name.removesuffix(".age")
        drain(ticking(sets.part_chunks(store, head, name, seal), tick), head.name, name)
    # Once more from the beginning: pg_restore reads no further than it has to.
    if not database.check_readable(sets.part_chunks(store, head, sets.DATABASE, seal), head.postgres):
        raise BackupError(f"The dump of the set {head.name} is empty: take another set.")


def ticking(chunks: Iterator[bytes], tick: Callable[[], None]) -> Iterator[bytes]:
    for chunk in chunks:
        tick()
        yield chunk


def drain(chunks: Iterator[bytes], name: str, part: str) -> None:
    try:
        for _ in chunks:
            pass
    except (StoreError, BackupError) as error:
        raise damaged(name, part) from error


def damaged(name: str, part: str) -> BackupError:
    return BackupError(f"The part {part} of the set {name} is damaged or missing: take another set.")


def check_blobs(
    store: BlobStore, head: Head, seal: Plain, *, deep: bool = False, tick: Callable[[], None] = nothing
) -> Checked:
    """All that the manifest names lie in the pool with a size that fits; deep: with the right bytes."""
    found = Checked()
    if head.blobs == NONE:
        return found
    known_missing = set(head.missing)
    pool = sets.Pool(store, seal)
    for entry in sets.entries(store, head, seal):
        tick()
        if entry.key in known_missing:
            continue
        found.files += 1
        found.size += entry.size
        if not pool.has(entry.sha256, entry.size):
            found.missing += 1
        elif deep and not is_right(pool, entry, tick):
            found.damaged += 1
        else:
            continue
        found.examples += [entry.name or entry.key][: TOLD - len(found.examples)]
    return found


def is_right(pool: sets.Pool, entry: Entry, tick: Callable[[], None]) -> bool:
    tally = Tally(size=entry.size, sha256=entry.sha256)
    try:
        for _ in ticking(tally.through(pool.chunks(entry.sha256)), tick):
            pass
        tally.verify()
    except (StoreError, BackupError):
        return False
    return True


def verify(row: Backup, passphrase: str, *, deep: bool, tick: Callable[[], None] = nothing) -> str:
    """Looks at a set and keeps the answer with its row: a sentence, empty where all is well."""
    try:
        store = targets.get(row.target).store
        seal = sealing.find(store, passphrase) or Plain()
        head = sets.read_head(store, row.name)
        check_parts(store, head, seal if head.encrypted else Plain(), tick=tick)
        sentence = check_blobs(
            store, head, seal if head.encrypted else Plain(), deep=deep, tick=tick
        ).sentence()
    except (BackupError, StoreError) as error:
        sentence = str(error)
    Backup.objects.filter(pk=row.pk).update(verified_at=timezone.now(), error=sentence)
    return sentence
