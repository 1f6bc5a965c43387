"""The still picture of a video: the best of five frames, never black where another exists, HDR tone-mapped.

Frames come through the first strategy that works, in this order:

    hdr           linear light, Hable tone mapping, BT.709. For PQ and HLG only: it would darken SDR.
    hdr_declared  the same for HDR whose tags are incomplete: BT.2020 is declared
    hdr_swscale   the same idea by ffmpeg's own scaler, for builds without zscale
    sdr           scaled with the colour matrix declared (BT.709 for HD that does not say)
    sdr_no_seek   the same from the first frame: single frames, files without an index
    plain         the last resort: scaled, nothing else

Key frames near 10, 25, 50, 75 and 90 % are looked at first, because they cost least. Where they are too
few or all dark, the same places are decoded exactly; where those are dark too, the whole film is searched.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from media.derivers.base import BaseDeriver, Context, Output, Ready, Result, Subject
from media.errors import DamagedFileError, MediaError, ToolMissingError, UnsupportedTypeError
from media.images import choosing, transform
from media.images.choosing import Frame, Score
from media.images.placeholders import placeholder_of
from media.images.transform import Box
from media.probing import probe
from media.sniffing import described, sniff_path
from media.tools import ffmpeg, vips
from media.tools.run import ExitedError

PLACES: Final = (0.10, 0.25, 0.50, 0.75, 0.90)
LARGE: Final = 1280
POSTER_WIDTH: Final = 480
QUALITY: Final = 80
FRAME_TIMEOUT: Final = 60.0
SEARCH_TIMEOUT: Final = 180.0
SEARCH_SIDE: Final = 32
SEARCH_RATE: Final = 10.0
"""Looks a second, fewer in films of more than ten minutes."""

ALIKE: Final = 2.0
"""Seconds: the frames of a shorter clip look alike, so that one good key frame is enough."""

WITHOUT_SEEK: Final = frozenset({"sdr_no_seek", "plain"})
LIGHT: Final = 40.0
"""Mean luma at which the search for light is content."""

TONE_MAP: Final = (
    "format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p,scale=in_color_matrix=bt709:in_range=tv"
)
TRANSFERS: Final = {"pq": "smpte2084", "hlg": "arib-std-b67"}
MATRICES: Final = {"bt709": "bt709", "bt2020nc": "bt2020", "bt2020c": "bt2020", "smpte240m": "smpte240m"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decoded frame and where it comes from."""

    second: float
    strategy: str
    frame: Frame = field(compare=False, repr=False)
    score: Score

    @property
    def visible(self) -> bool:
        return self.score.visible


class PosterDeriver(BaseDeriver):
    name: ClassVar[str] = "poster"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "thumbnail"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "video"

    def derive(self, context: Context) -> Result:
        path = context.source_path()
        facts = context.subject.probe or probe(path, sniff_path(path)).as_json()
        best = Film(context, path, facts).best()
        frame = best.frame
        large = vips.from_pixels(frame.tobytes(), frame.shape[1], frame.shape[0], 3)
        poster = transform.fit(large, Box(POSTER_WIDTH, 4 * POSTER_WIDTH))
        outputs = []
        for name, image in (("poster.webp", poster), ("poster-large.webp", large)):
            transform.encode(image, context.scratch / name, "webp", QUALITY)
            outputs.append(Output(name, context.scratch / name, "image/webp"))
        return Ready(
            tuple(outputs),
            {
                "width": poster.width,
                "height": poster.height,
                "large_width": large.width,
                "large_height": large.height,
                "second": round(best.second, 3),
                "dark": not best.visible,
                **placeholder_of(poster).as_facts(),
            },
            {"strategy": best.strategy, "ffmpeg": ffmpeg.capabilities().version},
        )

    def record(self, original: Any, result: Ready) -> None:
        """Another poster is another picture: its sizes are made ahead anew."""
        original.forget_warmth()


