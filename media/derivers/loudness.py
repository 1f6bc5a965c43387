"""How loud a recording or the sound of a film is, by EBU R128: what players need to play all at one loudness.

ffmpeg's `ebur128` listens to the default track and tells a summary at its end. A run of its own, beside the waveform:
listening costs several times what decoding does, and people wait for the waveform (decision 18).
"""

import re
from typing import Any, ClassVar, Final

from alcoves import queues
from media.derivers.base import BaseDeriver, Context, NotNeeded, Ready, Result, Subject
from media.errors import DamagedFileError, MediaError
from media.probing import facts_of
from media.sniffing import described
from media.streams import track_of
from media.tools import ffmpeg, graphs
from media.tools.progress import ProgressParser

SILENCE: Final = -70.0
"""LUFS. The gate of the standard: nothing below it is heard, so nothing was measured."""

NUMBER: Final = r"\s*(-?[\d.]+|-?inf|nan)"
FOR_A_RANGE: Final = 6.0
"""Seconds: two windows of three. The range of less would be a figure about the edges of one window."""

LINES: Final = {
    "integrated": rf"I:{NUMBER} LUFS\s+Threshold:",
    "threshold": rf"I:.*?\n\s*Threshold:{NUMBER} LUFS",
    "range": rf"LRA:{NUMBER} LU",
    "true_peak": rf"Peak:{NUMBER} dBFS",
}


class LoudnessDeriver(BaseDeriver):
    name: ClassVar[str] = "loudness"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"}

    def derive(self, context: Context) -> Result:
        facts = facts_of(context.subject, context.source_input)
        track = track_of(facts)
        if track is None:
            return NotNeeded("no_audio")
        duration = facts.get("duration")
        found: dict[str, Any] = dict(measured(listen(context, track, duration)))
        if (duration or 0) < FOR_A_RANGE:
            found["range"] = None
        return Ready(facts=found, made_with={"ffmpeg": ffmpeg.capabilities().version})


def listen(context: Context, track: int, duration: float | None) -> str:
    """ffmpeg's last words, with the summary; also of a file that breaks off, as far as it goes."""
    opened = graphs.open_input(context.source_input(), described(context.subject.mime).demuxer)
    heard = opened.track(track).chain("ebur128=peak=true:framelog=quiet")
    options = ("-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-f", "null")
    # The summary is told at this level, and nowhere else.
    arguments = graphs.arguments(
        graphs.write("-", heard, options=options), first=("-loglevel", "info", "-nostats")
    )
    limit = queues.BY_NAME["waveform"].time_limit * 0.95
    watched = ProgressParser(duration, context.progress)
    try:
        return ffmpeg.run(arguments, timeout=limit, abandoned=context.abandoned, progress=watched).stderr_tail
    except MediaError as error:
        if "Integrated loudness:" in error.detail:
            return error.detail
        raise


def measured(words: str) -> dict[str, float | None]:
    """Integrated loudness and threshold in LUFS, range in LU, true peak in dBTP; None where all is silence."""
    _, _, summary = words.rpartition("Summary:")
    matches = {name: re.search(line, summary, re.DOTALL) for name, line in LINES.items()}
    told = {name: number(match[1]) for name, match in matches.items() if match}
    if len(told) < len(LINES):
        raise DamagedFileError(
            "No sound of this file can be decoded. Upload it again.", code="no_sound", detail=words[-2000:]
        )
    heard = told["integrated"] is not None and told["integrated"] > SILENCE
    return told if heard else {**dict.fromkeys(told), "true_peak": told["true_peak"]}


def number(text: str) -> float | None:
    """To one place, as the meter tells it; None for infinity."""
    return round(float(text), 1) if text.lstrip("-") not in {"inf", "nan"} else None
