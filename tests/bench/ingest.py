"""How fast does a folder of photos become a library? Metadata, preview and placeholder of each, by a real worker."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from media import dispatch
from media.models import Derivative, Library
from media.uploads.importing import State, Target, take_in, walk
from tests.bench import machines
from tests.bench.measuring import Result, median
from tests.workers import PAUSE, PROJECT, wait_until

LIMIT = 15.0
DERIVERS = ("metadata", "preview")


@dataclass(frozen=True, slots=True)
class Size:
    photos: int = 1000
    width: int = 2000
    height: int = 1500
    rounds: int = 5
    """Equal parts of the one run whose rates are told beside the whole."""


def run(size: Size, folder: Path) -> list[Result]:
    source = folder / "photos"
    source.mkdir()
    dispatch.redis_client().flushdb()
    numbers = map(str, (size.photos, size.width, size.height))
    subprocess.run([sys.executable, "-m", "tests.bench.photos", source, *numbers], check=True, cwd=PROJECT)
    home = machines.library()
    with machines.worker(folder) as worker:
        before, began = machines.cpu_seconds(worker.popen.pid), time.monotonic()
        bring(source, home)
        brought = time.monotonic() - began
        wait_until(
            lambda: PAUSE.wait(0.3) or finished(home) == len(DERIVERS) * size.photos, 600, "all derivatives"
        )
        took = time.monotonic() - began
        burnt = machines.cpu_seconds(worker.popen.pid) - before
    check(home, size.photos)
    rates = rates_of_parts(home, size.rounds)
    raw = {
        "photos": size.photos,
        "pixels": f"{size.width} x {size.height}",
        "mean_bytes": round(sum(path.stat().st_size for path in source.iterdir()) / size.photos),
        "seconds": round(took, 1),
        "seconds_to_bring_all_in": round(brought, 1),
        "files_per_second_of_each_part": [round(rate, 1) for rate in rates],
        "median_of_the_parts": round(median(rates), 1),
        "worker_cpu_ms_per_photo": round(burnt / size.photos * 1000),
        "cores": os.cpu_count(),
    }
    return [Result("ingest", size.photos / took, LIMIT, higher_is_better=True, raw=raw)]


def bring(source: Path, home: Library) -> None:
    """As `manage.py ingest` does, file by file."""
    target = Target(home, None, None)
    for found in walk(source):
        outcome = take_in(found, target)
        assert outcome.state is State.NEW, outcome


def finished(home: Library) -> int:
    rows = Derivative.objects.filter(original__library=home, deriver__in=DERIVERS)
    return rows.filter(status__in=("ready", "failed")).count()


def check(home: Library, photos: int) -> None:
    rows = Derivative.objects.filter(original__library=home, status="ready")
    assert rows.filter(deriver="metadata").count() == photos
    assert rows.filter(deriver="preview", facts__has_key="thumbhash").count() == photos


def rates_of_parts(home: Library, parts: int) -> list[float]:
    """Files a second from one part's last preview to the next part's."""
    rows = Derivative.objects.filter(original__library=home, deriver="preview").order_by("finished_at")
    ends = [moment.timestamp() for moment in rows.values_list("finished_at", flat=True) if moment is not None]
    each = max(1, len(ends) // parts)
    marks = [ends[0], *ends[each - 1 :: each]]
    return [each / max(0.001, later - earlier) for earlier, later in pairwise(marks)]
