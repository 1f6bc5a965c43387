"""The peaks of the sound, 50 a second, for the waveform under a timeline.

The sound track is decoded to 16 kHz mono; each window of 320 samples gives its largest absolute value,
clamped to 0..1. Nothing is normalised: quiet stays quiet. Reads through one buffer and writes as it goes:
ten hours need no more memory than ten seconds. No sound: an empty waveform, and ready.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from alcoves import queues
from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.probing import probe
from media.sniffing import described, sniff_path
from media.tools import ffmpeg
from media.tools.run import ExitedError, Stream

SAMPLE_RATE: Final = 16_000
PEAKS_PER_SECOND: Final = 50
WINDOW: Final = SAMPLE_RATE // PEAKS_PER_SECOND
WINDOWS_A_BLOCK: Final = 512
NAME: Final = "waveform.json"


class WaveformDeriver(BaseDeriver):
    name: ClassVar[str] = "waveform"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"}

    def derive(self, context: Context) -> Result:
        path = context.source_path()
        facts = context.subject.probe or probe(path, sniff_path(path)).as_json()
        out = context.scratch / NAME
        track = track_of(facts)
        with out.open("w", encoding="ascii") as writer:
            peaks = Peaks(writer)
            whole = track is None or decode(context, path, track, facts.get("duration"), peaks)
            peaks.end()
        found: dict[str, Any] = {
            "peaks": peaks.count,
            "peaks_per_second": PEAKS_PER_SECOND,
            "sample_rate": SAMPLE_RATE,
            "duration": peaks.duration,
            "has_audio": track is not None,
        }
        if not whole:
            found["partial"] = True
        return Ready(
            (Output(NAME, out, "application/json"),), found, {"ffmpeg": ffmpeg.capabilities().version}
        )


def track_of(facts: Mapping[str, Any]) -> int | None:
    """The stream index of the default sound track, else of the first."""
    tracks = facts.get("audio") or ()
    chosen = next((track for track in tracks if track.get("default")), tracks[0] if tracks else None)
    return None if chosen is None else int(chosen["index"])


def decode(context: Context, path: Path, track: int, duration: float | None, peaks: "Peaks") -> bool:
    """Feed `peaks`. False when the sound breaks off in the middle: what came before is kept."""
    arguments = [
        *ffmpeg.input_arguments(path, described(context.subject.mime).demuxer),
        *("-map", f"0:{track}", "-vn", "-sn", "-dn", "-ac", "1", "-ar", str(SAMPLE_RATE)),
        *("-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"),
    ]
    limit = queues.BY_NAME["waveform"].time_limit * 0.95
    with ffmpeg.stream(arguments, timeout=limit, abandoned=context.abandoned) as stream:
        read_all(context, stream, duration, peaks)
        try:
            stream.complete()
        except ExitedError as error:
            if peaks.count == 0:
                raise ffmpeg.explain(error) from error
            return False
    return True


def read_all(context: Context, stream: Stream, duration: float | None, peaks: "Peaks") -> None:
    buffer = np.zeros(WINDOW * WINDOWS_A_BLOCK, dtype="<f4")
    view = buffer.data.cast("B")
    started = time.monotonic()
    while (filled := stream.readinto(view)) > 0:
        peaks.feed(buffer[: filled // 4])
        if duration and peaks.duration:
            left = max(0.0, duration - peaks.duration) / peaks.duration * (time.monotonic() - started)
            context.progress(min(99.0, 100 * peaks.duration / duration), left)


class Peaks:
    """Writes the JSON of the reference as the samples come."""

    def __init__(self, writer: IO[str]) -> None:
        self.writer = writer
        self.count = 0
        self.samples = 0
        writer.write('{"peaks": [')

    @property
    def duration(self) -> float:
        return round(self.samples / SAMPLE_RATE, 6)

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Whole windows, except at the very end: the rest of a last window is a window too."""
        self.samples += len(samples)
        peaks = peaks_of(samples)
        if len(peaks):
            self.writer.write((", " if self.count else "") + json.dumps(peaks.tolist())[1:-1])
            self.count += len(peaks)

    def end(self) -> None:
        rest = {"peaksPerSecond": PEAKS_PER_SECOND, "sampleRate": SAMPLE_RATE, "duration": self.duration}
        self.writer.write("], " + json.dumps(rest)[1:])


def peaks_of(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """The largest absolute value of each window, 0..1, to four places. A broken sample (NaN) is silence."""
    loud = np.nan_to_num(np.abs(samples), nan=0.0, posinf=1.0)
    whole = len(loud) // WINDOW * WINDOW
    peaks = loud[:whole].reshape(-1, WINDOW).max(axis=1, initial=0.0)
    if whole < len(loud):
        peaks = np.append(peaks, loud[whole:].max())
    clamped: NDArray[np.float64] = np.clip(peaks, 0.0, 1.0).astype(np.float64)
    return np.round(clamped, 4)
