"""What share of a full decode do sprite sheets take, which look at key frames only?

An hour of 1080p with a key frame every ten seconds: the deriver, and a bare ffmpeg that decodes all of it for the
same pictures and throws them away, in turn.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from media.derivers.base import Ready
from media.derivers.sprites import SpritesDeriver
from media.tools import ffmpeg
from tests.bench import reels
from tests.bench.measuring import Result, median
from tests.media.derivers.contexts import Run, run_of

MOST_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Size:
    seconds: float = 3600
    width: int = 1920
    height: int = 1080
    rounds: int = 3


QUICK = Size(seconds=600)


def run(size: Size, folder: Path) -> list[Result]:
    source = reels.film(folder / "film.mp4", size.seconds, (size.width, size.height))
    facts = make(run_of(source, folder / "round-0")).facts
    ours, theirs = [], []
    for number in range(1, size.rounds + 1):
        theirs.append(reels.seconds_of(partial(whole, source)))
        ours.append(reels.seconds_of(partial(make, run_of(source, folder / f"round-{number}"))))
    shares = [one / other for one, other in zip(ours, theirs, strict=True)]
    raw = {
        "film": f"{size.seconds:g} s of {size.width} x {size.height}",
        "frames": facts["count"],
        "sheets": facts["sheets"],
        "by_key_frames": facts["key_frames"],
        "full_decode_seconds": [round(each, 2) for each in theirs],
        "sprites_seconds": [round(each, 2) for each in ours],
        "shares": [round(each, 4) for each in shares],
    }
    return [Result("sprites", median(shares), MOST_SHARE, higher_is_better=False, raw=raw)]


def whole(source: Path) -> None:
    arguments = [*ffmpeg.input_arguments(source, "mov"), "-map", "0:v:0", "-an", "-sn", "-dn"]
    sheets = ["-vf", "fps=1/5,scale=160:90,tile=10x10", "-c:v", "mjpeg", "-f", "null", "-"]
    ffmpeg.run([*arguments, *sheets], timeout=3600)


def make(run: Run) -> Ready:
    result = SpritesDeriver().derive(run)
    assert isinstance(result, Ready)
    return result
