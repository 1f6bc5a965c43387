"""The clip of a moment: cut out of its film or recording, exact to the frame, with a picture of its own.

    both cuts at key frames, and every browser plays the codecs    the packets are taken as they are, then checked
    else                                                           encoded as a proxy is (`media.transcoding`)
    a recording                                                    AAC in M4A, no picture

Which span, and of which version of the moment, is in the row's parameters. The poster is chosen among frames of the
clip alone: whoever is given the clip shall not see what is outside of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, Final

from media import streams
from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.errors import DamagedFileError, PermanentError, TransientError
from media.images import choosing, posters
from media.images.encoding import encode
from media.sniffing import described
from media.tools import encoders, ffmpeg, ffprobe, graphs, vips
from media.tools.encoders import Encoder
from media.tools.progress import ProgressParser
from media.tools.run import ExitedError, Limits
from media.transcoding import browsers, cutting, picture, recipe, sound
from media.transcoding.ceilings import SHORT_SIDE, Ceilings
from media.transcoding.cutting import Copy, Cut, Packet
from media.transcoding.frames import Film, Shot, size_within

LONG_SIDE: Final = 1920
FILM: Final = "moment.mp4"
RECORDING: Final = "moment.m4a"
TYPES: Final = {FILM: "video/mp4", RECORDING: "audio/mp4"}
LOOK: Final = 1.5
"""Seconds of packets looked at around a cut: more than a decoder reorders."""
FURTHER: Final = 1000
"""Packets that are looked at where that was not enough."""
BACK: Final = 12.0
"""Seconds to go back in containers without an index, until a key frame is found before the cut."""
SPARE: Final = 64 * 1024 * 1024
MOST_SCRATCH: Final = 1024**3
PLACES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the clip, where frames are looked at for its picture."""
TALLEST: Final = 4
"""Times its width that the picture may be high."""
IN_SYNC: Final = 0.04
"""Seconds by which sound and picture of a copied clip may begin apart."""
ROUNDING: Final = 0.005
BREAKS_OFF: Final = re.compile(r"partial file|ended prematurely")
"""What ffmpeg says where a container promises more bytes than there are."""


class MomentDeriver(BaseDeriver):
    name: ClassVar[str] = "moment"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "moment-export"
    needs_probe: ClassVar[bool] = True
    planned: ClassVar[bool] = False
    hidden: ClassVar[bool] = True
    """Its state is told with the moments, not with the file."""

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"video", "audio"} and subject.probe is not None

    def scratch_bytes(self, subject: Subject) -> int:
        """The span is not known here; most are short."""
        return SPARE + min(MOST_SCRATCH, recipe.expected_bytes(subject.probe or {}))

    def derive(self, context: Context) -> Result:
        clip = Clip(context)
        return clip.finished(clip.copied() or clip.encoded())


