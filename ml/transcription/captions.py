"""Pure: WebVTT and SubRip out of segments: cues that can be read in their time, in at most two lines.

The rules are those of broadcast (Netflix Timed Text Style Guide, General Requirements): two lines of 42 letters, or of
16 of a script whose letters are wide; a cue stays for 5/6 s at least and 7 s at most; lines are broken after a sign
or a word, and filled evenly. The formats: WebVTT by the W3C (https://www.w3.org/TR/webvtt1/), SubRip by what players
read, as it has no standard.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ml.transcription.segments import Segment, is_unspaced, join_texts, joins_without_blank, spots_of

NARROW, WIDE = 8, 21
"""Room that a letter takes: 42 of the one or 16 of the other fill a line."""
LINE: Final = 42 * NARROW
LINES: Final = 2
SHORTEST: Final = 5 / 6
LONGEST: Final = 7.0
PAUSE: Final = 1.5
"""Seconds of silence within a segment after which its words are another cue."""
MOMENT: Final = 0.05
"""Seconds. What begins closer together than this begins at once."""

ENDS: Final = frozenset(".!?…。！？؟।")  # noqa: RUF001  Signs of other scripts are meant.
RESTS: Final = frozenset(",;:—–、，；：،؛")  # noqa: RUF001  As above.
CLOSING: Final = frozenset(")]}»”’\"'」』）】")  # noqa: RUF001  As above.
CLOSED: Final = "".join(CLOSING)
NEVER_FIRST: Final = ENDS | RESTS | CLOSING


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never broken: a word with its signs, or one letter of a script without blanks."""

    text: str
    start: float
    end: float

    @property
    def weight(self) -> int:
        """How well a line or a cue may end after it."""
        last = self.text.rstrip(CLOSED)[-1:]
        return 2 if last in ENDS and last else 1 if last in RESTS and last else 0


class Row:
    """The units of a segment side by side, measured once: what any stretch of them takes of a line is a difference."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.blanks = [
            0 if joins_without_blank(one.text, other.text) else NARROW for one, other in pairwise(units)
        ]
        """Room of the blank after each but the last."""
        self.ends = [0]
        for unit, blank in zip(units, [*self.blanks, 0], strict=True):
            self.ends.append(self.ends[-1] + room(unit.text) + blank)

    def __len__(self) -> int:
        return len(self.units)

    def room(self, first: int, last: int) -> int:
        """Of the units from `first` up to `last`, without the blank after them."""
        return self.ends[last] - self.ends[first] - (self.blanks[last - 1] if last < len(self) else 0)

    def text(self, first: int, last: int) -> str:
        return join_texts(unit.text for unit in self.units[first:last])


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once."""

    start: float
    end: float
    lines: tuple[str, ...]


def webvtt(shown: Iterable[Cue]) -> str:
    """A whole file. Without speech it has no cue, and is valid."""
    blocks = ["WEBVTT"]
    for cue in shown:
        times = f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}"
        blocks.append("\n".join([times, *map(escaped, cue.lines)]))
    return "\n\n".join(blocks) + "\n"


def subrip(shown: Iterable[Cue]) -> str:
    """A whole file: UTF-8, cues numbered from 1. SubRip knows no escapes, so what players take for tags is disarmed."""
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n"
        + "".join(f"{disarmed(line)}\n" for line in cue.lines)
        + "\n"
        for number, cue in enumerate(shown, 1)
    )


def plain(segments: Iterable[Segment]) -> str:
    """The words alone: a paragraph for each stretch of speech, which a pause of more than two seconds ends."""
    paragraphs: list[list[str]] = []
    ended = 0.0
    for segment in segments:
        if not paragraphs or segment.start - ended > 2.0:
            paragraphs.append([])
        paragraphs[-1].append(segment.text)
        ended = segment.end
    return "".join(f"{join_texts(texts)}\n" for texts in paragraphs)


