"""What does the ledger cost? Publish to start of a ledger task beside a bare Celery task, in the same worker."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils import timezone

from alcoves.celery import app
from media import dispatch
from media.models import Derivative, File, Library, Original, uuid7
from tests.bench import machines
from tests.bench.measuring import Result, in_ms, median, percentile
from tests.bench.starvation import wait_for
from tests.bench.tasks import COUNT, STARTS
from tests.workers import PAUSE, wait_until

ALLOWED = 0.003
QUEUE = "metadata"


@dataclass(frozen=True, slots=True)
class Size:
    samples: int = 200
    rounds: int = 5
    burst: int = 500


def run(size: Size, folder: Path) -> list[Result]:
    home = machines.library()
    dispatch.redis_client().flushdb()
    with machines.worker(folder, ALCOVES_BENCH_DERIVERS="noop"):
        rounds = [one_round(size, home) for _ in range(size.rounds + 1)][1:]  # The first one warms up.
    over = [percentile(ledger, 50) - percentile(bare, 50) for bare, ledger, _, _ in rounds]
    raw = {
        "bare": in_ms([each for bare, _, _, _ in rounds for each in bare]),
        "ledger": in_ms([each for _, ledger, _, _ in rounds for each in ledger]),
        "ledger_minus_bare_p50_ms": [round(each * 1000, 2) for each in over],
        "bare_tasks_per_second": round(median([bare for _, _, bare, _ in rounds])),
        "ledger_tasks_per_second": round(median([ledger for _, _, _, ledger in rounds])),
    }
    return [Result("overhead", median(over) / ALLOWED, 1.0, higher_is_better=False, raw=raw)]


def one_round(size: Size, home: Library) -> tuple[list[float], list[float], float, float]:
    """Delays of both, sample by sample in turn, then how many of both a second."""
    rows = make_rows(home, size.samples, noted=True)
    bare: list[float] = []
    ledger: list[float] = []
    for row in rows:
        bare.append(delay(lambda key: app.send_task("bench.noop", args=[key], queue=QUEUE)))
        ledger.append(delay(lambda _, row=row: dispatch.publish([(row.pk, QUEUE)]), str(row.pk)))  # type: ignore[misc]
    wait_until(lambda: ready(rows) == len(rows), 60, "ledger rows")
    return bare, ledger, bare_rate(size.burst), ledger_rate(home, size.burst)


def delay(publish: Callable[[str], Any], key: str = "") -> float:
    """Seconds from before publishing to the first line of the body. The pause lets the last one finish."""
    PAUSE.wait(0.01)
    client = dispatch.redis_client()
    sent = time.monotonic()
    publish(key or str(sent))
    answer: Any = wait_for(lambda: client.rpop(STARTS), 30)
    said, started = answer.decode().split()
    assert said == (key or str(sent))
    return float(started) - sent


def bare_rate(burst: int) -> float:
    client = dispatch.redis_client()
    client.delete(COUNT)
    began = time.monotonic()
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(burst):
            app.send_task("bench.noop", queue=QUEUE, producer=producer)
    wait_until(lambda: int(client.get(COUNT) or 0) >= burst, 60, "bare tasks")
    return burst / (time.monotonic() - began)


def ledger_rate(home: Library, burst: int) -> float:
    rows = make_rows(home, burst, noted=False)
    began = time.monotonic()
    dispatch.publish([(row.pk, QUEUE) for row in rows])
    wait_until(lambda: ready(rows) == burst, 60, "ledger rows")
    return burst / (time.monotonic() - began)


def ready(rows: list[Derivative]) -> int:
    return Derivative.objects.filter(pk__in=[row.pk for row in rows], status="ready").count()


def make_rows(home: Library, count: int, *, noted: bool) -> list[Derivative]:
    """Queued derivatives of files that have no bytes: nothing reads them.

    Entered as told just now, so that the worker's reconciler leaves their first message to the bench.
    """
    now = timezone.now()
    keys = [uuid7() for _ in range(count)]
    originals = Original.objects.bulk_create(
        Original(
            id=key,
            library=home,
            sha256=hashlib.sha256(key.bytes).hexdigest(),
            size=1,
            mime="image/png",
            kind="image",
            key=f"bench/{key}",
        )
        for key in keys
    )
    File.objects.bulk_create(File(library=home, original=each, name=f"{each.pk}.png") for each in originals)
    rows = [
        Derivative(original=each, deriver="noop", queue=QUEUE, queued_at=now, published_at=now)
        for each in originals
    ]
    for row in rows:
        row.parameters = {"key": str(row.pk)} if noted else {}
    made: list[Derivative] = Derivative.objects.bulk_create(rows)
    return made
