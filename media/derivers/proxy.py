"""What every browser plays of a film or a recording that not every browser plays: H.264 and AAC in MP4.

    playable as it is                   NotNeeded, unless a person wants one anyway (`force`)
    the container or the sound is wrong the picture is copied: seconds instead of minutes, and no loss
    else                                encoded (`media.transcoding`), in hardware where that was proven; then again
                                        in software when the hardware fails
    a recording                         AAC in M4A

The result is read back before it is believed: what broke off on the way is kept and marked `partial`.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from media import streams
from media.derivers.base import (
    BaseDeriver,
    Context,
    Divided,
    FinishedPart,
    NotNeeded,
    Output,
    Part,
    Ready,
    Result,
    Subject,
)
from media.errors import DamagedFileError, PermanentError, TransientError
from media.sniffing import described
from media.tools import encoders, feeding, ffmpeg, ffprobe, graphs
from media.tools.encoders import Encoder
from media.tools.progress import ProgressParser
from media.tools.run import ExitedError, Limits
from media.transcoding import browsers, chunks, picture, recipe, sound, timeouts
from media.transcoding.browsers import Verdict
from media.transcoding.ceilings import Ceilings

FILM: Final = "proxy.mp4"
RECORDING: Final = "proxy.m4a"
TYPES: Final = {FILM: "video/mp4", RECORDING: "audio/mp4"}
SPARE: Final = 64 * 1024 * 1024
PART: Final = "proxy-part"
CHUNK: Final = 1024 * 1024
MISSING_SHARE: Final = 0.03
MISSING_SECONDS: Final = 1.0
"""A result that is shorter than promised by more than both is partial."""

BROKEN_TIMES: Final = re.compile(
    r"non[- ]monoton|Timestamps are unset|pts has no value|Packet is missing PTS|Invalid DTS", re.IGNORECASE
)
"""What ffmpeg says where copied packets would not play in time."""


class ProxyDeriver(BaseDeriver):
    name: ClassVar[str] = "proxy"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "video-transcode"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"}

    def scratch_bytes(self, subject: Subject) -> int:
        """What such a proxy takes as a rule; a copy of the streams is as large as the source."""
        facts = subject.probe or {}
        verdict = browsers.judged(facts, subject.mime)
        if verdict.reason is None:
            return SPARE
        if facts.get("video") and copies_picture(verdict, facts["video"]["codec"]):
            return subject.size + SPARE
        return SPARE + recipe.expected_bytes(facts) + recipe.sound_bytes(facts)

    def derive(self, context: Context) -> Result:
        facts = context.subject.probe or {}
        verdict = browsers.judged(facts, context.subject.mime)
        if verdict.reason is None and not context.parameters.get("force"):
            return NotNeeded("already_playable")
        if not facts.get("video"):
            return Run(context, facts, RECORDING).recording()
        return Run(context, facts, FILM).film(verdict)


class Run:
    """One proxy of one file."""

    def __init__(self, context: Context, facts: Mapping[str, Any], name: str) -> None:
        self.context = context
        self.facts = facts
        self.tracks = sound.tracks_of(facts)
        self.name = name
        self.source = context.source_input()
        self.demuxer = described(context.subject.mime).demuxer
        self.duration = float(facts["duration"]) if facts.get("duration") else None
        self.ceilings = Ceilings.from_environment()
        self.out = context.scratch / name

    def film(self, verdict: Verdict) -> Result:
        """Copied where the picture may stay as it is, else encoded; long films in chunks, by all workers."""
        if self.context.parts:
            return self.joined(self.context.parts)
        copies = copies_picture(verdict, self.facts["video"]["codec"])
        if copies and (copied := self.copied(verdict)) is not None:
            return copied
        self.ceilings.check(self.facts["video"])
        if not encoders.choose().in_hardware and (
            pieces := chunks.plan(self.source, self.demuxer, self.facts)
        ):
            return Divided(tuple(Part(PART, piece.variant, piece.parameters) for piece in pieces))
        return encoders.by_choice(self.encoded, self.context.check)

    def encoded(self, encoder: Encoder, **made_with: str) -> Ready:
        zscale = ffmpeg.capabilities().zscale
        lasting = recipe.lasting(picture.lasting(self.facts["video"]))
        plan = recipe.of_film(self.facts, self.ceilings, zscale=zscale, encoder=encoder)
        made = graphs.write(
            self.out,
            *plan.tracks_of(self.opened(plan.input)),
            options=(*plan.encoder, "-bsf:v", lasting, *plan.sound, *plan.container),
        )
        self.run(
            graphs.arguments(made, first=plan.first),
            replace(encoder.limits, file_bytes=recipe.most_bytes(self.facts, self.ceilings)),
            recipe.time_limit(self.facts, self.duration),
        )
        return self.ready({"encoder": encoder.name, **made_with})

    def joined(self, parts: Sequence[FinishedPart]) -> Ready:
        """The chunks through a pipe, from their store, with the sound: not encoded again, and not one frame lost."""
        films = [part for part in parts if part.facts.get("frames")]
        if not films:
            raise nothing_decoded()
        arguments = chunks.join(
            self.facts,
            [part.facts for part in films],
            films[-1].parameters.get("until"),
            self.out,
            chapters=self.chapters(),
            sounds=next((self.sounds(part) for part in parts if part.variant == chunks.AUDIO), None),
        )
        limits = replace(ffmpeg.LIMITS, file_bytes=recipe.most_bytes(self.facts, self.ceilings))
        with feeding.fed(blocks_of(films)) as stdin:
            self.run(
                arguments, limits, timeouts.copying(self.duration, recipe.lines(self.facts)), stdin=stdin
            )
        frames = sum(int(part.facts["frames"]) for part in films)
        if chunks.frames_of(self.out) != frames:
            raise TransientError("The chunks of this film did not come together whole.", code="seam")
        return self.ready({"encoder": "libx264", "chunks": len(films)})

    def chapters(self) -> graphs.Input | None:
        """The source itself, where it has any: nothing else of it is read again."""
        if not self.facts.get("chapters"):
            return None
        begins = chunks.begins(self.source, self.demuxer)
        return self.opened(("-itsoffset", f"{-begins:.6f}", *recipe.INPUT))

    def sounds(self, part: FinishedPart) -> graphs.Input:
        """Fetched whole: a program has one stdin, and the sound is small beside the picture."""
        path = self.context.scratch / chunks.SOUND
        with part.open(chunks.SOUND) as stream, path.open("wb") as copy:
            shutil.copyfileobj(stream, copy, CHUNK)
        return graphs.open_input(path, "mov")

    def recording(self) -> Ready:
        encoder = sound.arguments(self.tracks, rate=sound.MUSIC_RATE)
        made = graphs.write(
            self.out,
            *sound.encoded(self.opened(recipe.INPUT), self.tracks),
            options=("-vn", *encoder, *recipe.container(self.facts)),
        )
        self.run(
            graphs.arguments(made),
            replace(ffmpeg.LIMITS, file_bytes=recipe.most_bytes(self.facts, self.ceilings)),
            timeouts.encoding(self.duration, 360),
        )
        return self.ready({"encoder": "aac"})

    def copied(self, verdict: Verdict) -> Ready | None:
        """The same packets in an MP4; None where they do not make a film that plays and seeks."""
        if not self.starts_on_key_frame():
            return None
        film = self.opened(recipe.INPUT)
        if verdict.sound:
            tracks, sounds = sound.encoded(film, self.tracks), sound.arguments(self.tracks)
        else:
            tracks, sounds = sound.packets(film, self.tracks), sound.copied(self.tracks)
        made = graphs.write(
            self.out,
            film.track(self.facts["video"]["index"]),
            *tracks,
            options=("-c:v", "copy", "-bsf:v", recipe.lasting(), *sounds, *recipe.container(self.facts)),
        )
        try:
            told = self.run(
                graphs.arguments(made),
                replace(ffmpeg.LIMITS, file_bytes=2 * self.context.subject.size + SPARE),
                timeouts.copying(self.duration, recipe.lines(self.facts)),
            )
            result = self.ready({"encoder": "copy"})
        except (PermanentError, TransientError) as error:
            self.context.check()
            if isinstance(error, ExitedError) and error.killed:
                raise
            return None
        return None if BROKEN_TIMES.search(told) or result.facts.get("partial") else result

    def starts_on_key_frame(self) -> bool:
        """Without one, copying would leave out what comes before the first."""
        shown = ["-select_streams", str(self.facts["video"]["index"]), "-read_intervals", "%+#1"]
        shown += ["-show_entries", "packet=flags", "-of", "csv=p=0"]
        try:
            return b"K" in ffprobe.ask(self.source, self.demuxer, shown, timeout=ffprobe.TIMEOUT)
        except PermanentError:
            return False

    def opened(self, options: Sequence[str]) -> graphs.Input:
        return graphs.open_input(self.source, self.demuxer, *options)

    def run(
        self,
        arguments: Sequence[str],
        limits: Limits,
        timeout: float,
        stdin: int = feeding.NOTHING,
    ) -> str:
        """One ffmpeg to its end; returns what it said last."""
        done = ffmpeg.run(
            arguments,
            timeout=timeout,
            abandoned=self.context.abandoned,
            progress=ProgressParser(self.duration, self.context.progress),
            limits=limits,
            nice=recipe.NICE,
            stdin=stdin,
        )
        return done.stderr_tail

    def ready(self, made_with: Mapping[str, Any]) -> Ready:
        """What was made, read back. DamagedFileError where nothing that plays came out."""
        made = self.read_back()
        lengths = (self.duration or 0.0), made["duration"] or 0.0
        if lengths[0] - lengths[1] > max(MISSING_SECONDS, MISSING_SHARE * lengths[0]):
            made["partial"] = True
        return Ready(
            (Output(self.name, self.out, TYPES[self.name]),),
            made,
            {**made_with, "ffmpeg": ffmpeg.capabilities().version},
        )

    def read_back(self) -> dict[str, Any]:
        try:
            answer = ffprobe.read(self.out, "mov")
        except DamagedFileError as error:
            raise nothing_decoded() from error
        video, audio = streams.video_of(answer), streams.audio_of(answer)
        duration = streams.duration_of(answer)
        if not duration or (video is None and (self.name == FILM or not audio)):
            raise nothing_decoded()
        tracks = [{name: track.get(name) for name in ("language", "title")} for track in self.tracks]
        made = recipe.facts_of(video, audio, duration, self.out.stat().st_size, TYPES[self.name])
        return {**made, "tracks": tracks}


def nothing_decoded() -> DamagedFileError:
    return DamagedFileError("Nothing of this file can be decoded. Upload it again.", code="nothing_decoded")


def blocks_of(parts: Sequence[FinishedPart]) -> Iterator[bytes]:
    """The chunks one after the other."""
    for part in parts:
        with part.open(chunks.PICTURE) as stream:
            while block := stream.read(CHUNK):
                yield block


def copies_picture(verdict: Verdict, codec: str) -> bool:
    """Where the picture itself is on the table, for MP4 too, and something else is in the way."""
    return verdict.reason is not None and verdict.picture is None and ("mp4", codec) in browsers.PICTURES
