"""One track from its sound to segments: decoded by one ffmpeg, cut into blocks, heard by the model, guarded."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from media.derivers.base import Context
from ml.downloads import Ready
from ml.errors import HostLostError
from ml.runtime.speech import Speech, transcribe
from ml.sampling import sound
from ml.transcription import blocks, guards, segments
from ml.transcription.blocks import Block
from ml.transcription.languages import AUTO, Spoken
from ml.transcription.segments import Segment

PIECE: Final = 30.0
"""Seconds of sound that are taken from ffmpeg at once."""
SURE: Final = 0.5
"""How likely a language must be before later blocks are heard in it too."""
SEAM: Final = 10 * blocks.MARGIN
"""Seconds before a cut in which its seam may change anything."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said in one block. `language` is empty where nothing is."""

    start: float
    segments: tuple[Segment, ...] = ()
    language: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The blocks of one run, by their numbers: all of them, or those of a part. No last one: to the end."""

    first: int = 0
    last: int | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "Stretch":
        return cls(int(parameters["first"]), parameters["last"])

    def as_parameters(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last}

    def reached_by(self, number: int) -> bool:
        return number >= self.first

    def ended_by(self, number: int) -> bool:
        return self.last is not None and number >= self.last


class Listener:
    """One run over one track."""

    def __init__(self, context: Context, ready: Ready, track: int, spoken: Spoken) -> None:
        self.context = context
        self.ready = ready
        self.track = track
        self.language = spoken.language
        self.measure = blocks.USUAL
        self.duration = float((context.subject.probe or {}).get("duration") or 0)

    def listen(self, stretch: Stretch) -> Iterator[Heard]:
        """Block by block. Raises what ffmpeg, the model and its host raise, and RunAbandonedError."""
        pieces: Any = sound.blocks(self.context, self.track, blocks.RATE, PIECE)
        watch: Watch | None = None
        with closing(pieces) as coming:
            for block in blocks.cut(coming, self.measure):
                self.context.check()
                if stretch.ended_by(block.number):
                    break
                if not stretch.reached_by(block.number):
                    continue
                watch = watch or Watch(self.context, block.start, self.end_of(stretch))
                yield self.hear(block, watch)

    def end_of(self, stretch: Stretch) -> float:
        """Seconds at which this run will be done, about."""
        if stretch.last is None:
            return self.duration
        return min(self.duration, stretch.last * self.measure.longest)

    def hear(self, block: Block, watch: "Watch") -> Heard:
        """Nothing is asked of the model where there is nothing to hear."""
        if block.end - block.start < guards.SHORTEST or block.is_silent:
            watch.tell(block, 100)
            return Heard(block.start)
        speech = self.transcribed(block, watch)
        told = [segments.heard(one.start, one.end, one.text, one.words) for one in speech.segments]
        found = [segment.shifted(block.offset) for segment in told if segment is not None]
        kept = guards.keep(found, block.loudest)
        watch.tell(block, 100)
        if not kept.segments:
            return Heard(block.start, dropped=kept.dropped)
        self.settle(speech.language, speech.probability)
        return Heard(block.start, tuple(kept.segments), speech.language, kept.dropped)

    def transcribed(self, block: Block, watch: "Watch") -> Speech:
        """Where the host goes away in the middle (killed, out of memory), a new one hears the block again, once: hours
        of a recording do not hang on it."""
        try:
            return self.ask(block, watch)
        except HostLostError:
            self.context.check()
            return self.ask(block, watch)

    def ask(self, block: Block, watch: "Watch") -> Speech:
        return transcribe(
            self.ready.paths["model"],
            block.samples,
            language=self.language,
            vad=self.ready.paths.get("vad"),
            progress=lambda percent: watch.tell(block, percent),
            abandoned=self.context.abandoned,
        )

    def settle(self, language: str, probability: float | None) -> None:
        """What a block was surely heard in, the next are heard in too: one silent minute changes no language."""
        if self.language == AUTO and language and (probability or 0) >= SURE:
            self.language = language


class Watch:
    """How far a run is, and how long it will take, by the pace so far."""

    def __init__(self, context: Context, start: float, end: float) -> None:
        self.context = context
        self.start = start
        self.end = end
        self.began = time.monotonic()

    def tell(self, block: Block, percent: float) -> None:
        """So many percent of the block are heard."""
        done = block.start + (block.end - block.start) * percent / 100 - self.start
        whole = max(self.end, block.end) - self.start
        if done > 0 and whole > 0:
            left = (whole - done) * (time.monotonic() - self.began) / done
            self.context.progress(min(99.0, 100 * done / whole), max(0.0, left))


def put_together(heard: Iterable[Heard]) -> list[Segment]:
    """The blocks in their order, each word once."""
    whole: list[Segment] = []
    for number, block in enumerate(heard):
        if number == 0:
            whole = list(block.segments)
            continue
        # Only what lies near the seam can change: all of ten hours is not gone through for each block.
        near = next(
            (index for index in range(len(whole) - 1, -1, -1) if whole[index].end < block.start - SEAM), -1
        )
        whole[near + 1 :] = blocks.stitched(whole[near + 1 :], block.segments, block.start)
    return whole


def language_of(heard: Sequence[Heard]) -> str:
    """The one in which most letters were heard; empty where nothing is said."""
    letters: Counter[str] = Counter()
    for block in heard:
        letters[block.language] += sum(len(segment.text) for segment in block.segments)
    found = [language for language, count in letters.most_common() if language and count]
    return found[0] if found else ""


def dropped_in(heard: Iterable[Heard]) -> dict[str, int]:
    """How often each rule has taken something away."""
    whole: Counter[str] = Counter()
    for block in heard:
        whole.update(block.dropped)
    return dict(whole)
