"""Pure: a long sound in blocks that are heard one after another, cut where it is quiet; and the seams between them.

A block is at most eight minutes long, and ends in the quietest place of its last minute: the middle of the longest
pause there, or where that is long a place in it that leaves no half minute begun, which whisper hears as a whole one.
Its samples reach a second further at both ends, so that a word on the cut (music, a crowd) is heard whole by both
sides; at the seam each word is kept once, by the side in which its middle lies. However long a recording is, one block
is in memory. Where blocks are cut hangs on the sound alone, so a number names the same block in every run.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.transcription.guards import SILENT, folded
from ml.transcription.segments import Segment, Word

Samples: TypeAlias = NDArray[np.float32]

RATE: Final = 16_000
"""Samples a second, as whisper hears."""
LONGEST: Final = 480.0
SEARCHED: Final = 60.0
MARGIN: Final = 1.0
WINDOW: Final = 30.0
"""What whisper hears at once; of a shorter rest it hears silence to the end."""
FRAME: Final = RATE // 50
SMOOTHED: Final = 25
"""Frames: half a second, so that the gap inside a word is no pause."""
AS_QUIET: Final = 2.0
"""Times the power of the quietest place that still counts as it."""
NOTHING: Final = 1e-8
"""Power of -80 dB: quieter is all the same."""


@dataclass(frozen=True, slots=True)
class Block:
    """`start` to `end` are its own, in seconds; its samples begin at `offset`, which is a margin earlier."""

    number: int
    start: float
    end: float
    offset: float
    samples: Samples

    @property
    def is_silent(self) -> bool:
        return float(np.abs(self.samples).max(initial=0.0)) < SILENT

    def loudest(self, start: float, end: float) -> float:
        """The largest absolute sample between two seconds of the recording."""
        first = max(0, int((start - self.offset) * RATE))
        last = max(first + 1, int(np.ceil((end - self.offset) * RATE)))
        under = self.samples[first:last]
        return float(np.abs(under).max()) if len(under) else 0.0


@dataclass(frozen=True, slots=True)
class Measure:
    """How blocks are cut, in seconds."""

    longest: float = LONGEST
    searched: float = SEARCHED
    margin: float = MARGIN
    window: float = WINDOW

    @property
    def shortest(self) -> float:
        """No block but the last is shorter."""
        return self.longest - self.searched


USUAL: Final = Measure()


def cut(sound: Iterable[Samples], measure: Measure = USUAL) -> Iterator[Block]:
    """The sound (mono, RATE) in blocks, as it comes. Samples that are no numbers are silence."""
    buffer = np.zeros(round((measure.longest + 2 * measure.margin) * RATE), dtype=np.float32)
    held, number, origin, begins = 0, 0, 0, 0
    for piece in sound:
        rest = np.nan_to_num(piece, nan=0.0, posinf=0.0, neginf=0.0)
        while len(rest):
            taken = min(len(rest), len(buffer) - held)
            buffer[held : held + taken] = rest[:taken]
            held, rest = held + taken, rest[taken:]
            if held < len(buffer):
                continue
            # All positions are samples; `origin` is that of the buffer, `begins` of the block in it.
            end = begins + quiet_place(
                buffer[begins : begins + round(measure.longest * RATE)], measure, begins
            )
            yield block_of(number, buffer, origin, begins, end, end + round(measure.margin * RATE))
            kept = max(0, end - round(measure.margin * RATE))
            buffer[: held - kept] = buffer[kept:held].copy()
            held, origin, begins, number = held - kept, origin + kept, end - kept, number + 1
    if held > begins or number == 0:
        yield block_of(number, buffer, origin, begins, held, held)


def block_of(number: int, buffer: Samples, origin: int, begins: int, end: int, until: int) -> Block:
    """Its samples are a view of the buffer, good until the next block."""
    return Block(
        number,
        (origin + begins) / RATE,
        (origin + end) / RATE,
        origin / RATE,
        buffer[: min(until, len(buffer))],
    )


def quiet_place(samples: Samples, measure: Measure = USUAL, before: int = 0) -> int:
    """The sample in the searched end where a cut hurts least. So many samples `before` them are heard with them."""
    first = max(0, len(samples) - round(measure.searched * RATE))
    searched = samples[first:]
    frames = searched[: len(searched) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    width = min(SMOOTHED, len(power))
    smooth = np.convolve(power, np.ones(width) / width, mode="same")
    # Outside of the searched part nothing is known: its edges are no pause.
    smooth[: width // 2] = smooth[len(smooth) - width // 2 :] = np.inf
    quiet = smooth <= max(AS_QUIET * float(smooth.min()), NOTHING)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(np.int8), [0]))))
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    pause = first + FRAME * int(starts[best]), first + FRAME * int(ends[best])
    return place_in(pause, measure, before)


def place_in(pause: tuple[int, int], measure: Measure, before: int) -> int:
    """Far from its edges one place is as good as another: the nearest to the middle that fills the last window."""
    window, margin = round(measure.window * RATE), round(measure.margin * RATE)
    middle = sum(pause) // 2
    full = round((before + middle + margin) / window) * window - margin - before
    return full if pause[0] + margin <= full <= pause[1] - margin else middle


def stitched(before: Sequence[Segment], after: Sequence[Segment], at: float) -> list[Segment]:
    """What was heard before a cut and after it, each word once. Times are those of the recording."""
    left = [part for segment in before if (part := until(segment, at)) is not None]
    right = [part for segment in after if (part := since(segment, at)) is not None]
    left += missed(before, right, at, beyond=True)
    right = missed(after, left, at, beyond=False) + right
    if left and right and is_twice(left[-1], right[0]):
        shorter = right[0].part(1, len(right[0].words))
        right[:1] = [] if shorter is None else [shorter]
    return left + right


def until(segment: Segment, at: float) -> Segment | None:
    """What of it is said before the cut."""
    if not segment.words:
        return segment if (segment.start + segment.end) / 2 < at else None
    return segment.part(0, sum(word.middle < at for word in segment.words))


def since(segment: Segment, at: float) -> Segment | None:
    """What of it is said after the cut."""
    if not segment.words:
        return segment if (segment.start + segment.end) / 2 >= at else None
    return segment.part(sum(word.middle < at for word in segment.words), len(segment.words))


def missed(heard: Sequence[Segment], other: Sequence[Segment], at: float, *, beyond: bool) -> list[Segment]:
    """Words near the cut that one side has heard on the other's side, where the other has heard nothing."""
    parts = [since(segment, at) if beyond else until(segment, at) for segment in heard]
    return [
        part
        for part in parts
        if part is not None
        and part.words
        and abs(part.words[0].middle - at) < MARGIN
        and abs(part.words[-1].middle - at) < MARGIN
        and not any(overlap(part, one) for one in other)
    ]


def overlap(one: Segment, other: Segment) -> bool:
    return one.start < other.end and other.start < one.end


def is_twice(left: Segment, right: Segment) -> bool:
    """Whether the same word ends one side and begins the other: each put its middle on its own side."""
    if not left.words or not right.words:
        return False
    last, first = left.words[-1], right.words[0]
    return folded(last.text) == folded(first.text) and near(last, first)


def near(last: Word, first: Word) -> bool:
    return abs(first.start - last.start) < MARGIN / 2