def clock(seconds: float, point: str) -> str:
    """`00:01:02.345`; hours have two digits or more."""
    whole, thousandths = divmod(round(max(0.0, seconds) * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def escaped(line: str) -> str:
    """Of a cue's text in WebVTT: the signs that begin tags and entities. So no `-->` is left either."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def disarmed(line: str) -> str:
    """SubRip players know <b>, {\\an8} and the arrow of times: the signs are shown as their likes."""
    return line.translate(LIKES)


LIKES: Final = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})  # noqa: RUF001  That is what they are for.


def cues(segments: Iterable[Segment]) -> list[Cue]:
    """By their beginnings, and never two at once, whatever people have made of the times of segments."""
    found = sorted((cue for segment in segments for cue in cues_of(segment)), key=lambda cue: cue.start)
    together: list[list[Cue]] = []
    for cue in found:
        if together and cue.start - together[-1][0].start < MOMENT:
            together[-1].append(cue)
        else:
            together.append([cue])
    limits = [*(same[0].start for same in together[1:]), None]
    return [cue for same, limit in zip(together, limits, strict=False) for cue in timed(same, limit)]


def timed(same: Sequence[Cue], limit: float | None) -> Iterator[Cue]:
    """What begins at one moment: each for its share of the time. None is over before it can be read, where what comes
    next leaves it the time, and none stays longer than anybody reads."""
    start, count = same[0].start, len(same)
    end = max(start + SHORTEST * count, min(max(cue.end for cue in same), start + LONGEST * count))
    share = (end - start if limit is None else min(end, limit) - start) / count
    for number, cue in enumerate(same):
        yield Cue(start + number * share, start + (number + 1) * share, cue.lines)


def cues_of(segment: Segment) -> Iterator[Cue]:
    """Each unit is looked at a few times, however long the segment is."""
    row = Row(units_of(segment))
    first = 0
    while first < len(row):
        last = full_at(row, first)
        if last < len(row):
            last = best_end(row, first, last)
        yield Cue(row.units[first].start, row.units[last - 1].end, broken(row, first, last))
        first = last


def units_of(segment: Segment) -> list[Unit]:
    """With the times of the words where they are known; else the segment's time is spread over its letters."""
    if not segment.words:
        atoms = atoms_of(segment.text)
        return spread(atoms, segment.start, segment.end)
    spots = [*spots_of(segment.text, [word.text for word in segment.words]), len(segment.text)]
    units = []
    for word, (begin, end) in zip(segment.words, pairwise(spots), strict=True):
        units += spread(atoms_of(segment.text[begin:end]), word.start, word.end)
    return units


def spread(atoms: Sequence[str], start: float, end: float) -> list[Unit]:
    letters = sum(map(len, atoms))
    units, at = [], start
    for atom in atoms:
        until = at + (end - start) * len(atom) / letters
        units.append(Unit(atom, at, until))
        at = until
    return units


def atoms_of(text: str) -> list[str]:
    """Words; letters of scripts without blanks, each with the signs that follow it; what is longer than a line in
    pieces."""
    atoms: list[str] = []
    for word in text.split():
        begin = taken = 0
        for place, letter in enumerate(word):
            parts = is_unspaced(letter) or (place > 0 and is_unspaced(word[place - 1]))
            if place > begin and (taken + width(letter) > LINE or (parts and may_begin(letter))):
                atoms.append(word[begin:place])
                begin, taken = place, 0
            taken += width(letter)
        atoms.append(word[begin:])
    return atoms


@lru_cache(maxsize=8192)
def may_begin(letter: str) -> bool:
    """No line begins with a sign that belongs to what stands before it, nor with a mark on a letter."""
    return unicodedata.category(letter)[0] != "M" and letter not in NEVER_FIRST


def room(text: str) -> int:
    """What it takes of a line."""
    return sum(map(width, text))


@lru_cache(maxsize=8192)
def width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return WIDE if unicodedata.east_asian_width(letter) in "WF" else NARROW


def full_at(row: Row, first: int) -> int:
    """Where a cue that begins here is full at the latest: two lines, seven seconds, no long pause. At least one unit.

    Lines that are filled one after the other are as few as can be.
    """
    units, lines, begins = row.units, 1, first
    for place in range(first + 1, len(row)):
        if row.room(begins, place + 1) > LINE:
            lines, begins = lines + 1, place
        if (
            lines > LINES
            or units[place].end - units[first].start > LONGEST
            or units[place].start - units[place - 1].end > PAUSE
        ):
            return place
    return len(row)


def best_end(row: Row, first: int, most: int) -> int:
    """Where in the second half of what fits the cue ends best: after a sentence, after a sign, else where it is full.

    A long pause is the best end there is, and what is left is not one word alone.
    """
    units = row.units
    if units[most].start - units[most - 1].end > PAUSE:
        return most
    ends = range(first + max(1, (most - first) // 2), most + 1)
    return max(ends, key=lambda last: (units[last - 1].weight, len(row) - last != 1, last))


def broken(row: Row, first: int, last: int) -> tuple[str, ...]:
    """In one line, or in two that are about even, rather broken after a sign. They fit: `full_at` has seen to it."""
    if row.room(first, last) <= LINE:
        return (row.text(first, last),)
    cut = min(
        (
            place
            for place in range(first + 1, last)
            if row.room(first, place) <= LINE and row.room(place, last) <= LINE
        ),
        key=lambda place: (
            abs(row.room(first, place) - row.room(place, last))
            - (LINE // 2 if row.units[place - 1].weight else 0)
        ),
    )
    return row.text(first, cut), row.text(cut, last)
