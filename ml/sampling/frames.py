"""Frames of a film for models: key frames, which cost least, some seconds apart, each once.

Where a short film has fewer key frames than it should show, it is decoded in one pass instead.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.derivers.base import Context
from media.errors import DamagedFileError
from media.probing import facts_of
from media.sniffing import described
from media.tools.run import ExitedError
from media.transcoding.frames import SHORT, Film, Shot, size_within

Pixels: TypeAlias = NDArray[np.uint8]

APART: Final = 2.0
"""Seconds between two frames."""
MOST: Final = 150
"""Frames of one film: those of a longer one are further apart."""
AT_ONCE: Final = 5
"""Places that one ffmpeg opens: each has a decoder of its own."""
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
    facts = facts_of(context.subject, context.source_input)
    film = Film(
        context.source_input(),
        described(context.subject.mime).demuxer,
        facts,
        context.scratch,
        size=size_within(facts, longest_side, longest_side) if facts.get("video") else (2, 2),
        abandoned=context.abandoned,
    )
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
    if film.duration > SHORT:
        yield from by_key_frames(context, film, places)
        return
    found = list(by_key_frames(context, film, places))
    if len({round(shot.second, 2) for shot in found}) < len(places):
        found = [shot for shot in film.at(places) if shot is not None] or found
    yield from found


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