class Clip:
    """One span of one file during one run."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.facts = context.subject.probe or {}
        self.video: Mapping[str, Any] = self.facts.get("video") or {}
        self.name = FILM if self.video else RECORDING
        self.out = context.scratch / self.name
        self.source = context.source_input()
        self.demuxer = described(context.subject.mime).demuxer
        self.start, self.end = (float(context.parameters[name]) for name in ("start", "end"))
        self.seconds = self.end - self.start
        self.duration = float(self.facts.get("duration") or 0) or None
        self.broken_off = False
        self.begin = 0.0
        """The time stamp with which the file begins, once that is known."""
        self.said = ""
        self.ceilings = Ceilings.from_environment()
        self.tracks = sound.tracks_of(self.facts)
        if not self.video and not self.tracks:
            raise DamagedFileError("This file has neither picture nor sound that could be exported.")

    def encoded(self) -> dict[str, Any]:
        """Decoded from the frame that stands at the start; returns what made it."""
        if not self.video:
            return self.recorded()
        self.ceilings.check(self.video)
        return encoders.by_choice(self.filmed, self.context.check)

    def filmed(self, encoder: Encoder, **made_with: str) -> dict[str, Any]:
        cut = self.find_cut()
        zscale = ffmpeg.capabilities().zscale
        plan = recipe.of_film(full_hd(self.facts), self.ceilings, zscale=zscale, encoder=encoder)
        film = self.opened(*cut.options, *plan.input)
        self.run(
            [
                cut.of(film.track(plan.picture)).chain(plan.filters),
                *sound.encoded(film, self.tracks, first=cut.sound),
            ],
            (*plan.encoder, "-bsf:v", recipe.lasting(until=f"{self.seconds:.6f}/TB"), *plan.sound),
            replace(encoder.limits, file_bytes=self.most_bytes()),
            first=plan.first,
        )
        return {"encoder": encoder.name, **made_with}

    def recorded(self) -> dict[str, Any]:
        """Sound can be cut at any sample."""
        seek = ("-ss", f"{self.start:.3f}") if self.start else ()
        self.run(
            sound.encoded(self.opened(*seek, *recipe.INPUT), self.tracks),
            ("-vn", *sound.arguments(self.tracks, rate=sound.MUSIC_RATE)),
            replace(ffmpeg.LIMITS, file_bytes=self.most_bytes()),
        )
        return {"encoder": "aac"}

    def copied(self) -> dict[str, Any] | None:
        """The packets as they are; None where that cannot be, or did not come out right."""
        plan = self.find_copy()
        if plan is None:
            return None
        picture_of = self.opened(*reading(plan.start, plan.picture), *recipe.INPUT)
        sound_of = self.opened(*reading(plan.start, plan.sound), *recipe.INPUT)
        try:
            self.run(
                [picture_of.track(self.video["index"]), *sound.packets(sound_of, self.tracks)],
                ("-c:v", "copy", *sound.copied(self.tracks)),
                replace(ffmpeg.LIMITS, file_bytes=self.context.subject.size + SPARE),
            )
            good = self.is_exact()
        except (PermanentError, TransientError) as error:
            self.context.check()
            if isinstance(error, ExitedError) and error.killed:
                raise
            return None
        return {"encoder": "copy"} if good else None

    def most_bytes(self) -> int:
        return recipe.most_bytes({**self.facts, "duration": self.seconds}, self.ceilings)

    def find_copy(self) -> Copy | None:
        """Looks at few packets, and only where the codecs may stay as they are."""
        mime = self.context.subject.mime
        if not self.video or browsers.FAMILIES.get(mime) != "mp4" or browsers.playable(self.facts, mime):
            return None
        to_the_end = self.duration is not None and self.end >= self.duration - cutting.NEAR
        packets = self.packets(self.start, *(() if to_the_end else (self.end,)))
        return cutting.copy_between(packets, self.start, None if to_the_end else self.end)

    def find_cut(self) -> Cut:
        """Where decoding begins. Where no frame stands at the start yet, the first one after it is shown from there."""
        for back in (0.0, BACK):
            packets = self.packets(max(0.0, self.start - back))
            cut = cutting.cut_at(packets, self.start, back)
            if cut is not None:
                self.broken_off = cutting.ends_before(packets, self.start) and not self.goes_on()
                return cut
        return Cut(self.start or None, stands=False)

    def goes_on(self) -> bool:
        """Whether frames come later than was looked: in a film of few frames one stands for long."""
        found = self.ask(f"{self.start + self.begin:.6f}%+#{FURTHER}")
        return any(packet.pts > self.start for packet in cutting.packets_of(found))

    def packets(self, *seconds: float) -> list[Packet]:
        """Those around each second, from the key frame before it on: one call that seeks and decodes nothing."""
        answer = self.ask(self.around(seconds, 0.0))
        self.begin = cutting.beginning_of(answer)
        if abs(self.begin) > cutting.NEAR:
            # The way of broadcasts: only then it is asked again, where to look being known.
            answer = self.ask(self.around(seconds, self.begin))
        return cutting.packets_of(answer)

    def around(self, seconds: Sequence[float], begin: float) -> str:
        return ",".join(f"{begin + one:.6f}%{begin + max(one, self.start) + LOOK:.6f}" for one in seconds)

    def ask(self, spans: str) -> dict[str, Any]:
        shown = ["-select_streams", str(self.video["index"]), "-read_intervals", spans, "-of", "json"]
        shown += ["-show_entries", "packet=pts_time,dts_time,duration_time,flags:format=start_time"]
        answer = ffprobe.ask(self.source, self.demuxer, shown, timeout=ffprobe.TIMEOUT)
        found: dict[str, Any] = json.loads(answer or b"{}")
        return found

    def opened(self, *options: str) -> graphs.Input:
        return graphs.open_input(self.source, self.demuxer, *options)

    def run(
        self,
        tracks: Sequence[graphs.Track],
        options: Sequence[str],
        limits: Limits,
        first: Sequence[str] = (),
    ) -> None:
        """A hair shorter than the span: a frame that begins at its end, give or take a rounding, is not in it."""
        whole = (*options, "-t", f"{self.seconds - cutting.NEAR / 2:.4f}", *cutting.CONTAINER)
        done = ffmpeg.run(
            graphs.arguments(graphs.write(self.out, *tracks, options=whole), first=first),
            timeout=recipe.time_limit(self.facts, self.seconds),
            abandoned=self.context.abandoned,
            progress=ProgressParser(self.seconds, self.context.progress),
            limits=limits,
        )
        self.said = done.stderr_tail

    def is_exact(self) -> bool:
        """Whether packets that were taken as they are begin at zero, together, and last as long as they shall."""
        answer = ffprobe.read(self.out, "mov")
        begins = {item["codec_type"]: float(item.get("start_time") or 0) for item in answer["streams"]}
        length = streams.duration_of(answer) or 0.0
        return (
            abs(begins.get("video", 1.0)) <= ROUNDING
            and abs(begins.get("audio", 0.0)) <= IN_SYNC
            and abs(length - self.seconds) <= 1 / picture.frame_rate(self.video)
        )

    def finished(self, made: dict[str, Any]) -> Ready:
        """What was made, read back, with a picture of it."""
        answer = ffprobe.read(self.out, "mov")
        video, audio = streams.video_of(answer), streams.audio_of(answer)
        length = streams.duration_of(answer)
        if not length or (video is None and (self.video or not audio)):
            raise DamagedFileError(
                "Nothing of this span can be decoded. Choose another one.", code="nothing_decoded"
            )
        heard = max(
            (float(one.get("duration") or 0) for one in answer["streams"] if one["codec_type"] == "audio"),
            default=0.0,
        )
        self.require_contents(heard)
        facts = recipe.facts_of(video, audio, length, self.out.stat().st_size, TYPES[self.name])
        picture_of = self.pictured({**facts, "video": asdict(video)}) if video is not None else ()
        return Ready(
            (Output(self.name, self.out, TYPES[self.name]), *picture_of),
            {**facts, "version": self.context.parameters["version"], **self.missing(heard)},
            {**made, "ffmpeg": ffmpeg.capabilities().version},
        )

    def require_contents(self, heard: float) -> None:
        """A film that breaks off before the span has a frame that stands there for ever, and no sound."""
        if self.broken_off and heard < self.seconds / 2:
            raise DamagedFileError(
                "The file breaks off before this span. Upload it again, or choose an earlier one.",
                code="nothing_decoded",
            )

    def missing(self, heard: float) -> dict[str, bool]:
        """`partial` where the file breaks off within the span: the last frame stands for what is not there."""
        silent_too_soon = not self.tracks or self.seconds - heard > cutting.STANDING
        broke_off = not self.video or BREAKS_OFF.search(self.said)
        return {"partial": True} if silent_too_soon and broke_off else {}

    def pictured(self, facts: dict[str, Any]) -> tuple[Output, ...]:
        """The best of five frames of the clip; where all are dark, one from where it gets light. None is no fault."""
        self.context.check()
        film = Film(
            *(self.out, "mov", facts, self.context.scratch),
            size=size_within(facts, posters.WIDTH, posters.WIDTH * TALLEST),
            abandoned=self.context.abandoned,
        )
        shot = best_of(film)
        if shot is None:
            return ()
        height, width = shot.pixels.shape[:2]
        path = self.context.scratch / posters.SMALL_NAME
        encode(vips.from_pixels(shot.pixels.tobytes(), width, height, 3), path, "webp", posters.QUALITY)
        return (Output(posters.SMALL_NAME, path, posters.CONTENT_TYPE),)


def best_of(film: Film) -> Shot | None:
    shots = [shot for shot in film.at([film.duration * place for place in PLACES]) if shot is not None]
    if not any(choosing.score(shot.pixels).visible for shot in shots) and (light := film.light()) is not None:
        shots += [shot for shot in film.at([light]) if shot is not None]
    return max(shots, key=lambda shot: choosing.score(shot.pixels), default=film.first())


def full_hd(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The film as if it were no larger than 1920 x 1080, or so high where it stands upright."""
    box = (LONG_SIDE, SHORT_SIDE) if facts["width"] >= facts["height"] else (SHORT_SIDE, LONG_SIDE)
    width, height = size_within(facts, *box)
    return {**facts, "width": width, "height": height}


def reading(start: float, seconds: float | None) -> tuple[str, ...]:
    """Options of an input of which so much is read."""
    seek = ("-ss", f"{start:.6f}") if start > 0 else ()
    return (*seek, *(("-t", f"{seconds:.6f}") if seconds is not None else ()))
