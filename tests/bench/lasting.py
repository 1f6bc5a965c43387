"""Does the memory of the process that makes pictures stay where it is? Ten thousand of them, good ones and bad ones.

One worker with one slot, so that one process makes all. Small pictures of every format in changing sizes, cut ones and
lying ones among them; the memory is looked at after every few, and medians of two windows are compared.
"""

import io
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from alcoves.embedded.processes import children_of
from media import imageproxy
from media.errors import MediaError
from media.imageproxy import Pending
from media.images.recipes import Format, Recipe
from media.pictures import Picture
from tests.bench import gallery, machines
from tests.bench.measuring import Result, median

MOST_TIMES = 1.10
SUFFIXES: Final = ("jpg", "png", "webp", "gif", "tif", "avif", "bmp", "jp2")
ASKED_FOR: Final[tuple[Format, ...]] = (*("jpeg", "webp") * 4, "png", "avif")
AHEAD = 6
"""Pictures that are asked for and not there yet."""
LOOK_EVERY = 10


@dataclass(frozen=True, slots=True)
class Size:
    transforms: int = 10_000
    early: int = 1_000
    """After so many the memory is what it should stay."""
    pictures: int = 96
    seed: int = 3


QUICK = Size(transforms=3_000, early=600)


def run(size: Size, folder: Path) -> list[Result]:
    source = folder / "pictures"
    source.mkdir()
    draw_all(source, size)
    shown = gallery.fill(source, None)
    pictures = [gallery.picture_of(file) for file in shown.files]
    began = time.monotonic()
    with machines.worker(folder, "--lane", "interactive", "--concurrency", "1") as worker:
        told = Told(worker.popen.pid)
        for outcome in outcomes(pictures, size):
            told.note(outcome)
        pids = told.pids
    assert told.count == size.transforms, told.count
    early = told.window(size.early - size.early // 5, size.early + size.early // 5)
    late = told.window(size.transforms - size.early // 2, size.transforms)
    raw = {
        "transforms": size.transforms,
        "outcomes": told.outcomes,
        "rss_early_mb": round(early, 1),
        "rss_late_mb": round(late, 1),
        "rss_of_each_tenth_mb": [round(each, 1) for each in told.tenths()],
        "processes": len(pids),
        "per_second": round(size.transforms / (time.monotonic() - began), 1),
    }
    return [Result("image-memory", late / early, MOST_TIMES, higher_is_better=False, raw=raw)]


class Told:
    """What came of each picture, and the memory of the process that made it."""

    def __init__(self, worker: int) -> None:
        self.worker = worker
        self.count = 0
        self.outcomes: dict[str, int] = {}
        self.samples: list[tuple[int, float]] = []
        self.pids: set[int] = set()
        """One, as long as the child lives."""

    def note(self, outcome: str) -> None:
        self.count += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if self.count % LOOK_EVERY == 0:
            # The supervisor's children are its pool; the one that decodes is the largest.
            resident = {pid: machines.memory(pid, "VmRSS") for pid in children_of(self.worker)}
            largest = max(resident, key=lambda pid: resident[pid])
            self.pids.add(largest)
            self.samples.append((self.count, resident[largest]))

    def window(self, start: int, end: int) -> float:
        return median([resident for count, resident in self.samples if start <= count <= end])

    def tenths(self) -> list[float]:
        step = self.count // 10
        return [self.window(start, start + step) for start in range(0, step * 10, step)]


def outcomes(pictures: list[Picture], size: Size) -> Iterator[str]:
    """Ask for so many different recipes, a few at a time, as people do who look through a library."""
    chance = random.Random(size.seed)
    under_way: deque[Pending] = deque()
    asked: set[str] = set()
    while len(asked) < size.transforms:
        picture = chance.choice(pictures)
        recipe = Recipe(
            chance.randint(16, 480), chance.randint(16, 480), chance.randint(40, 95), chance.choice(ASKED_FOR)
        )
        key = picture.cache_key(recipe)
        if key in asked:
            continue
        asked.add(key)
        if len(under_way) >= AHEAD:
            yield outcome_of(under_way.popleft())
        try:
            found = imageproxy.ask(picture, recipe)
        except MediaError as error:
            yield error.code
            continue
        assert isinstance(found, Pending), found
        under_way.append(found)
    yield from map(outcome_of, under_way)


def outcome_of(pending: Pending) -> str:
    try:
        imageproxy.wait(pending)
    except MediaError as error:
        return error.code
    return "made"


def draw_all(folder: Path, size: Size) -> None:
    """In turn: whole, whole, cut off, lying about what it is, noise with a picture's head."""
    source = np.random.default_rng(size.seed)
    for number in range(size.pictures):
        suffix = SUFFIXES[number % len(SUFFIXES)]
        wide, high = (int(side) for side in source.integers(64, 900, 2))
        coarse = source.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((wide, high), Image.Resampling.BICUBIC)
        content = bytearray(encoded(image, suffix))
        match number // len(SUFFIXES) % 5:
            case 2:
                del content[len(content) * 2 // 3 :]
            case 3:
                content[64:] = source.bytes(len(content))
            case 4:
                start = len(content) // 2
                content[start : start + 64] = bytes(64)
        (folder / f"{number:04}.{SUFFIXES[number % 7]}").write_bytes(bytes(content))


def encoded(image: Image.Image, suffix: str) -> bytes:
    out = io.BytesIO()
    form = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
    image.save(out, form)
    return out.getvalue()
