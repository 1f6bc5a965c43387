"""How much of bare libvips is left when cold pictures go through HTTP, the queue and the worker?

The same files in the same sizes, in turn: bare libvips, then clients who ask the web part for them. Each round asks
for another quality, so that every picture is cold again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.images.recipes import Recipe
from tests.bench import bare, gallery, load, machines
from tests.bench.gallery import Gallery
from tests.bench.measuring import Result, in_ms, median

LEAST_SHARE = 0.80
MOST_ADDED_MS = 6.0
WIDTH, QUALITY = 720, 70
"""The quality of the first round; it rises by one each time."""


@dataclass(frozen=True, slots=True)
class Size:
    photos: int = 96
    width: int = 4000
    height: int = 3000
    rounds: int = 5
    clients: int = 8
    alone: int = 48
    """Photos that are asked for one after another, to see what is added to each."""


QUICK = Size(photos=24, rounds=3, alone=12)


def run(size: Size, folder: Path) -> list[Result]:
    source = gallery.draw(folder, size.photos, size.width, size.height)
    shown = gallery.fill(source, (size.width, size.height))
    with machines.worker(folder), machines.webs(folder) as webs:
        measured = Measured(size, folder, shown, list(webs))
        measured.ask(measured.next_recipe(), shown.files[: 2 * size.clients], size.clients)  # Warms up.
        together = [measured.compare_together() for _ in range(size.rounds)]
        alone = [measured.compare_alone() for _ in range(size.rounds)]
    shares = [ours / bare_rate for bare_rate, ours in together]
    added = [(median(ours) - median(base)) * 1000 for base, ours in alone]
    raw = {
        "photos": size.photos,
        "pixels": f"{size.width} x {size.height}",
        "bare_per_second": [round(rate, 1) for rate, _ in together],
        "http_per_second": [round(rate, 1) for _, rate in together],
        "clients": size.clients,
    }
    each: dict[str, Any] = {
        "bare": in_ms([seconds for base, _ in alone for seconds in base]),
        "http": in_ms([seconds for _, ours in alone for seconds in ours]),
        "added_ms_of_each_round": [round(one, 2) for one in added],
    }
    return [
        Result("image-cold", median(shares), LEAST_SHARE, higher_is_better=True, raw=raw),
        Result("image-cold-latency", median(added), MOST_ADDED_MS, higher_is_better=False, raw=each),
    ]


class Measured:
    """The library, the servers in front of it, and which quality is cold."""

    def __init__(self, size: Size, folder: Path, shown: Gallery, ports: list[int]) -> None:
        self.size, self.folder, self.shown, self.ports = size, folder, shown, ports
        self.quality = QUALITY

    def next_recipe(self) -> Recipe:
        self.quality += 1
        return Recipe(width=WIDTH, quality=self.quality)

    def ask(self, recipe: Recipe, files: Any, clients: int) -> load.Seen:
        signature = self.shown.enter(self.ports)
        paths = [gallery.path_of(file, recipe, signature) for file in files]
        seen = load.run(load.Plan(self.ports, paths, clients, self.shown.headers), self.folder)
        assert seen.statuses == {"200": len(paths)}, seen.statuses
        return seen

    def compare_together(self) -> tuple[float, float]:
        """Pictures a second: two processes of bare libvips, and all that we are made of."""
        recipe = self.next_recipe()
        seconds, _ = bare.run(self.shown.sources, made(recipe), self.folder, 2)
        return len(self.shown.files) / seconds, self.ask(recipe, self.shown.files, self.size.clients).rate

    def compare_alone(self) -> tuple[list[float], list[float]]:
        """Seconds of each picture, one after another."""
        recipe, files = self.next_recipe(), self.shown.files[: self.size.alone]
        _, seconds = bare.run(self.shown.sources[: self.size.alone], made(recipe), self.folder, 1)
        return seconds, self.ask(recipe, files, 1).latencies


def made(recipe: Recipe) -> bare.Made:
    return [(recipe.width, recipe.height, recipe.quality, recipe.format)]