class Film:
    """One video during one run: how to get a frame out of it, and which frames to look at."""

    def __init__(self, context: Context, path: Path, facts: Mapping[str, Any]) -> None:
        video = facts.get("video")
        if not video:
            raise DamagedFileError("The file holds no picture that could become a poster.", code="no_video")
        vips.check_limits(
            video["stored_width"], video["stored_height"], 1, vips.PixelLimits.from_environment()
        )
        self.context = context
        self.path = path
        self.video = video
        self.demuxer = described(context.subject.mime).demuxer
        self.duration = float(facts.get("duration") or 0)
        self.size = frame_size(int(facts["width"]), int(facts["height"]))
        self.strategies = strategies_for(video, self.size, zscale=ffmpeg.capabilities().zscale)
        self.problem: MediaError | None = None

    def best(self) -> Candidate:
        """Raises what ffmpeg said last when not a single frame can be decoded."""
        found = list(self.at_places(exact=False))
        if not any_visible(found) or (self.duration > ALIKE and too_few(found)):
            found += self.at_places(exact=True)
        if not any_visible(found):
            found += self.in_the_light()
        if not found and (first := self.grab(None, exact=False)):
            found.append(first)
        if not found:
            raise self.problem or DamagedFileError(
                "No frame of the video can be decoded. Upload it again.", code="no_frame"
            )
        return max(found, key=lambda candidate: candidate.score)

    def at_places(self, *, exact: bool) -> Iterator[Candidate]:
        if self.duration <= 0:
            return
        for number, place in enumerate(PLACES):
            if candidate := self.grab(self.duration * place, exact=exact):
                yield candidate
            self.context.progress(90 * (number + 1) / len(PLACES))

    def grab(self, second: float | None, *, exact: bool) -> Candidate | None:
        """One frame at a second, or the first frame of all; None when no strategy gives one there."""
        self.context.check()
        for name, chain in self.strategies.items():
            seeks = name not in WITHOUT_SEEK
            if seeks != (second is not None) and not name.startswith("hdr"):
                continue
            if (frame := self.decode(second, chain, exact=exact)) is not None:
                return Candidate(second or 0.0, name, frame, choosing.score(frame))
        return None

    def decode(self, second: float | None, chain: str, *, exact: bool) -> Frame | None:
        width, height = self.size
        seek = [] if second is None else ["-ss", f"{second:.3f}", *([] if exact else ["-noaccurate_seek"])]
        arguments = [
            *seek,
            *ffmpeg.input_arguments(self.path, self.demuxer),
            *("-map", f"0:{self.video['index']}", "-an", "-sn", "-dn", "-frames:v", "1"),
            *("-vf", chain, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"),
        ]
        try:
            done = ffmpeg.run(arguments, timeout=FRAME_TIMEOUT, abandoned=self.context.abandoned)
        except (UnsupportedTypeError, ToolMissingError):
            raise
        except (DamagedFileError, ExitedError) as error:
            self.problem = error
            return None
        if len(done.stdout) != width * height * 3:
            return None
        return np.frombuffer(done.stdout, dtype=np.uint8).reshape(height, width, 3)

    def in_the_light(self) -> Iterator[Candidate]:
        """Where the film first gets light: key frames first, then every frame."""
        for options in (["-skip_frame", "nokey"], []):
            if (second := self.find_light(options)) is not None:
                for near in (second, second + 0.5):
                    if candidate := self.grab(near, exact=True):
                        yield candidate
                return

    def find_light(self, options: list[str]) -> float | None:
        rate = max(1.0, min(SEARCH_RATE, 6000 / self.duration)) if self.duration > 0 else 1.0
        arguments = [
            *options,
            *ffmpeg.input_arguments(self.path, self.demuxer),
            *("-map", f"0:{self.video['index']}", "-an", "-sn", "-dn"),
            *(
                "-vf",
                f"fps={rate:g},scale={SEARCH_SIDE}:{SEARCH_SIDE},format=gray",
                "-f",
                "rawvideo",
                "pipe:1",
            ),
        ]
        picture = np.zeros(SEARCH_SIDE * SEARCH_SIDE, dtype=np.uint8)
        with ffmpeg.stream(arguments, timeout=SEARCH_TIMEOUT, abandoned=self.context.abandoned) as stream:
            number = 0
            while stream.readinto(picture.data) == len(picture):
                if picture.mean() > LIGHT:
                    return number / rate
                number += 1
        return None


def too_few(candidates: list[Candidate]) -> bool:
    """Several places fell on the same key frame."""
    return len({candidate.frame.tobytes() for candidate in candidates}) <= len(PLACES) // 2


def any_visible(candidates: list[Candidate]) -> bool:
    return any(candidate.visible for candidate in candidates)


def frame_size(width: int, height: int) -> tuple[int, int]:
    """As displayed, at most 1280 on the longer side, even, never larger."""
    factor = min(1.0, LARGE / max(width, height))
    return max(2, int(width * factor) // 2 * 2), max(2, int(height * factor) // 2 * 2)


def strategies_for(video: Mapping[str, Any], size: tuple[int, int], *, zscale: bool) -> dict[str, str]:
    """Filter chains by name, in the order they are tried."""
    width, height = size
    scale = f"scale={width}:{height}"
    found: dict[str, str] = {}
    transfer = TRANSFERS.get(str(video.get("hdr")))
    if transfer and zscale:
        found["hdr"] = f"zscale=w={width}:h={height}:t=linear:npl=100,{TONE_MAP}"
        declared = f"tin={transfer}:pin=bt2020:min=bt2020nc"
        found["hdr_declared"] = f"zscale=w={width}:h={height}:{declared}:t=linear:npl=100,{TONE_MAP}"
    elif transfer:
        known = f"in_primaries=bt2020:in_transfer={transfer}:out_primaries=bt709:out_transfer=bt709"
        found["hdr_swscale"] = f"{scale}:{known}"
    sdr = f"{scale}:flags=bicubic:in_color_matrix={matrix_of(video)},setsar=1"
    return found | {"sdr": sdr, "sdr_no_seek": sdr, "plain": f"{scale},setsar=1"}


def matrix_of(video: Mapping[str, Any]) -> str:
    """What the file says; where it says nothing, BT.709 for HD and BT.601 below, as players do."""
    told = MATRICES.get(str(video.get("color_space")))
    if told:
        return told
    if video.get("color_space"):
        return "bt601"
    return "bt709" if video["stored_height"] >= 720 else "bt601"
