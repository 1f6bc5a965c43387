"""Small pictures of a film for the timeline: sheets of many frames, and a WebVTT map that says which second is where.

A cell shows the film at its own second, or the key frame before it: only key frames are read and decoded, which
takes a hundredth of the time. Where they are so far apart that many cells would show what was long gone, the film
is decoded properly; where that takes too long, the key frames have to do. Where they are so near to each other that
most would be decoded for nothing (ProRes, MJPEG and other codecs of cameras and editors have no other frames), each
cell is sought by itself: to decode an hour of that takes longer than a run may.

All but the last way is one ffmpeg: frames by the second, scaled as displayed, laid into sheets, written as JPEG. One
sheet is in memory.
"""

import hashlib
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from media.derivers.base import BaseDeriver, Context, NotNeeded, Output, Ready, Result, Subject
from media.errors import DamagedFileError, TimedOutError
from media.images.encoding import encode
from media.probing import facts_of
from media.sniffing import described
from media.tools import ffmpeg, graphs, vips
from media.tools.progress import ProgressParser
from media.tools.run import ExitedError
from media.transcoding import frames, picture
from media.transcoding.ceilings import Ceilings

MAP: Final = "sprites.vtt"
INTERVAL: Final = 5.0
SHORTEST: Final = 0.2
CELLS_OF_SHORT: Final = 30
"""A film of less than two and a half minutes still gets so many frames, but not more than five a second."""

SIDE: Final = 10
MOST_SHEETS: Final = 100
WIDTH: Final = 160
TALLEST: Final = 320
"""Of a frame: twice its width. What is taller gets narrower."""

OLD: Final = 2.0
"""Intervals after which a key frame says little about a cell."""
MANY: Final = 0.1
"""Share of cells that may show one so old; one long shot without a key frame is no reason to decode a whole film."""

CROWD: Final = 400
"""Key frames after which it is asked how near to each other they are."""
CROWDED: Final = 20.0
"""Key frames for each cell above which seeking costs less than decoding them all."""
SOUGHT_AT_ONCE: Final = 5
"""Places that one ffmpeg opens: each has a decoder of its own."""
LONGEST_SEARCH: Final = 3600.0
"""Seconds: ten thousand cells of 4K are sought in about half an hour."""

USUAL_RATE: Final = 25.0
"""Frames a second, where the file does not say."""

SHORTEST_LIMIT, LONGEST_LIMIT = 60.0, 600.0
KEY_FRAMES: Final = ("-discard:v", "nokey", "-skip_frame", "nokey")
"""For the demuxer, which then does not even read the rest where it has an index, and for the decoder."""

ONE_CHAIN: Final = ("-reinit_filter", "0")
"""Where the size changes on the way, the chain would begin anew and count its cells anew. Ours scales what comes."""
KEY_PACKETS: Final = {"vp9": ("-bsf:v", "noise=drop=not(key)")}
"""For a decoder that does not know of skipping: the other packets never reach it."""

QUALITY: Final = 60
LUMA: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA: Final = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)
"""The tables of the JPEG standard at quality 50, to which its users' "quality" refers."""

