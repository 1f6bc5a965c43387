"""A process that makes pictures in many threads gives their memory back."""

import os
import subprocess  # noqa: TID251  Memory is a process's own: each case needs a new one.
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.workers import PROJECT

PROGRAM = """
import sys, threading
from pathlib import Path
from media.images import transform
from media.images.recipes import Recipe
from media.tools.limits import PixelLimits

def size():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) // 1024

def work(number):
    for more in range(3):
        with turns:
            recipe = Recipe(1900 + number, 1900 - more)
            list(transform.generate(Path(sys.argv[1]), "image/jpeg", [recipe], PixelLimits()))

turns, before = threading.BoundedSemaphore(2), size()
threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(size() - before)
"""


def test_threads_share_few_heaps(tmp_path: Path) -> None:
    source = tmp_path / "large.jpg"
    noise = np.random.default_rng(1).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(source, quality=80)

    def grown(**extra: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(source)],
            env={**os.environ, **extra},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return int(done.stdout)

    assert grown() < grown(MALLOC_ARENA_MAX="16") * 0.8
