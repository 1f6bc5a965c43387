"""Files of this machine into a library, with their folders. The source is only ever read.

Running again changes nothing: a file that lies in its folder with the same name and bytes is passed over.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from alcoves import metrics
from media import folders, hashing, intake
from media.errors import ConflictError, MediaError, RequestError
from media.intake import Place
from media.models import File, Folder, Library
from media.uploads import receiving
from media.uploads.places import moment_at
from storage.base import CHUNK_SIZE
from storage.errors import SizeMismatchError, StoreError

WAY = "ingest"


class State(StrEnum):
    """What became of one file."""

    NEW = "new"
    DUPLICATE = "duplicate"
    SKIPPED = "already there"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Found:
    """A file of this machine, and the folders between it and where the search began."""

    path: Path
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Where files go and in whose name."""

    library: Library
    folder: Folder | None
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table at the end."""

    path: Path
    name: str
    size: int
    mime: str
    state: State
    reason: str = ""
    code: str = ""
    """Of the refusal, as the API would give it."""
    again: bool = False
    """True where the same may work later: the store was away, the file was being written."""
    original_id: UUID | None = None


def walk(root: Path) -> Iterator[Found]:
    """Every file under `root`, in order of name; no hidden ones and none that a link leads out to."""
    if not root.is_dir():
        yield Found(root, ())
        return
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            found = find(root, Path(folder, name))
            if found is not None:
                yield found


def find(root: Path, path: Path) -> Found | None:
    """The file at `path` if it is one to take: regular, under `root` in truth, nothing on its way hidden.

    A link that leads to itself is given too: `take_in` says so.
    """
    if path == root:
        return Found(path, ())
    parts = path.relative_to(root).parts
    if any(part.startswith(".") for part in parts):
        return None
    try:
        real = path.resolve(strict=True)
        regular = stat.S_ISREG(real.stat().st_mode)
        inside = real.is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        # Gone meanwhile, or a link to nothing. Until Python 3.13 a circle of links is a RuntimeError.
        circle = isinstance(error, RuntimeError) or error.errno == errno.ELOOP
        return Found(path, parts[:-1]) if circle else None
    return Found(path, parts[:-1]) if regular and inside else None


def take_in(found: Found, target: Target, progress: Callable[[int], None] = lambda _: None) -> Outcome:
    """One file into the library. What goes wrong is told in the outcome; only the unexpected is raised."""
    size = 0
    try:
        before = found.path.stat()
        require_regular(before)
        size = before.st_size
        folder = get_path(target.library, target.folder, found.folders)
        place = Place(target.library, found.path.name, folder, target.user_id, moment_at(before.st_mtime))
        known = find_same(found.path, size, place)
        if known is not None:
            progress(size)
            original = known.original
            return Outcome(
                found.path, known.name, size, original.mime, State.SKIPPED, original_id=original.pk
            )
        return bring(found.path, before, place, progress)
    except (MediaError, StoreError) as error:
        metrics.UPLOADS.labels(WAY, "refused").inc()
        reason, code = str(error), error.code
        return Outcome(found.path, found.path.name, size, "", State.REFUSED, reason, code, again=error.retry)
    except OSError as error:
        reason = f"It cannot be read ({error.strerror}). Check its owner and mode."
        if error.errno == errno.ELOOP:
            reason = "This link leads to itself. Remove it, or let it lead to a file."
        return Outcome(found.path, found.path.name, size, "", State.REFUSED, reason)


def bring(path: Path, before: os.stat_result, place: Place, progress: Callable[[int], None]) -> Outcome:
    changed = Outcome(
        path,
        path.name,
        before.st_size,
        "",
        State.REFUSED,
        "It changed while it was read. Bring it in again.",
        again=True,
    )
    try:
        stored = receiving.receive(place.library, blocks_of(path, progress), size=before.st_size)
    except SizeMismatchError:
        return changed
    if signature(path.stat()) != signature(before):
        receiving.doom([stored.key])
        return changed
    admitted = receiving.admit(stored, place, way=WAY)
    state = State.DUPLICATE if admitted.duplicate else State.NEW
    file = admitted.file
    return Outcome(path, file.name, stored.size, stored.sniffed.mime, state, original_id=file.original_id)


def blocks_of(path: Path, progress: Callable[[int], None]) -> Iterator[bytes]:
    """A failing disk of the source must not look like a failing store: OSError passes as it is."""
    with path.open("rb") as reader:
        while block := reader.read(CHUNK_SIZE):
            yield block
            progress(len(block))


def signature(found: os.stat_result) -> tuple[int, int]:
    """Changes whenever somebody writes."""
    return found.st_size, found.st_mtime_ns


def require_regular(found: os.stat_result) -> None:
    """Before it is opened: a pipe would be waited for, and a device may have no end."""
    if not stat.S_ISREG(found.st_mode):
        raise RequestError(
            "This is a pipe, a device or a socket, so it is not read. Give a file or a folder.",
            code="not_a_file",
        )


def shown(text: object) -> str:
    """A name of this machine as a terminal may print it: what would steer the terminal is written out."""
    return "".join(
        char if char.isprintable() or char in intake.JOINERS else written_out(char) for char in str(text)
    )


def written_out(char: str) -> str:
    """Bytes that are no UTF-8 come as surrogates in Python; they are shown as the bytes they are."""
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def find_same(path: Path, size: int, place: Place) -> File | None:
    """The live file of that name in that folder with these bytes. Hashes only where the size fits already."""
    name = intake.clean_name(place.name)
    rows = File.objects.live().select_related("original").filter(
        library=place.library, folder=place.folder, name=name,
        original__size=size, original__sha256__isnull=False,
    )  # fmt: skip
    candidates = list(rows)
    if not candidates:
        return None
    with path.open("rb") as reader:
        digest = hashing.hash_stream(reader)
    return next((file for file in candidates if file.original.sha256 == digest), None)


def get_path(library: Library, folder: Folder | None, names: tuple[str, ...]) -> Folder | None:
    """The folder at the end of a path of names; those that are missing are made."""
    for name in names:
        folder = get_folder(library, folder, intake.clean_name(name))
    return folder


def get_folder(library: Library, parent: Folder | None, name: str) -> Folder:
    """By name without regard to case, as the database sees it; two that make the same one agree on it."""
    rows = Folder.objects.live().filter(library=library, parent=parent, name__iexact=name)
    found: Folder | None = rows.first()
    if found is not None:
        return found
    try:
        return folders.create_folder(library, name, parent.pk if parent is not None else None)
    except ConflictError:
        made: Folder | None = rows.first()
        if made is None:
            raise
        return made


def split_path(text: str) -> tuple[str, ...]:
    """`Holidays/2024` as names. RequestError for one that climbs."""
    names = tuple(part for part in text.split("/") if part.strip())
    if any(name in {".", ".."} for name in names):
        raise RequestError("Name the folder by its path in the library, such as Holidays/2024, without dots.")
    return names
