"""Bare libvips, what everything is compared with: `python -m tests.bench.bare PLAN.json`.

Says "ready" once libvips is loaded and warm, waits for a line, then does its work and prints the seconds of each
picture as one line of JSON. The settings of the encoders are those of `media.images.encoding`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("VIPS_CONCURRENCY", "1")

import pyvips

from tests.workers import PROJECT

ENDLESS: Final = 1_000_000
Made = Sequence[tuple[int | None, int | None, int, str]]
"""Width, height, quality and format of each picture that is made of one source."""


def run(sources: Sequence[Path], made: Made, folder: Path, processes: int) -> tuple[float, list[float]]:
    """Sources dealt out to so many processes: the seconds of the slowest, and those of each source."""
    with ExitStack() as stack:
        children = []
        for number in range(processes):
            out = folder / f"bare-{number}"
            out.mkdir(exist_ok=True)
            plan = {
                "sources": [str(path) for path in sources[number::processes]],
                "made": made,
                "out": str(out),
            }
            path = folder / f"bare-{number}.json"
            path.write_text(json.dumps(plan), encoding="utf-8")
            children.append(stack.enter_context(start(path)))
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        told = [json.loads(child.communicate()[0]) for child in children]
    return max(map(sum, told)), [seconds for each in told for seconds in each]


def start(plan: Path) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-m", "tests.bench.bare", str(plan)]
    return subprocess.Popen(arguments, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def make(source: str, made: Made, out: Path) -> None:
    """One decode, no larger than the largest that is wanted; each picture is fitted from it and written."""
    width = max(one[0] or ENDLESS for one in made)
    height = max(one[1] or ENDLESS for one in made)
    image = pyvips.Image.thumbnail(source, width, height=height, size="down")
    if len(made) > 1:
        image = image.copy_memory()
    for number, (wide, high, quality, form) in enumerate(made):
        fits = image.width <= (wide or ENDLESS) and image.height <= (high or ENDLESS)
        small: Any = image
        if not fits:
            small = image.thumbnail_image(wide or ENDLESS, height=high or ENDLESS, size="down")
        if form == "webp":
            small.webpsave(str(out / f"{number}.webp"), Q=quality, effort=0, keep="none")
        else:
            name = str(out / f"{number}.jpg")
            small.jpegsave(name, Q=quality, optimize_coding=True, interlace=True, keep="none")


def main(path: Path) -> None:
    plan = json.loads(path.read_text(encoding="utf-8"))
    pyvips.cache_set_max(0)
    out = Path(plan["out"])
    make(plan["sources"][0], plan["made"], out)
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = []
    for source in plan["sources"]:
        began = time.perf_counter()
        make(source, plan["made"], out)
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
