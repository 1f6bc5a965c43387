"""Pure: sound without its pauses, and the way back from its times to those of the whole.

whisper.cpp has the same inside, but tells only the times of segments by the whole sound, not those of words.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
GAP: Final = 0.1
"""Seconds of silence between two spans, as whisper.cpp lays it there: else the end of one word runs into the next."""
OVERLAP: Final = 0.1
"""Seconds of the sound after a span that stay with it, except after the last one."""


PAUSE: Final = 2.0
"""Seconds that are worth cutting out. Shorter pauses stay: a model hears the ends of sentences, and the times of words,
by them (faster-whisper, `min_silence_duration_ms`; whisper.cpp's own 0.1 loses a sentence of four)."""
PAD: Final = 0.4
"""Seconds that stay around speech: the detection begins late and ends early (faster-whisper, `speech_pad_ms`)."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """For each span: where it begins in the shortened sound, where in the whole, and how long it is. Seconds."""

    begins: tuple[float, ...]
    origins: tuple[float, ...]
    lengths: tuple[float, ...]

    def original(self, second: float, *, ends: bool = False) -> float:
        """A time of the shortened sound in the whole. In a gap: what begins there begins with the next span."""
        number = max(0, bisect_right(self.begins, second) - 1)
        # What ends exactly where a span begins has ended with the span before.
        if ends and number and second <= self.begins[number]:
            number -= 1
        inside = second - self.begins[number]
        if inside > self.lengths[number] and not ends and number + 1 < len(self.begins):
            return self.origins[number + 1]
        return self.origins[number] + min(max(0.0, inside), self.lengths[number])


def whole(samples: NDArray[np.float32]) -> Timeline:
    """Nothing was cut."""
    return Timeline((0.0,), (0.0,), (len(samples) / RATE,))


def without_pauses(
    samples: NDArray[np.float32], spans: Sequence[tuple[float, float]]
) -> tuple[NDArray[np.float32], Timeline]:
    """The sound of these spans (seconds, in order), one after the other; their short pauses are no pauses."""
    spans = widened(spans, len(samples) / RATE)
    pieces: list[NDArray[np.float32]] = []
    begins, origins, lengths = [], [], []
    total = 0
    silence = np.zeros(round(GAP * RATE), dtype=np.float32)
    for number, (start, end) in enumerate(spans):
        last = number + 1 == len(spans)
        first = max(0, round(start * RATE))
        piece = samples[first : round((end if last else end + OVERLAP) * RATE)]
        begins.append(total / RATE)
        origins.append(first / RATE)
        lengths.append(len(piece) / RATE)
        pieces += [piece] if last else [piece, silence]
        total += len(piece) + (0 if last else len(silence))
    shortened = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    return shortened, Timeline(tuple(begins), tuple(origins), tuple(lengths))


def widened(spans: Sequence[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """With a little of what is around each, and in one where the pause between two is short."""
    wide: list[tuple[float, float]] = []
    for start, end in spans:
        begin, finish = max(0.0, start - PAD), min(seconds, end + PAD)
        if wide and begin - wide[-1][1] < PAUSE - 2 * PAD:
            begin = wide.pop()[0]
        wide.append((begin, finish))
    return wide
