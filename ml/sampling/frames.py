"""Frames of a film for models: key frames, which cost least, some seconds apart, each once.

A short film with fewer key frames than it should show, and a long one with hardly any, is decoded in one pass instead.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.derivers.base import Context
from media.derivers.filming import film_of
from media.errors import DamagedFileError, TimedOutError
from media.tools import ffmpeg, graphs
from media.tools.run import ExitedError
from media.transcoding.frames import SHORT, Film, Shot

Pixels: TypeAlias = NDArray[np.uint8]

APART: Final = 2.0
"""Seconds between two frames."""
MOST: Final = 150
"""Frames of one film: those of a longer one are further apart."""
AT_ONCE: Final = 5
"""Places that one ffmpeg opens: each has a decoder of its own."""
SPREAD: Final = (0.1, 0.3, 0.5, 0.7, 0.9)
LONGEST: Final = 3600.0
"""Seconds for the pass over a whole film, models included."""
RAW: Final = ("-pix_fmt", "rgb24", "-f", "rawvideo")
SAME: Final = 0.001
"""Seconds within which two frames are one."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, rows x columns x RGB, upright, with square pixels. `second` is its own, from the beginning."""

    second: float
    pixels: Pixels = field(repr=False)


def frames(context: Context, longest_side: int) -> Iterator[Frame]:
    """In order, no side longer than asked for. `context` is told how far we are as they are taken.

    Raises what ffmpeg said where not a single frame can be decoded; later damage only leaves frames out.
    """
    film = film_of(context, longest_side, longest_side)
    last: float | None = None
    for shot in shots(context, film):
        if last is None or shot.second > last + SAME:
            last = shot.second
            yield Frame(round(shot.second, 3), shot.pixels)
    if last is None:
        yield first_of(film)


def places_of(duration: float) -> list[float]:
    """Seconds at which a film is looked at, the first one at its beginning."""
    apart = max(APART, duration / MOST)
    return [number * apart for number in range(min(MOST, ceil(duration / apart)))] if duration > 0 else []


def shots(context: Context, film: Film) -> Iterator[Shot]:
    places = places_of(film.duration)
    if film.duration <= SHORT:
        found = list(by_key_frames(context, film, places))
        if len({round(shot.second, 2) for shot in found}) < len(places):
            found = [shot for shot in film.at(places) if shot is not None] or found
        yield from found
    elif is_sparse(film):
        yield from by_decoding(context, film, places[1])
    else:
        yield from by_key_frames(context, film, places)


def is_sparse(film: Film) -> bool:
    """Whether some five places have two key frames at most: browsers record hours behind a single one."""
    found = film.near([film.duration * share for share in SPREAD])
    return len({round(shot.second, 2) for shot in found if shot is not None}) < 3


def by_decoding(context: Context, film: Film, apart: float) -> Iterator[Shot]:
    """One pass over the whole film. What was seen until it breaks off, or takes too long, counts."""
    started = time.monotonic()
    for name, chain in film.strategies.items():
        number = 0
        try:
            for number, pixels in enumerate(pass_of(context, film, chain, apart), 1):
                second = (number - 1) * apart
                left = (time.monotonic() - started) / number * (film.duration / apart - number)
                context.progress(min(99.0, 100 * number * apart / film.duration), max(0.0, left))
                yield Shot(second, name, pixels)
        except (ExitedError, TimedOutError) as error:
            if isinstance(error, ExitedError) and error.killed:
                raise
            film.problem = error
        if number:
            return


def pass_of(context: Context, film: Film, chain: str, apart: float) -> Iterator[Pixels]:
    """The newest frame at each multiple of `apart` seconds."""
    paced = f"fps=1000/{round(1000 * apart)}:round=up:start_time=0,trim=end_frame={MOST}"
    track = film.film("-an", "-sn", "-dn").chain(f"{paced},{chain}")
    arguments = graphs.arguments(graphs.write(graphs.PIPE, track, options=RAW))
    width, height = film.size
    with ffmpeg.stream(arguments, timeout=LONGEST, abandoned=context.abandoned) as stream:
        while True:
            pixels = np.empty((height, width, 3), dtype=np.uint8)
            if stream.readinto(pixels.reshape(-1).data) < pixels.size:
                break
            yield pixels
        stream.complete()


def by_key_frames(context: Context, film: Film, places: Sequence[float]) -> Iterator[Shot]:
    started = time.monotonic()
    for first in range(0, len(places), AT_ONCE):
        context.check()
        yield from filter(None, film.near(places[first : first + AT_ONCE]))
        # What was killed says nothing of the film.
        if isinstance(film.problem, ExitedError) and film.problem.returncode < 0:
            raise film.problem
        done = min(len(places), first + AT_ONCE)
        left = (time.monotonic() - started) / done * (len(places) - done)
        context.progress(min(99.0, 100 * done / len(places)), left)


def first_of(film: Film) -> Frame:
    if (shot := film.first()) is not None:
        return Frame(round(shot.second, 3), shot.pixels)
    raise film.problem or DamagedFileError(
        "No frame of the video can be decoded. Upload it again.", code="no_frame"
    )
