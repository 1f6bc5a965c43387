"""The deriver `sounds`: what is to be heard in a film or a recording, window by window.

The default track is decoded once and heard in batches of windows. Nothing that is likely enough, or silence, is a
result like any other. It waits for no other deriver. What was found is written by `ml.audio_events.recording`.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from media import live
from media.derivers.base import BaseDeriver, Context, NotNeeded, Ready, Result, Subject
from media.probing import facts_of
from media.streams import track_of
from ml import downloads
from ml.audio_events import recording
from ml.audio_events.labels import read_labels
from ml.audio_events.tagger import Sound, Tagger
from ml.runtime.client import onnx_model
from ml.sampling import sound

DIGITS: Final = 6
MOST_ROWS: Final = 200_000
"""Of one recording: four days in windows of ten seconds. What goes on longer is not heard any more."""
LEFT_OVER: Final = 0.1
"""Seconds by which decoded sound may be longer than the file says: encoders fill their last frame."""


class SoundsDeriver(BaseDeriver):
    name: ClassVar[str] = recording.DERIVER
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "audio-detection"
    needs_probe: ClassVar[bool] = True
    switch: ClassVar[str] = "audio_events"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"} and bool((subject.probe or {}).get("audio"))

    def derive(self, context: Context) -> Result:
        facts = facts_of(context.subject, context.source_input)
        track = track_of(facts)
        if track is None:
            return NotNeeded("no_audio")
        ready = downloads.ready("sounds")
        rate = int(ready.spec.options["sample_rate"])
        tagger = Tagger(onnx_model(ready.paths["model"]), read_labels(ready.paths["labels"]), rate)
        hearing = Hearing(context, tagger, track, facts.get("duration"))
        found = hearing.rows()
        made_with = {
            "model": ready.spec.id,
            "window": hearing.seconds,
            "threshold": hearing.least,
            "top_k": hearing.most,
        }
        told: dict[str, Any] = {
            "sounds": len(found),
            "windows": hearing.windows,
            "track": track,
            "labels": dict(Counter(row["label"] for row in found)),
        }
        return Ready((), told, made_with, {"sounds": found})

    def record(self, original: Any, result: Ready) -> None:
        recording.record(original, result.learnt["sounds"])

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return recording.holdings(library_id)

    def hand_over(self, original: Any, twin: Any) -> None:
        recording.hand_over(original, twin)


@dataclass(frozen=True, slots=True)
class Window:
    """So many samples of the recording, and what the model is given for them."""

    length: int
    heard: NDArray[np.float32]


class Hearing:
    """One track during one run."""

    def __init__(self, context: Context, tagger: Tagger, track: int, duration: float | None) -> None:
        self.context = context
        self.tagger = tagger
        self.track = track
        self.duration = duration
        self.least = live.value("AUDIO_DETECT_THRESHOLD")
        self.most = live.value("AUDIO_DETECT_TOP_K")
        self.seconds = tagger.window(live.value("AUDIO_DETECT_WINDOW_SEC"))
        self.windows = 0
        self.samples = 0
        self.started = time.monotonic()

    def rows(self) -> list[dict[str, Any]]:
        """All that is heard, by window and then the surest first."""
        found: list[dict[str, Any]] = []
        for batch in self.batches():
            self.context.check()
            heard = self.tagger.hear([window.heard for window in batch], self.least, self.most)
            for window, sounds in zip(batch, heard, strict=True):
                found += self.told(window, sounds)
            self.tell()
            if len(found) >= MOST_ROWS:
                break
        return found

    def batches(self) -> Iterator[list[Window]]:
        """As many windows as the model takes at once; the last batch has the rest."""
        windows = self.found()
        while batch := list(islice(windows, self.tagger.at_once)):
            yield batch

    def found(self) -> Iterator[Window]:
        """One after the other. What encoders leave behind the last one is none."""
        before = np.zeros(0, np.float32)
        for samples in sound.blocks(self.context, self.track, self.tagger.rate, self.seconds):
            if len(before) and len(samples) < LEFT_OVER * self.tagger.rate:
                return
            yield Window(len(samples), self.tagger.lengthened(samples, before))
            before = samples

    def told(self, window: Window, sounds: list[Sound]) -> list[dict[str, Any]]:
        """Rows of one window. The last one ends with the sound, and not after the end that players show."""
        start = self.samples / self.tagger.rate
        self.samples += window.length
        self.windows += 1
        end = self.samples / self.tagger.rate
        if self.duration and start < self.duration < end <= self.duration + LEFT_OVER:
            end = self.duration
        span = {
            "start_seconds": round(start, 3),
            "end_seconds": round(max(end, start + 0.001), 3),
        }
        return [
            {"label": one.label, "class_index": one.index, "score": round(one.score, DIGITS), **span}
            for one in sounds
        ]

    def tell(self) -> None:
        heard = self.samples / self.tagger.rate
        if self.duration and heard:
            left = max(0.0, self.duration - heard) / heard * (time.monotonic() - self.started)
            self.context.progress(min(99.0, 100 * heard / self.duration), left)
