"""Single frames of a film as pixels: several places by one process, HDR tone-mapped, upright, with square pixels.

`near` takes the key frame before each place, which costs least; `at` the frame of that very moment. Each tries the
strategies of `media.transcoding.picture` in their order and ends with the first that gives a frame. A frame tells its
own second: filters write it down beside the pixels, because a key frame may lie well before the place asked for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from media.errors import DamagedFileError, MediaError, TimedOutError, ToolMissingError, UnsupportedTypeError
from media.tools import ffmpeg, graphs
from media.tools.run import ExitedError
from media.tools.sources import Source
from media.transcoding import picture
from media.transcoding.ceilings import Ceilings

TIMEOUT: Final = 120.0
SEARCH_TIMEOUT: Final = 180.0
SEARCH_SIDE: Final = 32
SEARCH_RATE: Final = 10.0
"""Looks a second, fewer in films of more than ten minutes."""
FEW_LOOKS, MOST_LOOKS = 6_000, 36_000
"""Of a film of ten minutes, and of one of ten hours: there is one a second, and in a longer one fewer."""
LIGHT: Final = 40.0
"""Mean luma at which the search for light is content."""
SHORT: Final = 60.0
"""Seconds: of a shorter film all places are taken in one pass, which never decodes a frame twice."""
LARGE: Final = 4096 * 2304
"""Pixels above which places are taken one after the other: a decoder of 8K holds several hundred MB."""
WITHOUT_SEEK: Final = frozenset({"sdr_no_seek", "plain"})
PIXELS: Final = ("-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo")
Pixels: TypeAlias = NDArray[np.uint8]
TOLD: Final = re.compile(r"pts_time:(\S+)\s+place=(\d+)")


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame, rows x columns x RGB. `second` is its own, from the beginning of the film."""

    second: float
    strategy: str
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Look:
    """How a frame is reached: where the input begins, and how much further the frame is. None: its first frame."""

    seek: float | None
    further: float = 0.0

    def second(self, told: float) -> float:
        return max(0.0, (self.seek or 0.0) + told)


