"""What the rest of `ml` knows of speech: what is said in some minutes of sound, in which language, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alcoves import metrics, tracing
from ml.runtime import calls
from ml.runtime.client import missing

RATE: Final = 16_000
"""Samples a second, mono."""
LONGEST: Final = 3600
"""Seconds that are transcribed by one call. Memory grows with them, in the host above all."""


class Spoken(NamedTuple):
    """One word, in seconds from the first sample. `probability` is 0 to 1."""

    start: float
    end: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """One cue as the model cuts them."""

    start: float
    end: float
    text: str
    words: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class Speech:
    """No segments: nobody speaks. `language` is ISO 639-1, empty where nothing was heard at all."""

    language: str
    probability: float | None
    """How sure the model is of the language, where it had to find out."""
    segments: tuple[Heard, ...]


def transcribe(
    path: Path,
    samples: NDArray[np.float32],
    *,
    language: str = "auto",
    vad: Path | None = None,
    progress: Callable[[float], None] | None = None,
    abandoned: Callable[[], bool] | None = None,
) -> Speech:
    """`samples` are mono at 16 kHz, -1 to 1; `vad` is the model of Silero, without which silence is transcribed too.

    `progress` is told percents. Raises ModelError, ModelMissingError, TransientError, HostLostError, RunAbandonedError.
    """
    if len(samples) > LONGEST * RATE:
        raise ValueError(f"more than {LONGEST} seconds at once")
    for one in filter(None, (path, vad)):
        if not one.exists():
            raise missing(one)
    header: dict[str, Any] = {"do": "speech", "path": str(path.absolute()), "language": language}
    if vad is not None:
        header["vad"] = str(vad.absolute())
    given = {"samples": np.asarray(samples, dtype=np.float32)}
    with tracing.span("model", {"alcoves.model": path.name}):
        answer, _ = calls.ask(header, given, progress=progress, abandoned=abandoned)
    metrics.MODEL_SECONDS.labels(model=path.name).observe(answer["seconds"])
    return Speech(answer["language"], answer["probability"], heard(answer["segments"]))


def heard(told: Sequence[dict[str, Any]]) -> tuple[Heard, ...]:
    return tuple(
        Heard(one["start"], one["end"], one["text"], tuple(Spoken(*word) for word in one["words"]))
        for one in told
    )
