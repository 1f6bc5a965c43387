"""A hundred people ask for the same cold picture in the same moment: how often is it made?"""

import re
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from media.images.recipes import Recipe
from tests.bench import gallery, load, machines
from tests.bench.measuring import Result
from tests.workers import PAUSE

MADE = re.compile(r"^alcoves_image_transforms_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Size:
    photos: int = 10
    """Bursts, one picture each."""
    width: int = 4000
    height: int = 3000
    clients: int = 100


QUICK = Size(photos=4)


def run(size: Size, folder: Path) -> list[Result]:
    shown = gallery.fill(
        gallery.draw(folder, size.photos, size.width, size.height), (size.width, size.height)
    )
    recipe = Recipe(width=720)
    transforms: list[int] = []
    seconds: list[float] = []
    with machines.worker(folder) as worker, machines.webs(folder) as webs:
        makers = [worker.port, *webs]
        signature = shown.enter(webs)
        first = made_by(makers)
        for path in shown.paths(recipe, signature):
            before = made_by(makers)
            plan = load.Plan(list(webs), [path] * size.clients, size.clients, shown.headers)
            seen = load.run(plan, folder)
            assert seen.statuses == {"200": size.clients}, seen.statuses
            transforms.append(made_by(makers) - before)
            seconds.append(seen.seconds)
        # Whatever ended only after its burst counts too.
        PAUSE.wait(1)
        all_in_all = made_by(makers) - first
    assert min(transforms) >= 1, transforms
    raw = {
        "requests_of_each_burst": size.clients,
        "web_processes": len(webs),
        "transforms_of_each_burst": transforms,
        "transforms_in_all": all_in_all,
        "seconds_of_each_burst": [round(each, 3) for each in seconds],
    }
    worst = max(*transforms, all_in_all / size.photos)
    return [Result("single-flight", worst, 1.0, higher_is_better=False, raw=raw)]


def made_by(ports: Iterable[int]) -> int:
    """Pictures made by the worker and by the web processes, as they count themselves."""
    return round(sum(float(count) for port in ports for count in MADE.findall(counters(port))))


def counters(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())
