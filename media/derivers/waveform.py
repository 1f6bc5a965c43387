"""The peaks of the sound, for the waveform under a timeline: what `media.peaks` makes of the decoded track.

The track is decoded to 16 kHz mono and read through one buffer while ffmpeg works. No sound: an empty waveform, and
ready.
"""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar, Final

import numpy as np

from alcoves import queues
from media.derivers.base import SMALL_SCRATCH, BaseDeriver, Context, Output, Ready, Result, Subject
from media.peaks import PEAKS_PER_SECOND, SAMPLE_RATE, WINDOW, Peaks, Written
from media.probing import facts_of
from media.streams import track_of
from media.tools import ffmpeg
from media.tools.run import ExitedError, Stream
from media.transcoding import samples
from media.transcoding.samples import LONGEST

WINDOWS_A_BLOCK: Final = 512
BYTES_A_PEAK: Final = 10
"""Of all levels, in both forms."""
FORMS: Final = {"json": "application/json", "binary": "application/octet-stream"}


class WaveformDeriver(BaseDeriver):
    name: ClassVar[str] = "waveform"
    version: ClassVar[int] = 2
    queue: ClassVar[str] = "waveform"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"}

    def scratch_bytes(self, subject: Subject) -> int:
        """So many peaks as the sound promises."""
        seconds = min(LONGEST, float((subject.probe or {}).get("duration") or 0))
        return SMALL_SCRATCH + round(seconds * PEAKS_PER_SECOND * BYTES_A_PEAK)

    def derive(self, context: Context) -> Result:
        facts = facts_of(context.subject, context.source_input)
        track = track_of(facts)
        with closing(Peaks(context.scratch)) as peaks:
            whole = track is None or decode(context, track, facts.get("duration"), peaks)
            levels = peaks.end()
        found: dict[str, Any] = {
            "peaks": peaks.count,
            "peaks_per_second": PEAKS_PER_SECOND,
            "sample_rate": SAMPLE_RATE,
            "duration": peaks.duration,
            "has_audio": track is not None,
            "levels": [told(level) for level in levels],
        }
        if not whole:
            found["partial"] = True
        outputs = tuple(
            Output(path.name, path, content_type)
            for level in levels
            for form, content_type in FORMS.items()
            for path in [getattr(level, form)]
        )
        return Ready(outputs, found, {"ffmpeg": ffmpeg.capabilities().version})


def told(level: Written) -> Mapping[str, int]:
    return {"level": level.level, "samples_per_peak": level.samples_per_peak, "peaks": level.peaks}


def decode(context: Context, track: int, duration: float | None, peaks: Peaks) -> bool:
    """Feed `peaks`. False when the sound breaks off in the middle: what came before is kept."""
    source, mime = context.source_input(), context.subject.mime
    arguments = samples.arguments(source, mime, track, SAMPLE_RATE, duration)
    limit = queues.BY_NAME["waveform"].time_limit * 0.95
    with ffmpeg.stream(arguments, timeout=limit, abandoned=context.abandoned) as stream:
        if not read_all(context, stream, duration, peaks):
            return False
        try:
            stream.complete()
        except ExitedError as error:
            # What was killed says nothing of the file.
            if peaks.count == 0 or error.returncode < 0:
                raise ffmpeg.explain(error) from error
            return False
    return True


def read_all(context: Context, stream: Stream, duration: float | None, peaks: Peaks) -> bool:
    """False where it is given up: at one sample a second, a file of 100 MB is three years long."""
    buffer = np.zeros(WINDOW * WINDOWS_A_BLOCK, dtype="<f4")
    view = buffer.data.cast("B")
    started = time.monotonic()
    while (filled := stream.readinto(view)) > 0:
        peaks.feed(buffer[: filled // 4])
        if peaks.duration > LONGEST:
            return False
        if duration and peaks.duration:
            left = max(0.0, duration - peaks.duration) / peaks.duration * (time.monotonic() - started)
            context.progress(min(99.0, 100 * peaks.duration / duration), left)
    return True
