"""How much longer does the pre-warm take than bare libvips, which makes the same five of one decode?

One worker with one slot; bare libvips in one process, the same files, in turn.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from media import dispatch, prewarm
from media.images.variants import VARIANTS_VERSION
from media.models import CachedImage, Original
from tests.bench import bare, gallery, machines
from tests.bench.gallery import Gallery
from tests.bench.measuring import Result, median
from tests.workers import PAUSE, wait_until

MOST_TIMES = 1.25


@dataclass(frozen=True, slots=True)
class Size:
    photos: int = 40
    """Of each round; each round has files of its own."""
    width: int = 4000
    height: int = 3000
    rounds: int = 5


QUICK = Size(photos=12, rounds=3)


def run(size: Size, folder: Path) -> list[Result]:
    source = gallery.draw(folder, size.photos * size.rounds + 1, size.width, size.height)
    shown = gallery.fill(source, (size.width, size.height))
    sizes = gallery.picture_of(shown.files[0]).variants().values()
    made = [(one.width, one.height, one.quality, one.format) for one in sizes]
    # A pass takes from every library: those of other benches are done.
    Original.objects.exclude(library=shown.library).update(warmed_version=VARIANTS_VERSION)
    times, ours, theirs = [], [], []
    with machines.worker(folder, "--lane", "maintenance", "--concurrency", "1"):
        warm(shown, 1)  # Loads what a worker needs once.
        for number in range(size.rounds):
            # The pre-warm takes originals in the order of their ids, and so do we.
            start = 1 + number * size.photos
            seconds, _ = bare.run(shown.sources[start : start + size.photos], made, folder, 1)
            theirs.append(seconds)
            ours.append(warm(shown, size.photos))
            times.append(ours[-1] / theirs[-1])
    assert CachedImage.objects.filter(original__library=shown.library, size__gt=0).count() == len(made) * len(
        shown.files
    )
    raw = {
        "photos_of_each_round": size.photos,
        "pixels": f"{size.width} x {size.height}",
        "sizes_of_each_photo": len(made),
        "bare_seconds": [round(each, 2) for each in theirs],
        "prewarm_seconds": [round(each, 2) for each in ours],
    }
    return [Result("prewarm", median(times), MOST_TIMES, higher_is_better=False, raw=raw)]


def warm(shown: Gallery, count: int) -> float:
    """Seconds from sending so many messages to the last original that is warm."""
    originals = Original.objects.filter(library=shown.library)
    wanted = originals.filter(warmed_version=VARIANTS_VERSION).count() + count
    dispatch.redis_client().delete("maintenance")
    began = time.monotonic()
    assert prewarm.send(prewarm.claim(count)) == count
    wait_until(
        lambda: PAUSE.wait(0.02) or originals.filter(warmed_version=VARIANTS_VERSION).count() >= wanted,
        600,
        "warm originals",
    )
    return time.monotonic() - began
