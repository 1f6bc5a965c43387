"""From what single frames of a film show to when a thing is to be seen. Pure.

A film is looked at every few seconds, so a span begins with the first frame that shows the thing and lasts until the
frame after the last one, or the end of the film. One frame in which the model misses it does not end the span. Where a
frame shows several things of one name, the surest of them speaks for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml.objects.yolo import Detection

MISSED: Final = 1
"""Frames in a row that may lack a thing within its span."""


@dataclass(frozen=True, slots=True)
class Look:
    """One frame: its second in the film and what it shows."""

    second: float
    found: Sequence[Detection]


@dataclass(frozen=True, slots=True)
class Span:
    """One thing from `start` to `end`, in seconds; `best` is where it was seen most surely, at `second`."""

    best: Detection
    second: float
    start: float
    end: float


def spans_of(looks: Sequence[Look], duration: float) -> list[Span]:
    """All things of a film, by their beginning, the surest first. `duration` in seconds, 0 where it is not known."""
    ordered = sorted(looks, key=lambda look: look.second)
    ends = [look.second for look in ordered[1:]] + [max(duration, ordered[-1].second)] if ordered else []
    places: dict[int, list[int]] = {}
    for place, look in enumerate(ordered):
        for index in {one.index for one in look.found}:
            places.setdefault(index, []).append(place)
    found = [
        span(ordered, ends, index, stretch) for index, seen in places.items() for stretch in stretches(seen)
    ]
    return sorted(found, key=lambda one: (one.start, -one.best.score, one.best.index))


def stretches(places: Sequence[int]) -> list[list[int]]:
    """Rising numbers of frames, cut where more than MISSED are left out."""
    found: list[list[int]] = []
    for place in places:
        if found and place - found[-1][-1] <= MISSED + 1:
            found[-1].append(place)
        else:
            found.append([place])
    return found


def span(looks: Sequence[Look], ends: Sequence[float], index: int, stretch: Sequence[int]) -> Span:
    """The best of several frames; the first of them where they are as good."""
    seen = [(place, one) for place in stretch for one in looks[place].found if one.index == index]
    place, best = max(seen, key=lambda each: (each[1].score, -each[0]))
    return Span(best, looks[place].second, looks[stretch[0]].second, ends[stretch[-1]])
