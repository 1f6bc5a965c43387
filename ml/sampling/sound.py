"""The sound of a film or a recording for models, in blocks, decoded by one ffmpeg while they are listened to.

A block begins where the one before has ended, and the first at second 0 of the film: sound that begins late has
silence before it, and a hole stays as long as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alcoves import queues
from media.derivers.base import Context
from media.probing import facts_of
from media.sniffing import described
from media.tools import ffmpeg, ffprobe
from media.tools.run import ExitedError, Stream
from media.transcoding import samples
from media.transcoding.sound import IN_TIME

Samples: TypeAlias = NDArray[np.float32]

TIMEOUT: Final = queues.BY_NAME["transcription"].time_limit * 0.95
"""Seconds for ffmpeg, which waits while the model listens."""
CHAIN: Final = f"{IN_TIME}:ochl=mono:rematrix_maxval=1.0"
"""ffmpeg weighs the channels, and the weights sum to 1: the mean of two; of 5.1 the middle counts more than each side,
and the low-frequency channel not at all. Left alone, ffmpeg makes samples with a point half as loud again."""
BYTES: Final = 4
"""Of a sample."""
LEAST: Final = 0.02
"""Seconds. Less is how encoders begin."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track of sound. `index` is that of the stream in the file, `language` as the file says it."""

    index: int
    language: str | None
    title: str | None
    default: bool


def tracks(context: Context) -> tuple[Track, ...]:
    """Those that hold sound, in the order of the file."""
    facts = facts_of(context.subject, context.source_input)
    return tuple(
        Track(int(one["index"]), one.get("language"), one.get("title"), bool(one.get("default")))
        for one in facts.get("audio") or ()
        if one.get("channels")
    )


def blocks(context: Context, track: int, rate: int, seconds: float) -> Iterator[Samples]:
    """Mono, -1 to 1, each `seconds` long but the last. `track` is the index of a stream, `rate` in samples a second.

    Sound that breaks off gives what came before; raises DamagedFileError where that is nothing. What was killed raises.
    """
    facts = facts_of(context.subject, context.source_input)
    arguments = samples.arguments(
        context.source_input(), context.subject.mime, track, rate, facts.get("duration"), chain=CHAIN
    )
    room, silent = round(seconds * rate), round(late(context, track) * rate)
    passed = heard = 0
    with ffmpeg.stream(arguments, timeout=TIMEOUT, abandoned=context.abandoned) as stream:
        while passed < samples.LONGEST * rate:
            block = np.zeros(room, dtype="<f4")
            quiet = min(room, max(0, silent - passed))
            count = stream.readinto(block[quiet:].data.cast("B")) // BYTES
            if quiet + count:
                yield cleaned(block[: quiet + count])
            passed, heard = passed + quiet + count, heard + count
            if quiet + count < room:
                complete(stream, heard=heard)
                return


def cleaned(block: Samples) -> Samples:
    """A broken sample is silence."""
    return np.nan_to_num(block, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)


def complete(stream: Stream, *, heard: int) -> None:
    try:
        stream.complete()
    except ExitedError as error:
        if heard == 0 or error.returncode < 0:
            raise ffmpeg.explain(error) from error


def late(context: Context, track: int) -> float:
    """Seconds of a film before its sound begins: samples alone would be too early by so much."""
    if context.subject.kind != "video":
        return 0.0
    answer = ffprobe.read(context.source_input(), described(context.subject.mime).demuxer)
    found = (one for one in answer.get("streams") or () if one.get("index") == track)
    begins = [second_of(one.get("start_time")) for one in (answer["format"], *found)]
    after = begins[-1] - begins[0]
    return after if LEAST < after < (second_of(answer["format"].get("duration"))) else 0.0


def second_of(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
