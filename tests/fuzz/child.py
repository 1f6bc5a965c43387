"""The child of a fuzz run: does with broken files what a worker would, and says how it went.

`python -m tests.fuzz.child SECONDS MEGABYTES`. A line `STEP PATH` on stdin is answered by a line of JSON. What
is a fault of ours is in `fault`; a crash, or no line in time, is for the parent to see.
"""

import faulthandler
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from media import probing
from media.errors import InfrastructureError, MediaError, ToolMissingError
from media.images import transform
from media.images.recipes import Recipe
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits

SIZES = (Recipe(720, 360, 82, "jpeg"), Recipe(240, 240, 70, "webp"))
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