ONE: Final = 8
"""ffmpeg's scale at which the tables are taken as they are."""
NUMBERED: Final = ("-an", "-sn", "-dn", "-f", "image2", "-start_number", "1")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is where: decided before a frame is seen."""

    interval_ms: int
    count: int
    columns: int
    rows: int
    width: int
    height: int

    @property
    def interval(self) -> float:
        return self.interval_ms / 1000

    @property
    def sheets(self) -> int:
        return ceil(self.count / (self.columns * self.rows))

    def place(self, cell: int) -> tuple[int, int, int]:
        """Sheet (from 0), x and y of a cell."""
        sheet, rest = divmod(cell, self.columns * self.rows)
        row, column = divmod(rest, self.columns)
        return sheet, column * self.width, row * self.height

    def as_facts(self) -> dict[str, Any]:
        return {
            "interval": self.interval,
            "columns": self.columns,
            "rows": self.rows,
            "frame_width": self.width,
            "frame_height": self.height,
            "count": self.count,
            "sheets": self.sheets,
        }


class SpritesDeriver(BaseDeriver):
    name: ClassVar[str] = "sprites"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"
    needs_probe: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "video"

    def scratch_bytes(self, subject: Subject) -> int:
        """Twice a hundred sheets of at most a megabyte: by key frames, and decoded properly."""
        return 200 * 1024 * 1024

    def derive(self, context: Context) -> Result:
        facts = facts_of(context.subject, context.source_input)
        duration, video = float(facts.get("duration") or 0), facts.get("video")
        if not video:
            raise DamagedFileError("The file holds no moving picture.", code="no_video")
        if duration <= 0:
            return NotNeeded("no_duration")
        if duration * float(video.get("fps") or USUAL_RATE) < 1.5:
            return NotNeeded("one_frame")
        Ceilings.from_environment().check(video)
        plan = plan_of(duration, int(facts["width"]), int(facts["height"]))
        sheets, by_key_frames = Film(context, facts, duration, plan).sheets()
        path = context.scratch / MAP
        path.write_text(map_of(plan, duration, [short_digest(sheet) for sheet in sheets]), encoding="ascii")
        pictures = tuple(Output(sheet.name, sheet, "image/jpeg") for sheet in sheets)
        return Ready(
            (Output(MAP, path, "text/vtt"), *pictures),
            {**plan.as_facts(), "key_frames": by_key_frames},
            {"ffmpeg": ffmpeg.capabilities().version},
        )


def plan_of(duration: float, width: int, height: int) -> Plan:
    """Frames five seconds apart: closer in a short film, further in one that would fill too many sheets."""
    most = SIDE * SIDE * MOST_SHEETS
    interval = max(min(INTERVAL, max(SHORTEST, duration / CELLS_OF_SHORT)), duration / most)
    interval_ms = ceil(interval * 1000)
    count = max(1, min(most, ceil(duration * 1000 / interval_ms)))
    wide, high = frame_size(width, height)
    return Plan(interval_ms, count, min(SIDE, count), min(SIDE, ceil(count / SIDE)), wide, high)


def frame_size(width: int, height: int) -> tuple[int, int]:
    """As displayed: 160 wide, or narrower where that would be too tall; even."""
    factor = min(WIDTH / width, TALLEST / height)
    return evened(width * factor), evened(height * factor)


def evened(length: float) -> int:
    return max(2, round(length / 2) * 2)


class CrowdedError(Exception):
    """There are far more key frames than cells."""


class Film:
    """One film during one run."""

    def __init__(self, context: Context, facts: Mapping[str, Any], duration: float, plan: Plan) -> None:
        self.context = context
        self.facts = facts
        self.video = facts["video"]
        self.duration = duration
        self.plan = plan
        self.source = context.source_input()
        self.timeout = max(SHORTEST_LIMIT, min(LONGEST_LIMIT, duration / 2))

    def sheets(self) -> tuple[list[Path], bool]:
        """The finished sheets, and whether they show key frames only."""
        try:
            quick, seen = self.by_key_frames()
        except CrowdedError:
            if sought := self.by_seeking():
                return sought, True
            quick, seen = [], []
        if quick and not too_old(seen, self.plan):
            return quick, True
        try:
            return self.run("whole", (), told_after=True), False
        except TimedOutError:
            if quick:
                return quick, True
            raise

    def by_key_frames(self) -> tuple[list[Path], list[float]]:
        """No sheets where it does not work: then the proper way says why."""
        seen: list[float] = []
        options = (*KEY_FRAMES, *KEY_PACKETS.get(self.video["codec"], ()))
        try:
            return self.run("keys", options, told_after=False, seen=seen), seen
        except DamagedFileError:
            return [], seen
        except ExitedError as error:
            if error.returncode < 0:
                raise
            return [], seen

    def run(
        self, name: str, options: Sequence[str], *, told_after: bool, seen: list[float] | None = None
    ) -> list[Path]:
        folder = self.context.scratch / name
        folder.mkdir(exist_ok=True)
        start, share = (30.0, 0.7) if told_after else (0.0, 0.3)
        watched = Frames(
            self.duration,
            lambda percent, eta: self.context.progress(start + share * percent, eta),
            [] if seen is None else seen,
            None if told_after else self.plan.interval / CROWDED,
        )
        demuxer = described(self.context.subject.mime).demuxer
        opening = (*Ceilings.from_environment().opening, *ONE_CHAIN, *options)
        opened = graphs.open_input(self.source, demuxer, *opening)
        laid = opened.track(self.video["index"]).chain(self.chain(told_after=told_after))
        sheets = Path(str(folder).replace("%", "%%")) / "sprite-%03d.jpg"
        arguments = graphs.arguments(graphs.write(sheets, laid, options=(*quality(), *NUMBERED)))
        ffmpeg.run(arguments, timeout=self.timeout, abandoned=self.context.abandoned, progress=watched)
        return self.complete(folder)

    def by_seeking(self) -> list[Path]:
        """A sheet after the other, each cell by its own place; none where not a single place can be sought."""
        folder = self.context.scratch / "sought"
        folder.mkdir(exist_ok=True)
        plan = self.plan
        cells, sheets = self.sought(), []
        size = plan.columns * plan.width, plan.rows * plan.height
        for number in range(plan.sheets):
            sheet = np.zeros((size[1], size[0], 3), dtype=np.uint8)
            for cell in range(number * plan.columns * plan.rows, plan.count)[: plan.columns * plan.rows]:
                pixels = next(cells, None)
                if pixels is None:
                    return []
                _, x, y = plan.place(cell)
                sheet[y : y + plan.height, x : x + plan.width] = pixels
            path = folder / f"sprite-{number + 1:03d}.jpg"
            encode(vips.from_pixels(sheet.tobytes(), *size, 3), path, "jpeg", QUALITY)
            sheets.append(path)
        return sheets

    def sought(self) -> Iterator[frames.Pixels]:
        """The picture of each cell; where one cannot be had, the one before it. Ends where there is none at all."""
        film = frames.Film(
            self.source,
            described(self.context.subject.mime).demuxer,
            self.facts,
            self.context.scratch,
            size=(self.plan.width, self.plan.height),
            abandoned=self.context.abandoned,
        )
        started, last = time.monotonic(), None
        places = [cell * self.plan.interval for cell in range(self.plan.count)]
        for first in range(0, len(places), SOUGHT_AT_ONCE):
            passed = time.monotonic() - started
            if passed > LONGEST_SEARCH:
                raise TimedOutError(
                    "Looking through this video takes too long. Convert it to MP4 with H.264."
                )
            left = passed / first * (len(places) - first) if first else None
            self.context.progress(min(99.0, 100 * first / len(places)), left)
            for shot in film.near(places[first : first + SOUGHT_AT_ONCE]):
                last = shot.pixels if shot is not None else last
                if last is None:
                    return
                yield last
            # What was killed says nothing of the film.
            if isinstance(film.problem, ExitedError) and film.problem.returncode < 0:
                raise film.problem

    def complete(self, folder: Path) -> list[Path]:
        sheets = sorted(folder.iterdir())
        if len(sheets) != self.plan.sheets:
            raise DamagedFileError(
                "No frame of the video can be decoded. Upload it again.",
                code="no_frame",
                detail=f"{len(sheets)} sheets of {self.plan.sheets}",
            )
        return sheets

    def chain(self, *, told_after: bool) -> str:
        """Rounded up, the newest frame that is not later than a cell's second stands for it."""
        plan, told = self.plan, "metadata=mode=add:key=at:value=1,metadata=mode=print:key=at:file=-"
        # The last frame lasts until the next cell; else one just before it would be dropped.
        held = f"tpad=stop_duration={plan.interval_ms}ms:stop_mode=clone"
        paced = f"{held},fps=fps=1000/{plan.interval_ms}:round=up:start_time=0"
        filled = f"tpad=stop={plan.count}:stop_mode=clone,trim=end_frame={plan.count}"
        size = (plan.width, plan.height)
        scaled = picture.coloured(self.video, size, zscale=ffmpeg.capabilities().zscale)
        jpeg = (
            "scale=in_color_matrix=bt709:in_range=tv:out_color_matrix=bt601:out_range=pc,"
            "format=yuvj420p,setsar=1"
        )
        links = [paced, told] if told_after else [told, paced]
        return ",".join([*links, filled, scaled, "setsar=1", f"tile={plan.columns}x{plan.rows}", jpeg])


