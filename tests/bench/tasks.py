"""Tasks and a deriver that only note when they began. Imported by the benches' workers through their settings."""

import os
import time
from pathlib import Path
from typing import ClassVar

from celery import shared_task

from media import dispatch
from media.derivers.base import BaseDeriver, Context, Ready, Result
from media.subject import Subject

STARTS = "bench-starts"
HEAVY_STARTS = "bench-heavy-starts"
COUNT = "bench-count"


def stop_flag() -> Path:
    """There while heavy tasks shall end at once."""
    return Path(os.environ["ALCOVES_TEST_FLAGS"]) / "stop"


@shared_task(name="bench.quick", ignore_result=True)
def quick(key: str) -> None:
    """Ten milliseconds of work somebody waits for."""
    dispatch.redis_client().lpush(STARTS, f"{key} {time.monotonic()}")
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        pass


@shared_task(name="bench.heavy", ignore_result=True)
def heavy(seconds: float) -> None:
    """Burns one core for so long, or until the flag is there."""
    until, stop = time.monotonic() + seconds, stop_flag()
    if stop.exists():
        return
    dispatch.redis_client().lpush(HEAVY_STARTS, os.getpriority(os.PRIO_PROCESS, 0))
    while time.monotonic() < until and not stop.exists():
        for number in range(200_000):
            number * number


@shared_task(name="bench.noop", ignore_result=True)
def noop(key: str = "") -> None:
    """A bare Celery task: what a ledger task is compared with. With a key it notes its start, else it is counted."""
    if key:
        dispatch.redis_client().lpush(STARTS, f"{key} {time.monotonic()}")
    else:
        dispatch.redis_client().incr(COUNT)


class NoopDeriver(BaseDeriver):
    """Nothing to make: what is left is the engine's own work. Notes its start where the row asks for it."""

    name: ClassVar[str] = "noop"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "metadata"

    def accepts(self, subject: Subject) -> bool:
        return True

    def derive(self, context: Context) -> Result:
        if key := context.parameters.get("key"):
            dispatch.redis_client().lpush(STARTS, f"{key} {time.monotonic()}")
        return Ready()
