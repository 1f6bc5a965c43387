"""How long does quick work wait to start while every slot for heavy work burns a core?

Idle and loaded rounds take turns in the same worker: a process for each lane, then one capped worker, and for
comparison one pool that all tasks share.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alcoves.celery import app
from media import dispatch
from tests.bench import machines
from tests.bench.measuring import Result, in_ms, percentile
from tests.bench.tasks import HEAVY_STARTS, STARTS
from tests.workers import PAUSE, Process, wait_until

HEAVY_QUEUE = "video-transcode"
Machine = Callable[[Path], AbstractContextManager[Process]]


@dataclass(frozen=True, slots=True)
class Size:
    samples: int = 200
    """Of each round, idle and loaded."""
    rounds: int = 5
    shared_samples: int = 10
    heavy_seconds: float = 5.0


def heavy_slots() -> int:
    """As many as there are cores, so that no core is left idle."""
    return max(2, os.cpu_count() or 2)


def run(size: Size, folder: Path) -> list[Result]:
    slots = str(heavy_slots())
    pool = str(heavy_slots() + 2)
    variants: dict[str, tuple[Machine, float, float]] = {
        "lanes": (lambda at: machines.lanes(at, ALCOVES_HEAVY_SLOTS=slots), 4, 0.020),
        "capped": (
            lambda at: machines.worker(at, "--concurrency", pool, ALCOVES_HEAVY_SLOTS=slots),
            15,
            0.080,
        ),
    }
    results = []
    for name, (machine, times, least) in variants.items():
        idle, loaded, nice = measure(size, folder, machine)
        allowed = max(times * percentile(idle, 99), least)
        raw = {
            "idle": in_ms(idle),
            "loaded": in_ms(loaded),
            "allowed_p99_ms": round(allowed * 1000, 2),
            "heavy_slots": heavy_slots(),
            "niceness_of_heavy_tasks": nice,
        }
        results.append(
            Result(
                f"starvation-{name}", percentile(loaded, 99) / allowed, 1.0, higher_is_better=False, raw=raw
            )
        )
    results[-1].raw["one_shared_pool"] = in_ms(shared(size, folder, pool))
    return results


def measure(size: Size, folder: Path, machine: Machine) -> tuple[list[float], list[float], list[int]]:
    """All idle and all loaded delays, and at which niceness the heavy tasks ran."""
    idle: list[float] = []
    loaded: list[float] = []
    dispatch.redis_client().flushdb()
    with machine(folder):
        delays(20)
        for _ in range(size.rounds):
            idle += delays(size.samples)
            burn(folder, size.heavy_seconds, heavy_slots())
            loaded += delays(size.samples)
            stop(folder)
    return idle, loaded, sorted({int(value) for value in dispatch.redis_client().lrange(HEAVY_STARTS, 0, -1)})


def shared(size: Size, folder: Path, pool: str) -> list[float]:
    """One pool without caps: few samples, because each waits for a heavy task to end."""
    dispatch.redis_client().flushdb()
    with machines.worker(folder, "--concurrency", pool, ALCOVES_BENCH_NO_CAPS="1"):
        delays(2)
        burn(folder, size.heavy_seconds, int(pool))
        waited = delays(size.shared_samples, patience=20 * size.heavy_seconds)
        stop(folder)
    return waited


def delays(count: int, *, patience: float = 60.0) -> list[float]:
    """Send quick tasks one after another, with pauses of chance length; seconds from sending to starting."""
    return [delay(patience) for _ in range(count)]


def delay(patience: float) -> float:
    PAUSE.wait(random.uniform(0.002, 0.02))
    client = dispatch.redis_client()
    sent = time.monotonic()
    app.send_task("bench.quick", args=[str(sent)], queue="imageproxy")
    answer: Any = wait_for(lambda: client.rpop(STARTS), patience)
    key, started = answer.decode().split()
    assert key == str(sent)
    return float(started) - sent


def wait_for(look: Callable[[], Any], patience: float) -> Any:
    """As wait_until, in shorter steps: the next sample waits for it."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if answer := look():
            return answer
        PAUSE.wait(0.005)
    raise AssertionError(f"no quick task started within {patience} s")


def burn(folder: Path, seconds: float, slots: int) -> None:
    """A long row of heavy tasks; returns once every slot has one."""
    (folder / "stop").unlink(missing_ok=True)
    client = dispatch.redis_client()
    before = client.llen(HEAVY_STARTS)
    for _ in range(10 * slots):
        app.send_task("bench.heavy", args=[seconds], queue=HEAVY_QUEUE)
    wait_until(lambda: client.llen(HEAVY_STARTS) >= before + slots, 60, "heavy tasks in every slot")


def stop(folder: Path) -> None:
    """No heavy task waits or runs when this returns."""
    client = dispatch.redis_client()
    client.delete(HEAVY_QUEUE)
    (folder / "stop").touch()
    wait_until(lambda: not client.zcard("unacked_index"), 60, "the end of the heavy tasks")
