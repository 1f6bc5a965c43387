"""How much longer do posters take, the best of five frames, than one frame by `ffmpegthumbnailer`?

Twenty films of a minute, in four sizes; both make all of them, in turn. Where `ffmpegthumbnailer` is not installed,
a bare ffmpeg that takes one frame stands in, and the row says so.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from media.derivers.poster import PosterDeriver
from media.tools import ffmpeg
from tests.bench import reels
from tests.bench.measuring import Result, median
from tests.media.derivers.contexts import run_of

MOST_TIMES = 3.0
SIZES = ((1920, 1080), (1280, 720), (854, 480), (640, 360))


@dataclass(frozen=True, slots=True)
class Size:
    films: int = 20
    seconds: float = 60
    rounds: int = 5


QUICK = Size(films=8, rounds=3)


def run(size: Size, folder: Path) -> list[Result]:
    films = [
        reels.film(
            folder / f"{number}.mp4", size.seconds, SIZES[number % len(SIZES)], "-crf", str(20 + number)
        )
        for number in range(size.films)
    ]
    program = shutil.which("ffmpegthumbnailer")
    runs = [run_of(film, folder / f"scratch-{number}") for number, film in enumerate(films)]
    ours, theirs = [], []
    for _ in range(size.rounds + 1):
        frame = partial(one_frame, program, folder, size.seconds)
        theirs.append(sum(reels.seconds_of(partial(frame, film)) for film in films))
        ours.append(sum(reels.seconds_of(partial(PosterDeriver().derive, one)) for one in runs))
    times = [one / other for one, other in zip(ours[1:], theirs[1:], strict=True)]  # The first one warms up.
    raw = {
        "films": f"{size.films} of {size.seconds:g} s",
        "against": "ffmpegthumbnailer" if program else "a bare ffmpeg that takes one frame",
        "their_seconds": [round(each, 2) for each in theirs[1:]],
        "our_seconds": [round(each, 2) for each in ours[1:]],
        "ours_ms_each": round(1000 * median(ours[1:]) / size.films),
        "ratios": [round(each, 3) for each in times],
    }
    return [Result("poster", median(times), MOST_TIMES, higher_is_better=False, raw=raw)]


def one_frame(program: str | None, folder: Path, seconds: float, film: Path) -> None:
    """480 pixels, from a tenth of the film, as its users call it."""
    out = folder / "frame.jpg"
    if program:
        command = [program, "-i", str(film), "-o", str(out), "-s", "480", "-t", "10%", "-c", "jpeg"]
        subprocess.run(command, check=True, capture_output=True, env=os.environ)
        return
    seek = [
        "-ss",
        f"{seconds / 10:g}",
        *ffmpeg.input_arguments(film, "mov"),
        "-frames:v",
        "1",
        "-vf",
        "scale=480:-2",
    ]
    ffmpeg.run([*seek, out], timeout=60)
