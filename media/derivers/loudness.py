"""How loud a recording or the sound of a film is, by EBU R128: what players need to play all at one loudness.

ffmpeg's `ebur128` listens to the default track and tells a summary at its end. A run of its own, beside the waveform:
listening costs several times what decoding does, and people wait for the waveform (decision 18).
"""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from alcoves import queues
from media.derivers.base import BaseDeriver, Context, NotNeeded, Ready, Result, Subject
from media.errors import DamagedFileError, MediaError
from media.probing import facts_of
from media.sniffing import described
from media.streams import track_of
from media.tools import feeding, ffmpeg, graphs
from media.tools.progress import ProgressParser
from media.tools.run import Stream

SILENCE: Final = -70.0
"""LUFS. The gate of the standard: nothing below it is heard, so nothing was measured."""

SUMMARY: Final = "Summary:"
ALONE: Final = ("-vn", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1")
LIMIT: Final = queues.BY_NAME["waveform"].time_limit * 0.95
RATE: Final = 48_000
BLOCK: Final = 256 * 1024

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
    opened = graphs.open_input(context.source_input(), described(context.subject.mime).demuxer).track(track)
    words = heard(context, opened, duration)
    return words if words.count(SUMMARY) < 2 else heard_as_one(context, opened, duration)


def heard_as_one(context: Context, opened: graphs.Track, duration: float | None) -> str:
    """Where a broadcast changes from stereo to 5.1 the meter begins anew, and tells of each scene: then all of it is
    decoded to stereo by one program and listened to by another.
    """
    options = (*ALONE, "-ac", "2", "-ar", str(RATE), "-c:a", "pcm_f32le", "-f", "matroska")
    arguments = graphs.arguments(graphs.write(graphs.PIPE, opened, options=options))
    with ffmpeg.stream(arguments, timeout=LIMIT) as decoded, feeding.fed(blocks_of(decoded)) as stdin:
        return heard(context, graphs.open_pipe("matroska").track("a:0"), duration, stdin)


def blocks_of(decoded: Stream) -> Iterator[bytes]:
    block = bytearray(BLOCK)
    while filled := decoded.readinto(memoryview(block)):
        yield bytes(block[:filled])


def heard(context: Context, track: graphs.Track, duration: float | None, stdin: int = feeding.NOTHING) -> str:
    metered = graphs.write(
        "-", track.chain("ebur128=peak=true:framelog=quiet"), options=(*ALONE, "-f", "null")
    )
    # The summary is told at this level, and nowhere else.
    arguments = graphs.arguments(metered, first=("-loglevel", "info", "-nostats"))
    watched = ProgressParser(duration, context.progress)
    try:
        done = ffmpeg.run(
            arguments, timeout=LIMIT, abandoned=context.abandoned, progress=watched, stdin=stdin
        )
        return done.stderr_tail
    except MediaError as error:
        if "Integrated loudness:" in error.detail:
            return error.detail
        raise


def measured(words: str) -> dict[str, float | None]:
    """Integrated loudness and threshold in LUFS, range in LU, true peak in dBTP; None where all is silence."""
    _, _, summary = words.rpartition(SUMMARY)
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
