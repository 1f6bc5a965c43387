"""A chunk of a long film's picture, or all of its sound: parts of a proxy, made by any worker, joined by its run.

`media.transcoding.chunks` says what is in a chunk and why there is no seam.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from media.derivers.base import BaseDeriver, Context, NotNeeded, Output, Ready, Result, Subject
from media.sniffing import described
from media.tools import ffmpeg, graphs
from media.tools.progress import ProgressParser
from media.tools.run import Limits
from media.transcoding import chunks, recipe, timeouts
from media.transcoding.ceilings import Ceilings
from media.transcoding.chunks import Span

SPARE: Final = 64 * 1024 * 1024
LONGEST: Final = 4
"""Times the usual length that a chunk is at most, as a rule: key frames may be far apart."""


class ProxyPartDeriver(BaseDeriver):
    name: ClassVar[str] = "proxy-part"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "video-transcode"
    needs_probe: ClassVar[bool] = True
    planned: ClassVar[bool] = False
    hidden: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "video"

    def scratch_bytes(self, subject: Subject) -> int:
        """Of a long chunk or of the sound: which of them it is, the row knows alone."""
        facts = subject.probe or {}
        most = min(float(facts.get("duration") or 0), float(LONGEST * chunks.seconds()))
        return SPARE + recipe.expected_bytes({**facts, "duration": most}) + recipe.sound_bytes(facts)

    def derive(self, context: Context) -> Result:
        facts = context.subject.probe or {}
        if context.variant == chunks.AUDIO:
            return sound(context, facts)
        return picture(context, facts)


def sound(context: Context, facts: Mapping[str, Any]) -> Ready:
    out = context.scratch / chunks.SOUND
    limits = replace(
        ffmpeg.LIMITS, file_bytes=recipe.most_bytes({**facts, "video": None}, Ceilings.from_environment())
    )
    duration = float(facts["duration"])
    run(
        context,
        chunks.sound_arguments(facts, opened(context, recipe.INPUT), out),
        duration,
        limits,
        timeouts.encoding(duration, 0),
    )
    return Ready((Output(chunks.SOUND, out, "audio/mp4"),), made_with=made_with("aac"))


def picture(context: Context, facts: Mapping[str, Any]) -> Result:
    """The frames of one chunk. Where the film is damaged for so long that none is left, the others are joined."""
    span, ceilings = Span.of(context.parameters), Ceilings.from_environment()
    ceilings.check(facts["video"])
    plan = chunks.of_film(facts, ceilings, span, zscale=ffmpeg.capabilities().zscale)
    out = context.scratch / chunks.PICTURE
    seconds = span.seconds(float(facts["duration"]))
    made = graphs.write(
        out,
        *plan.tracks_of(opened(context, plan.input)),
        options=(*plan.sound, *plan.encoder, *plan.container),
    )
    limits = replace(ffmpeg.LIMITS, file_bytes=recipe.most_bytes({**facts, "duration": seconds}, ceilings))
    arguments = graphs.arguments(made, first=plan.first)
    run(context, arguments, seconds, limits, recipe.time_limit(facts, seconds))
    found = chunks.look_at(out)
    if found is None:
        return NotNeeded("nothing_decoded")
    return Ready((Output(chunks.PICTURE, out, "video/mp2t"),), found, made_with("libx264"))


def opened(context: Context, options: Sequence[str]) -> graphs.Input:
    return graphs.open_input(context.source_input(), described(context.subject.mime).demuxer, *options)


def run(context: Context, arguments: Sequence[str], seconds: float, limits: Limits, timeout: float) -> None:
    ffmpeg.run(
        arguments,
        timeout=timeout,
        abandoned=context.abandoned,
        progress=ProgressParser(seconds, context.progress),
        limits=limits,
        nice=recipe.NICE,
    )


def made_with(encoder: str) -> dict[str, str]:
    return {"encoder": encoder, "ffmpeg": ffmpeg.capabilities().version}
