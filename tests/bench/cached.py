"""How many pictures a second come out of the cache: by signed address, by session, and behind nginx?

16 clients keep their connections, two web processes answer, both cores are busy with all of it: clients too, whose
share is told. Behind nginx the same file is asked for plainly in turn, and what is left of that is judged. There 64
clients in two programs ask: where everybody waits for one another, what is measured is how a core falls asleep.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from media.images.variants import BY_NAME
from media.models import CachedImage
from tests.bench import fronted, gallery, load, machines
from tests.bench.gallery import Gallery
from tests.bench.measuring import Result, median
from tests.workers import wait_until

AIM = 10_000.0
LEAST_SHARE = 0.9
ROUNDS_FRONTED = 2
"""So many times more rounds, each so much shorter: what else the machine does then meets both ways alike."""
WIDTH, HEIGHT = 600, 450
RECIPE = BY_NAME["preview"].resolve(WIDTH, HEIGHT)
"""Of the registry: only such pictures are sent by nginx itself. About 80 KB each."""


@dataclass(frozen=True, slots=True)
class Size:
    photos: int = 24
    width: int = WIDTH
    height: int = HEIGHT
    rounds: int = 5
    seconds: float = 4.0
    clients: int = 16
    fronted_clients: int = 64
    fronted_processes: int = 2


QUICK = Size(rounds=3, seconds=2.0)


def run(size: Size, folder: Path) -> list[Result]:
    shown = gallery.fill(
        gallery.draw(folder, size.photos, size.width, size.height), (size.width, size.height)
    )
    with machines.worker(folder), machines.webs(folder, 1) as webs:
        plan = plan_for(size, shown, list(webs), shown.paths(RECIPE, shown.enter(webs)))
        warm = load.run(replace(plan, seconds=None), folder)
        assert warm.statuses == {"200": size.photos}, warm.statuses
        kept = CachedImage.objects.filter(original__library=shown.library, size__gt=0)
        wait_until(lambda: kept.count() == size.photos, 30, "pictures in the cache, which are told before")
    results = [without_nginx(size, folder, shown)]
    program = fronted.find_nginx()
    if program is None:
        print("image-cached: nginx is not installed, so nothing was measured behind it.", file=sys.stderr)
        return results
    return [*results, behind_nginx(size, folder, shown, program)]


def plan_for(size: Size, shown: Gallery, ports: Sequence[int], paths: Sequence[str]) -> load.Plan:
    return load.Plan(ports, paths, size.clients, shown.headers, size.seconds)


def fronted_plan(size: Size, shown: Gallery, port: int, paths: Sequence[str]) -> load.Plan:
    plan = replace(plan_for(size, shown, [port], paths), clients=size.fronted_clients)
    return replace(plan, processes=size.fronted_processes, seconds=size.seconds / ROUNDS_FRONTED)


def without_nginx(size: Size, folder: Path, shown: Gallery) -> Result:
    with machines.webs(folder) as webs:
        signature = shown.enter(webs)
        parts = {"web": [*webs.values()]}
        ways = {
            name: Way(plan_for(size, shown, list(webs), shown.paths(RECIPE, signed)), folder, parts)
            for name, signed in (("signed", signature), ("session", ""))
        }
        for _ in range(size.rounds):
            for way in ways.values():
                way.ask()
    raw: dict[str, Any] = {name: way.told() for name, way in ways.items()}
    raw |= {
        "clients": size.clients,
        "web_processes": len(webs),
        "bytes_of_a_picture": ways["signed"].bytes_each(),
    }
    return Result("image-cached", ways["signed"].rate(), AIM, higher_is_better=True, raw=raw)


def behind_nginx(size: Size, folder: Path, shown: Gallery, program: str) -> Result:
    """With the answer to "may this person?" kept by nginx, as deploy/nginx.conf says."""
    store = folder / "stores"
    own = folder / "nginx"
    own.mkdir()
    with (
        machines.webs(folder, ALCOVES_X_ACCEL_PREFIX=fronted.PREFIX) as webs,
        fronted.nginx(program, webs, own, store) as (port, pid),
    ):
        signature = shown.enter([port])
        plain = [fronted.PLAIN + gallery.picture_of(file).cache_key(RECIPE) for file in shown.files]
        parts = {"nginx": [pid], "web": [*webs.values()]}
        paths = {"plain": plain, "cached_auth": shown.paths(RECIPE, signature)}
        ways = {
            name: Way(fronted_plan(size, shown, port, each), folder, parts) for name, each in paths.items()
        }
        for _ in range(ROUNDS_FRONTED * size.rounds):
            for way in ways.values():
                way.ask()
    pairs = zip(ways["cached_auth"].seen, ways["plain"].seen, strict=True)
    shares = [ours.rate / theirs.rate for ours, theirs in pairs]
    raw: dict[str, Any] = {name: way.told() for name, way in ways.items()}
    raw |= {"clients": size.fronted_clients, "bytes_of_a_picture": ways["plain"].bytes_each()}
    return Result("image-cached-nginx", median(shares), LEAST_SHARE, higher_is_better=True, raw=raw)


class Way:
    """One way to the same pictures, asked round by round."""

    def __init__(self, plan: load.Plan, folder: Path, parts: Mapping[str, Sequence[int]]) -> None:
        self.plan, self.folder, self.parts = plan, folder, parts
        self.seen: list[load.Seen] = []
        self.burnt = dict.fromkeys(parts, 0.0)
        """Seconds of the cores that each part of the server has used."""
        first = load.run(replace(plan, seconds=None, processes=1), folder)
        assert first.statuses == {"200": len(plan.paths)}, first.statuses

    def ask(self) -> None:
        before = self.cpu()
        seen = load.run(self.plan, self.folder)
        for part, seconds in self.cpu().items():
            self.burnt[part] += seconds - before[part]
        assert set(seen.statuses) == {"200"}, seen.statuses
        self.seen.append(seen)

    def cpu(self) -> dict[str, float]:
        return {part: sum(map(machines.cpu_seconds, pids)) for part, pids in self.parts.items()}

    def rate(self) -> float:
        return median([seen.rate for seen in self.seen])

    def bytes_each(self) -> int:
        return round(sum(seen.bytes for seen in self.seen) / self.requests())

    def requests(self) -> int:
        return sum(seen.requests for seen in self.seen)

    def told(self) -> dict[str, Any]:
        cpu = sum(seen.client_cpu_seconds for seen in self.seen)
        return {
            "per_second": [round(seen.rate) for seen in self.seen],
            "us_of_cpu_per_hit": {
                part: round(seconds / self.requests() * 1e6)
                for part, seconds in {**self.burnt, "client": cpu}.items()
            },
            "cores_taken_by_the_clients": round(cpu / sum(seen.seconds for seen in self.seen), 2),
        }
