"""What lies in a target, and how it is read: docs/backup.md and decision 28.

identity.age                    the key of the target, locked by the passphrase (only where it is encrypted)
sets/NAME/database.dump[.age]   pg_dump, custom format
sets/NAME/manifest.jsonl[.age]  a line for each blob: where it lies, its size and SHA-256, what it is
sets/NAME/settings.json[.age]
sets/NAME/keys.json.age         only in encrypted sets
sets/NAME/backup.json           written last: a folder without it is no set
pool/ab/NAME[.age]              blobs, shared by all sets of the target
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, get_origin

from django.utils import timezone

from alcoves.backup.errors import BackupError, DamagedError
from alcoves.backup.models import AHEAD
from alcoves.backup.sealing import Plain
from storage.base import CHUNK_SIZE, BlobStore
from storage.errors import BlobNotFoundError, UnreadableError
from storage.streams import Tally

logger = logging.getLogger(__name__)
FORMAT: Final = 1
SETS, POOL = "sets/", "pool/"
HEAD: Final = "backup.json"
DATABASE, MANIFEST, SETTINGS, KEYS = "database.dump", "manifest.jsonl", "settings.json", "keys.json"
HEAD_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a set. Size and digest are of what lies in the target, so anyone can check them."""

    name: str
    size: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Head:
    """backup.json: not secret, and what makes a folder a set."""

    name: str
    made_at: str
    alcoves: str
    postgres: int
    database: str
    encrypted: bool
    blobs: str
    parts: list[Part]
    files: int = 0
    files_size: int = 0
    missing: list[str] = field(default_factory=list)
    missing_count: int = 0
    migrations: list[str] = field(default_factory=list)
    installation: str = ""
    owner: str = ""
    """The installation by what its database says, wherever it is reached."""
    format: int = FORMAT

    @property
    def made(self) -> datetime:
        """Without a zone it is UTC."""
        at = datetime.fromisoformat(self.made_at)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

    @property
    def is_ahead(self) -> bool:
        return self.made > timezone.now() + AHEAD

    def part(self, name: str) -> Part:
        for part in self.parts:
            if part.name in {name, f"{name}.age"}:
                return part
        raise BackupError(f"The set {self.name} has no {name}: take another set.")

    def text(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a manifest."""

    store: str
    key: str
    size: int
    sha256: str
    what: str
    name: str = ""
    library: str = ""
    pool: str = ""

    def line(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def folder_of(name: str) -> str:
    return f"{SETS}{name}/"


def pool_key(seal: Plain, sha256: str) -> str:
    name = seal.name_of(sha256)
    return f"{POOL}{name[:2]}/{name}{seal.suffix}"


def names(store: BlobStore) -> Iterator[tuple[str, bool]]:
    """Folders under sets/, and whether each is a set."""
    last, whole = "", False
    for stat in store.iterate(SETS):
        name, _, rest = stat.key.removeprefix(SETS).partition("/")
        if name != last:
            if last:
                yield last, whole
            last, whole = name, False
        whole = whole or rest == HEAD
    if last:
        yield last, whole


def read_head(store: BlobStore, name: str) -> Head:
    try:
        with store.open(f"{folder_of(name)}{HEAD}") as file:
            found = json.loads(file.read(HEAD_LIMIT))
        if found["format"] > FORMAT:
            raise BackupError(
                f"The set {name} was written by a newer Alcoves (format {found['format']}): update Alcoves first."
            )
        return head_of(name, found)
    except BlobNotFoundError:
        raise BackupError(f"There is no set {name} in this target, or its backup was not finished.") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, UnreadableError):
        raise DamagedError(f"{HEAD} of the set {name} is damaged: take another set.") from None


def head_of(name: str, found: dict[str, Any]) -> Head:
    """One of these errors for what we cannot have written: another name, values of other types, a time that is none."""
    known = {one: value for one, value in found.items() if one in Head.__dataclass_fields__}
    head = Head(**{**known, "parts": [Part(**part) for part in found["parts"]]})
    rows: list[Head | Part] = [head, *head.parts]
    for row in rows:
        hold_to_types(row)
    if not all(type(one) is str for one in (*head.missing, *head.migrations)):
        raise TypeError(name)
    if head.name != name or not timezone.is_aware(head.made):
        raise ValueError(name)
    return head


def hold_to_types(row: Head | Part) -> None:
    for one in fields(row):
        if type(getattr(row, one.name)) is not (get_origin(one.type) or one.type):
            raise TypeError(one.name)


def heads(store: BlobStore) -> list[Head]:
    """All sets, the newest last. One that is damaged or newer than we are is left out.

    One of a clock that was ahead comes before all others: nobody knows when it was made.
    """
    return read_all(store)[0]


def read_all(store: BlobStore) -> tuple[list[Head], dict[str, BackupError]]:
    """The same, and why others are left out."""
    found: list[Head] = []
    left_out: dict[str, BackupError] = {}
    for name, whole in names(store):
        if whole:
            try:
                found.append(read_head(store, name))
            except BackupError as error:
                left_out[name] = error
                logger.warning("the set %s is left out: %s", name, error)
    return sorted(found, key=lambda head: (not head.is_ahead, head.made)), left_out


def stored_chunks(store: BlobStore, key: str) -> Iterator[bytes]:
    with store.open(key) as file:
        while block := file.read(CHUNK_SIZE):
            yield block


def part_chunks(store: BlobStore, head: Head, name: str, seal: Plain) -> Iterator[bytes]:
    """A part, decrypted, held to its size and digest as it passes."""
    part = head.part(name)
    tally = Tally(size=part.size, sha256=part.sha256)

    def checked() -> Iterator[bytes]:
        yield from tally.through(stored_chunks(store, f"{folder_of(head.name)}{part.name}"))
        tally.verify()

    return seal.unwrap(checked())


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def entries(store: BlobStore, head: Head, seal: Plain) -> Iterator[Entry]:
    """The manifest, line by line. DamagedError for one that is none: its digest is known only at its end."""
    yield from entries_of(head.name, part_chunks(store, head, MANIFEST, seal))


def bare_entries(store: BlobStore, name: str, seal: Plain) -> Iterator[Entry]:
    """The manifest of a folder without backup.json, so without its digest."""
    key = f"{folder_of(name)}{MANIFEST}{seal.suffix}"
    yield from entries_of(name, seal.unwrap(stored_chunks(store, key)))


def entries_of(name: str, chunks: Iterable[bytes]) -> Iterator[Entry]:
    for line in lines_of(chunks):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            raise DamagedError(
                f"The part {MANIFEST} of the set {name} is damaged: take another set."
            ) from None
        yield entry


def small_part(store: BlobStore, head: Head, name: str, seal: Plain) -> Any:
    return json.loads(b"".join(part_chunks(store, head, name, seal)))


class Pool:
    """What the target has of blobs: digests and sizes, 130 bytes of memory for each."""

    def __init__(self, store: BlobStore, seal: Plain, tick: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._seal = seal
        self._tick = tick
        self._sizes = dict(self._listed())

    def _listed(self) -> Iterator[tuple[bytes, int]]:
        for stat in self._store.iterate(POOL):
            self._tick()
            name = stat.key.rpartition("/")[2]
            digest = name.removesuffix(self._seal.suffix) if self._seal.suffix else name
            try:
                yield bytes.fromhex(digest), stat.size
            except ValueError:
                continue  # Of the other kind (encrypted or not), or nobody's.

    def has(self, sha256: str, size: int) -> bool:
        stored = self._sizes.get(bytes.fromhex(self._seal.name_of(sha256)))
        return stored is not None and self._seal.fits(size, stored)

    def add(self, sha256: str, stored: int) -> None:
        self._sizes[bytes.fromhex(self._seal.name_of(sha256))] = stored

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """A blob of it, decrypted; whoever takes them holds them to their digest."""
        return self._seal.unwrap(stored_chunks(self._store, pool_key(self._seal, sha256)))