class Film:
    """One video during one run. `folder` takes the pixels on their way."""

    def __init__(
        self,
        source: Source,
        demuxer: str | None,
        facts: Mapping[str, Any],
        folder: Path,
        *,
        size: tuple[int, int],
        abandoned: Callable[[], bool],
    ) -> None:
        self.video = video_of(facts)
        self.source = source
        self.demuxer = demuxer
        self.folder = folder
        self.abandoned = abandoned
        self.duration = float(facts.get("duration") or 0)
        self.size = size
        self.strategies = picture.strategies_for(self.video, size, zscale=ffmpeg.capabilities().zscale)
        self.large = self.video["stored_width"] * self.video["stored_height"] > LARGE
        self.problem: MediaError | None = None
        """Why the last frame that was asked for did not come."""

    def near(self, seconds: Sequence[float]) -> list[Shot | None]:
        """The key frame before each of these; None where there is none."""
        return self.seeking([Look(round(second, 3)) for second in seconds], ["-noaccurate_seek"])

    def at(self, seconds: Sequence[float]) -> list[Shot | None]:
        """The frame of each of these moments; None behind the end, and where the film is damaged."""
        if self.duration <= SHORT:
            return self.seeking([Look(None, second) for second in seconds], [])
        return self.seeking([Look(round(second, 3)) for second in seconds], [])

    def first(self) -> Shot | None:
        """The first frame of all, by the strategies that do not seek."""
        for name, chain in self.strategies.items():
            if name in WITHOUT_SEEK or name.startswith("hdr"):
                found = self.take([Look(None)], name, chain, [])
                if found[0] is not None:
                    return found[0]
        return None

    def seeking(self, looks: Sequence[Look], options: Sequence[str]) -> list[Shot | None]:
        for name, chain in self.strategies.items():
            if name in WITHOUT_SEEK:
                continue
            found: list[Shot | None] = []
            for group in self.groups(looks):
                found += self.take(group, name, chain, options)
            if any(found):
                return found
        return [None] * len(looks)

    def groups(self, looks: Sequence[Look]) -> Iterator[Sequence[Look]]:
        """What one process takes."""
        if self.large and any(look.seek is not None for look in looks):
            yield from ([look] for look in looks)
        else:
            yield looks

    def take(self, looks: Sequence[Look], name: str, chain: str, options: Sequence[str]) -> list[Shot | None]:
        paths = [self.folder / f"frame-{number}.rgb" for number in range(len(looks))]
        try:
            told = self.run(graphs.arguments(*self.outputs(looks, chain, options, paths)))
            return [self.shot(*one, told, name) for one in zip(range(len(looks)), looks, paths, strict=True)]
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    def opened(self, look: Look, options: Sequence[str]) -> graphs.Track:
        """One input for each place that is sought; one alone where the film is read from its beginning."""
        # A key frame comes at once from one thread; more would first decode what follows it.
        seek = () if look.seek is None else ("-ss", f"{look.seek:.3f}", *options, "-threads", "1")
        threads = ("-threads", "2") if self.large and look.seek is None else ()
        return self.film(*seek, *threads, "-an", "-sn", "-dn")

    def film(self, *options: str) -> graphs.Track:
        opening = Ceilings.from_environment().opening
        return graphs.open_input(self.source, self.demuxer, *opening, *options).track(self.video["index"])

    def outputs(
        self, looks: Sequence[Look], chain: str, options: Sequence[str], paths: Sequence[Path]
    ) -> Iterator[graphs.Written]:
        for number, (look, path) in enumerate(zip(looks, paths, strict=True)):
            links = ",".join(
                (
                    *([f"trim=start={look.further:.3f}"] if look.further else []),
                    "trim=end_frame=1",
                    f"metadata=mode=add:key=place:value={number}",
                    "metadata=mode=print:file=-",
                    # A key frame before the place has a negative time, and would be dropped for it.
                    "setpts=0",
                    chain,
                )
            )
            yield graphs.write(path, self.opened(look, options).chain(links), options=PIXELS)

    def run(self, arguments: Sequence[str]) -> Mapping[int, float]:
        """When each frame is shown, by its number. Empty where ffmpeg gave up; what it has written still counts."""
        try:
            done = ffmpeg.run(arguments, timeout=TIMEOUT, abandoned=self.abandoned)
        except (UnsupportedTypeError, ToolMissingError):
            raise
        except (DamagedFileError, ExitedError, TimedOutError) as error:
            if isinstance(error, ExitedError) and error.killed:
                raise
            self.problem = error
            return {}
        text = done.stdout.decode(errors="replace")
        return {int(number): float(second) for second, number in TOLD.findall(text) if second != "NOPTS"}

    def shot(self, number: int, look: Look, path: Path, told: Mapping[int, float], name: str) -> Shot | None:
        width, height = self.size
        if not path.exists() or path.stat().st_size != width * height * 3:
            return None
        pixels = np.fromfile(path, dtype=np.uint8).reshape(height, width, 3)
        return Shot(look.second(told.get(number, look.further)), name, pixels)

    def light(self) -> float | None:
        """Where the film first gets light: key frames, then every frame. Hours of black are not seen to the end."""
        with suppress(TimedOutError):
            for options in (["-skip_frame", "nokey"], []):
                if (second := self.find_light(options)) is not None:
                    return second
        return None

    def find_light(self, options: Sequence[str]) -> float | None:
        rate = search_rate(self.duration)
        # Counted: where hours lie between two frames, `fps` would fill memory with what they stand for.
        graph = f"fps={rate:g},trim=end_frame={MOST_LOOKS},scale={SEARCH_SIDE}:{SEARCH_SIDE},format=gray"
        small = self.film(*options).chain(graph)
        arguments = graphs.arguments(
            graphs.write(graphs.PIPE, small, options=("-an", "-sn", "-dn", "-f", "rawvideo"))
        )
        look = np.zeros(SEARCH_SIDE * SEARCH_SIDE, dtype=np.uint8)
        with ffmpeg.stream(arguments, timeout=SEARCH_TIMEOUT, abandoned=self.abandoned) as stream:
            number = 0
            while stream.readinto(look.data) == len(look):
                if look.mean() > LIGHT:
                    return number / rate
                number += 1
        return None


def search_rate(duration: float) -> float:
    """Looks a second; one a second where nobody knows how long the film is."""
    if duration <= 0:
        return 1.0
    return min(SEARCH_RATE, max(FEW_LOOKS / duration, min(1.0, MOST_LOOKS / duration)))


def video_of(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The moving picture. DamagedFileError where there is none, TooLargeError above the limit of pixels."""
    video: Mapping[str, Any] | None = facts.get("video")
    if not video:
        raise DamagedFileError("The file holds no picture that could become a poster.", code="no_video")
    Ceilings.from_environment().check(video)
    return video


def size_within(facts: Mapping[str, Any], width: int, height: int) -> tuple[int, int]:
    """As displayed, inside this box, even, never larger."""
    shown = int(facts["width"]), int(facts["height"])
    factor = min(1.0, width / shown[0], height / shown[1])
    return picture.even(shown[0] * factor), picture.even(shown[1] * factor)
