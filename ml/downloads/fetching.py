"""One file over HTTP: six attempts with pauses, from where the last one broke off, checked before it gets its name.

Pure: knows an address, a path and what the file must be. Who calls tells the progress, and stops it by raising.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import httpx

from media.errors import MediaError, TransientError
from ml.downloads import answers, contents, onward, part, room
from ml.downloads.errors import MirrorAwayError, NotOnMirrorError, WrongContentError
from ml.downloads.part import Part
from ml.registry.specs import SMALLEST

PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before the next attempt; the last one holds for all that follow."""
ATTEMPTS: Final = 6
PROGRESS: Final = 8 * 1024 * 1024
"""Bytes further than ever before, after which the attempts are counted anew: a line that breaks often still arrives."""
LONGEST_PAUSE: Final = 60.0
REDIRECTS: Final = 5
STUMP: Final = 4096
"""Bytes. A pointer of Git LFS has 130, and most pages of errors are no longer."""
ROOM_EVERY: Final = 64 * 1024 * 1024
"""Bytes after which the disk is looked at again: others write to it too."""
TIMEOUT: Final = httpx.Timeout(connect=10, read=60, write=30, pool=30)
HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": "Alcoves"}

Told: TypeAlias = Callable[[int, int | None], None]
"""Bytes that are here, and of how many if that is known. What it raises ends the download; the part stays."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch, where to, and how to know it. `limit` bytes are taken at most, `reserve` left free on the disk."""

    url: str
    target: Path
    limit: int
    size: int | None = None
    sha256: str | None = None
    minimum_size: int = SMALLEST
    reserve: int = 0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What lies at the target now."""

    size: int
    sha256: str


def fetch(
    wanted: Wanted,
    told: Told,
    *,
    wait: Callable[[float], None] = time.sleep,
    tried: Callable[[MediaError], None] | None = None,
) -> Fetched:
    """See that the file is at its target.

    Raises the errors of `ml.downloads.errors`: a passing one only after six attempts that came no further. `tried`
    hears of each that failed.
    """
    try:
        with part.opened(wanted.target) as begun, httpx.Client(timeout=TIMEOUT, headers=HEADERS) as client:
            return persist(client, wanted, begun, told, wait=wait, tried=tried or (lambda _: None))
    except OSError as error:
        raise room.full(wanted.target.parent, error) from error


def persist(
    client: httpx.Client,
    wanted: Wanted,
    begun: Part,
    told: Told,
    *,
    wait: Callable[[float], None],
    tried: Callable[[MediaError], None],
) -> Fetched:
    """Attempts until one succeeds, or too many in a row came no further."""
    best, failures = begun.position, 0
    while True:
        try:
            return attempt(client, wanted, begun, told)
        except TransientError as error:
            if begun.position >= best + PROGRESS:
                best, failures = begun.position, 0
            failures += 1
            tried(error)
            if failures >= ATTEMPTS:
                raise
            wait(pause_after(failures, error))


def pause_after(failures: int, error: TransientError) -> float:
    """As the table has it, or as long as the mirror asks for, within a minute."""
    asked = float(error.retry_after) if "retry_after" in vars(error) else 0.0
    return max(PAUSES[min(failures, len(PAUSES)) - 1], min(asked, LONGEST_PAUSE))


def attempt(client: httpx.Client, wanted: Wanted, begun: Part, told: Told) -> Fetched:
    """One try. What was taken up from an earlier one and turns out wrong is thrown away and begins anew."""
    resumed = bool(begun.validator(wanted.url))
    if not begun.whole(wanted.url):
        receive(client, wanted, begun, told)
    try:
        admit(wanted, begun)
    except WrongContentError as error:
        if resumed:
            raise MirrorAwayError(
                f"What was resumed of {wanted.target.name} does not fit together. It begins anew."
            ) from error
        raise
    return Fetched(begun.position, begun.digest())


def admit(wanted: Wanted, begun: Part) -> None:
    """To its place, if it is what it should be; else nothing of it is kept."""
    name = wanted.target.name
    try:
        contents.check_head(name, begun.head)
        contents.check_size(name, begun.position, exact=wanted.size, minimum=wanted.minimum_size)
        contents.check_digest(name, begun.digest(), wanted.sha256)
    except MediaError:
        begun.discard()
        raise
    begun.finish()


def receive(client: httpx.Client, wanted: Wanted, begun: Part, told: Told) -> None:
    """The bytes that are missing, onto the part. MirrorAwayError where fewer come than were announced."""
    try:
        with answered(client, wanted, begun) as answer:
            total = answers.continue_or_begin(answer, wanted.url, begun)
            check_announced(wanted, total)
            check_room(wanted, begun, total)
            told(begun.position, total)
            # As they come: in blocks of a size of ours, a line that breaks would lose what has come of the last one.
            for block in answer.iter_raw():
                if begun.position % ROOM_EVERY + len(block) >= ROOM_EVERY:
                    check_room(wanted, begun, total)
                take(wanted, begun, block)
                told(begun.position, total)
    except httpx.TransportError as error:
        raise MirrorAwayError(
            f"The connection to {host_of(wanted.url)} does not hold. Look whether it can be reached from here.",
            detail=repr(error),
        ) from error
    if total is not None and begun.position != total:
        raise MirrorAwayError(f"{host_of(wanted.url)} broke off after {begun.position} of {total} bytes.")


def take(wanted: Wanted, begun: Part, block: bytes) -> None:
    """A page is refused with its first block, and what never ends when it is larger than the model can be."""
    begun.write(block)
    if begun.position - len(block) < contents.HEAD <= begun.position:
        try:
            contents.check_head(wanted.target.name, begun.head)
        except MediaError:
            begun.discard()
            raise
    if begun.position > wanted.limit:
        begun.discard()
        raise too_large(wanted)


def check_room(wanted: Wanted, begun: Part, total: int | None) -> None:
    """NoRoomError before what is left would take what others need."""
    left = max(0, (total or wanted.minimum_size) - begun.position)
    room.check(wanted.target.parent, left, wanted.reserve)


def check_announced(wanted: Wanted, total: int | None) -> None:
    """Before the first byte of what cannot be right. A stump comes all the same: it says best what it is."""
    if total is None or total <= STUMP:
        return
    if total > wanted.limit:
        raise too_large(wanted)
    contents.check_size(wanted.target.name, total, exact=wanted.size, minimum=wanted.minimum_size)


@contextmanager
def answered(client: httpx.Client, wanted: Wanted, begun: Part) -> Iterator[httpx.Response]:
    """The answer that has the bytes, redirects followed: a few, only over HTTP, never from TLS to none."""
    url = httpx.URL(wanted.url)
    validator = begun.validator(wanted.url)
    asked = {"Range": f"bytes={begun.position}-", "If-Range": validator} if validator else {}
    for _ in range(REDIRECTS + 1):
        with client.stream("GET", url, headers=asked) as answer:
            target = answer.headers.get("Location", "")
            if not (answer.is_redirect and target):
                answers.check_status(answer, wanted.target.name)
                yield answer
                return
        url = onward.followed(url, target)
    raise NotOnMirrorError(f"{host_of(wanted.url)} sends us from one address to the next without end.")


def too_large(wanted: Wanted) -> WrongContentError:
    return WrongContentError(
        f"{wanted.target.name} is larger than {wanted.limit} bytes, the most this model can have: another file."
    )


def host_of(url: str) -> str:
    return httpx.URL(url).host
