"""Pure: WebVTT and SubRip out of segments: cues that can be read in their time, in at most two lines.

The rules are those of broadcast (Netflix Timed Text Style Guide, General Requirements): two lines of 42 letters, or of
16 of a script whose letters are wide; a cue stays for 5/6 s at least and 7 s at most; lines are broken after a sign
or a word, and filled evenly. The formats: WebVTT by the W3C (https://www.w3.org/TR/webvtt1/), SubRip by what players
read, as it has no standard.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never broken: a word with its signs, or one letter of a script without blanks."""

    text: str
    start: float
    end: float

    @property
    def weight(self) -> int:
        """How well a line or a cue may end after it."""
        last = self.text.rstrip("".join(CLOSING))[-1:]
        return 2 if last in ENDS and last else 1 if last in RESTS and last else 0


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once."""

    start: float
    end: float
    lines: tuple[str, ...]


def webvtt(segments: Iterable[Segment]) -> str:
    """A whole file. Without speech it has no cue, and is valid."""
    blocks = ["WEBVTT"]
    for cue in cues(segments):
        times = f"{clock(cue.start, '.')} --> {clock(cue.end, '.')}"
        blocks.append("\n".join([times, *map(escaped, cue.lines)]))
    return "\n\n".join(blocks) + "\n"


def subrip(segments: Iterable[Segment]) -> str:
    """A whole file: UTF-8, cues numbered from 1. SubRip knows no escapes, so what players take for tags is disarmed."""
    return "".join(
        f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n"
        + "".join(f"{disarmed(line)}\n" for line in cue.lines)
        + "\n"
        for number, cue in enumerate(cues(segments), 1)
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
    units = units_of(segment)
    while units:
        count = fitting(units)
        if count < len(units):
            count = best_end(units, count)
        yield Cue(units[0].start, units[count - 1].end, broken(units[:count]))
        units = units[count:]


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
        atom = ""
        for letter in word:
            if atom and (is_unspaced(letter) or is_unspaced(atom[-1])) and may_begin(letter):
                atoms.append(atom)
                atom = ""
            if room(atom + letter) > LINE:
                atoms.append(atom)
                atom = ""
            atom += letter
        atoms.append(atom)
    return atoms


def may_begin(letter: str) -> bool:
    """No line begins with a sign that belongs to what stands before it, nor with a mark on a letter."""
    return unicodedata.category(letter)[0] != "M" and letter not in ENDS | RESTS | CLOSING


def room(text: str) -> int:
    """What it takes of a line."""
    return sum(
        0
        if unicodedata.combining(letter)
        else (WIDE if unicodedata.east_asian_width(letter) in "WF" else NARROW)
        for letter in text
    )


def fitting(units: Sequence[Unit]) -> int:
    """How many of them make one cue at most: two lines, seven seconds, no long pause. At least one."""
    for count in range(1, len(units)):
        follows = units[count]
        if (
            follows.end - units[0].start > LONGEST
            or follows.start - units[count - 1].end > PAUSE
            or len(broken(units[: count + 1])) > LINES
        ):
            return count
    return len(units)


def best_end(units: Sequence[Unit], most: int) -> int:
    """Where in the second half of what fits the cue ends best: after a sentence, after a sign, else where it is full.

    A long pause is the best end there is, and what is left is not one word alone.
    """
    if units[most].start - units[most - 1].end > PAUSE:
        return most
    least = max(1, most // 2)
    ends = range(least, most + 1)
    left = len(units)
    return max(ends, key=lambda count: (units[count - 1].weight, left - count != 1, count))


def broken(units: Sequence[Unit]) -> tuple[str, ...]:
    """In as few lines as hold them. Two are about even, and rather broken after a sign."""
    whole = joined(units)
    if room(whole) <= LINE:
        return (whole,)
    choices = [
        (first, second)
        for count in range(1, len(units))
        if room(first := joined(units[:count])) <= LINE and room(second := joined(units[count:])) <= LINE
    ]
    if not choices:
        return filled(units)
    signs = [first for first, _ in choices if Unit(first, 0, 0).weight]
    return min(
        choices,
        key=lambda lines: abs(room(lines[0]) - room(lines[1])) - (LINE // 2 if lines[0] in signs else 0),
    )


def filled(units: Sequence[Unit]) -> tuple[str, ...]:
    """As many lines as it takes, each full."""
    lines: list[str] = []
    for unit in units:
        longer = put_together(lines[-1], unit.text) if lines else unit.text
        if lines and room(longer) <= LINE:
            lines[-1] = longer
        else:
            lines.append(unit.text)
    return tuple(lines)


def joined(units: Sequence[Unit]) -> str:
    return join_texts(unit.text for unit in units)


def put_together(left: str, right: str) -> str:
    return f"{left}{'' if joins_without_blank(left, right) else ' '}{right}"
