"""What does it cost to encode a film in chunks and to join them, against the same film in one pass?

One process does both, in turn: the cuts, every chunk, the sound and the join, each from its claim to its named result.
What several workers make of the chunks is told beside it; on a machine where one encode fills all cores, it is no more.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from media import dispatch, ledger
from media.models import Derivative
from media.transcoding import chunks
from tests.bench import films, machines, reels
from tests.bench.films import Film, Spent
from tests.bench.measuring import Result, median
from tests.workers import wait_until

MOST_TIMES = 1.05


@dataclass(frozen=True, slots=True)
class Size:
    """The shortest film that is divided at all, and chunks as long as they are by default."""

    seconds: float = chunks.FEWEST * chunks.SECONDS
    width: int = 1280
    height: int = 720
    chunk_seconds: int = chunks.SECONDS
    rounds: int = 3
    workers: int = 2


QUICK = Size(seconds=64, chunk_seconds=16)
"""Chunks so short that what each costs beside its frames weighs seven times as much."""


def run(size: Size, folder: Path) -> list[Result]:
    film = films.film(folder, size.seconds, (size.width, size.height))
    whole: list[Spent] = []
    chunked: list[Spent] = []
    works: list[tuple[list[Spent], Callable[[], None]]] = [
        (whole, partial(encode, film, 0)),
        (chunked, partial(encode, film, size.chunk_seconds)),
    ]
    for number in range(size.rounds):
        for figures, work in films.in_turn(number, works):
            figures.append(films.spent_on(work))
    shared = by_workers(film, folder, size)
    ratio, figures_of_both = films.compared(chunked, whole)
    raw = {
        "film": film.told,
        "chunks": film.row.made_by["chunks"],
        **figures_of_both,
        "workers": size.workers,
        "seconds_of_the_workers": round(shared, 2),
        "times_as_fast_as_one": round(median([each.seconds for each in chunked]) / shared, 2),
    }
    return [Result("chunked", ratio, MOST_TIMES, higher_is_better=False, raw=raw)]


def encode(film: Film, chunk_seconds: int) -> None:
    with films.chunks_of(chunk_seconds):
        film.encode()
    assert ("chunks" in film.row.made_by) == bool(chunk_seconds), film.row.made_by


def by_workers(film: Film, folder: Path, size: Size) -> float:
    """Seconds from the message to the named film, where so many processes take the parts."""
    with films.chunks_of(size.chunk_seconds), ExitStack() as stack:
        for _ in range(size.workers):
            stack.enter_context(machines.worker(folder, "--lane", "heavy", "--concurrency", "1"))
        return reels.seconds_of(partial(send, film))


def send(film: Film) -> None:
    row = film.row
    ledger.request_again(Derivative.objects.filter(pk=row.pk))
    dispatch.publish([(row.pk, row.queue)], force=True)
    wait_until(lambda: film.row.status == "ready", 600, "the joined film")