class Frames(ProgressParser):
    """Listens to the filter that tells each frame's second, which is finer than what ffmpeg says of its output.

    Raises CrowdedError where the first frames are nearer to each other than `nearest` seconds.
    """

    def __init__(
        self,
        duration: float,
        report: Callable[[float, float | None], None],
        seen: list[float],
        nearest: float | None,
    ) -> None:
        super().__init__(duration, report)
        self.seen = seen
        self.nearest = nearest

    def feed(self, line: str) -> None:
        if found := re.match(r"frame:\d+\s+pts:\S+\s+pts_time:(-?[\d.]+)", line):
            self.seen.append(float(found[1]))
            self.done = max(self.done, self.seen[-1])
            self.tell(ended=False)
            if (
                self.nearest
                and len(self.seen) == CROWD
                and self.seen[-1] - self.seen[0] < CROWD * self.nearest
            ):
                raise CrowdedError


def too_old(seen: Sequence[float], plan: Plan) -> bool:
    """Whether many cells would show a key frame from long before."""
    times = sorted(seen)
    old = 0
    for cell in range(plan.count):
        second = cell * plan.interval
        before = bisect_right(times, second)
        old += before > 0 and second - times[before - 1] > OLD * plan.interval + 0.001
    return old > MANY * plan.count


def quality() -> Iterator[str]:
    """Our quality, by the rule of the JPEG library."""
    yield from ("-c:v", "mjpeg", "-qmin", "1", "-q:v", str(ONE))
    scale = 200 - 2 * QUALITY
    for option, table in (("-intra_matrix", LUMA), ("-chroma_intra_matrix", CHROMA)):
        yield option
        yield ",".join(str(max(1, (value * scale + 50) // 100)) for value in table)


def map_of(plan: Plan, duration: float, digests: Sequence[str]) -> str:
    """A cue for each cell. Addresses are relative to the map's own, and change with the bytes of their sheet."""
    lines = ["WEBVTT", ""]
    for cell in range(plan.count):
        sheet, x, y = plan.place(cell)
        start = cell * plan.interval_ms
        end = max(start + 1, min(start + plan.interval_ms, round(duration * 1000)))
        lines += [
            f"{clock(start)} --> {clock(end)}",
            f"sprite-{sheet + 1:03d}.jpg?v={digests[sheet]}#xywh={x},{y},{plan.width},{plan.height}",
            "",
        ]
    return "\n".join(lines)


def clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"


def short_digest(path: Path) -> str:
    """As addresses of outputs have it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
