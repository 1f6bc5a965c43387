"""The child of a fuzz run: does with broken files what a worker would, and says how it went.

`python -m tests.fuzz.child SECONDS MEGABYTES`. A line `STEP PATH` on stdin is answered by a line of JSON. What
is a fault of ours is in `fault`; a crash, or no line in time, is for the parent to see.
"""

import faulthandler
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from media import probing
from media.derivers.base import Deriver
from media.derivers.hover import HoverDeriver
from media.derivers.loudness import LoudnessDeriver
from media.derivers.moment import MomentDeriver
from media.derivers.poster import PosterDeriver
from media.derivers.proxy import ProxyDeriver
from media.derivers.sprites import SpritesDeriver
from media.derivers.subtitles import SubtitlesDeriver
from media.derivers.waveform import WaveformDeriver
from media.errors import InfrastructureError, MediaError, RunAbandonedError, TimedOutError, ToolMissingError
from media.images import transform
from media.images.recipes import Recipe
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits
from tests.media.derivers.contexts import Run, run_of

SIZES = (Recipe(720, 360, 82, "jpeg"), Recipe(240, 240, 70, "webp"))
DERIVERS: tuple[Deriver, ...] = (
    *(PosterDeriver(), HoverDeriver(), SpritesDeriver(), SubtitlesDeriver()),
    *(WaveformDeriver(), LoudnessDeriver(), ProxyDeriver(), MomentDeriver()),
)
CLIP = {"start": 0.1, "end": 0.3, "version": 1}
PAGE = os.sysconf("SC_PAGE_SIZE")


def main(seconds: float, megabytes: int) -> None:
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 1024**2,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Libraries that print shall not print into the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    steps: dict[str, Callable[[Path], None]] = {
        "metadata": lambda path: read_facts(path, seconds),
        "transform": lambda path: make_small(path, seconds),
        "derivers": lambda path: make_all(path, seconds),
    }
    for line in sys.stdin:
        step, _, path = line.rstrip("\n").partition(" ")
        answer(answers, steps[step], Path(path))


def read_facts(path: Path, seconds: float) -> None:
    probing.probe(path, sniff_path(path), timeout=seconds)


def make_small(path: Path, seconds: float) -> None:
    """As the image proxy does; WebP of what moves has all its frames."""
    for _ in transform.generate(path, sniff_path(path).mime, SIZES, PixelLimits(seconds=seconds)):
        pass


def make_all(path: Path, seconds: float) -> None:
    """All that is made of a film or a recording, each in a folder of its own. What one cannot make, another may."""
    ends = time.monotonic() + seconds
    with TemporaryDirectory() as name:
        first = run_of(path, Path(name) / "probe", stop=lambda: time.monotonic() > ends)
        if first.subject.kind not in {"video", "audio"}:
            return
        for deriver in DERIVERS:
            run = replace(first, scratch=Path(name) / deriver.name, parameters=CLIP)
            run.scratch.mkdir()
            if deriver.accepts(run.subject):
                make(deriver, run)
            shutil.rmtree(run.scratch)


def make(deriver: Deriver, run: Run) -> None:
    """Blames of the house are raised, and so is the time that is over."""
    try:
        deriver.derive(run)
    except RunAbandonedError as error:
        raise TimedOutError(f"{deriver.name} has used up the time.") from error
    except InfrastructureError:
        raise
    except MediaError:
        return


def answer(answers: TextIO, work: Callable[[Path], None], path: Path) -> None:
    outcome, fault = "ok", ""
    try:
        work(path)
    except MediaError as error:
        outcome = error.code
        # A file that is blamed on the house would be tried again for ever.
        if isinstance(error, InfrastructureError) and not isinstance(error, ToolMissingError):
            fault = f"{error!r} {error.detail}"
    except Exception:  # noqa: BLE001 - This is what we look for.
        outcome, fault = "unknown exception", traceback.format_exc()
    told = {"outcome": outcome, "fault": fault, "resident": resident()}
    answers.write(json.dumps(told) + "\n")
    answers.flush()


def resident() -> int:
    """Bytes of memory in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
