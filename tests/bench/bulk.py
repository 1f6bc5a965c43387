"""`bulk`: how long a reprocess of 100,000 jobs takes, as its task does it, beside as many bare messages to Celery.

Batches that each commit, with their counts by triggers and their messages to Redis: what is asked for is what is done.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import connection

from alcoves.celery import app
from media import dispatch, selecting, tallies
from media.models import Derivative, Library
from media.selecting import REPROCESS, Selection
from tests.bench import dashboard, machines
from tests.bench.measuring import Result, percentile

LIMIT: Final = 4.0
"""Times the messages alone, which are most of it."""
BARE: Final = 1000
QUEUE: Final = "thumbnail"
"""Of all rows that `dashboard.fill` makes."""
PLAIN: Final = "UPDATE media_derivative SET status = 'queued', requested_version = requested_version + 1"


@dataclass(frozen=True, slots=True)
class Size:
    rows: int = 100_000


QUICK: Final = Size(5_000)


def run(size: Size, folder: Path) -> list[Result]:
    filled(machines.library(), size.rows)
    with connection.cursor() as cursor:
        plain = dashboard.seconds_of(lambda: cursor.execute(PLAIN))
        cursor.execute("UPDATE media_derivative SET status = 'ready'")
        cursor.execute("VACUUM ANALYZE media_derivative")
    tallies.fold()
    bare = dashboard.seconds_of(send_bare) * size.rows / BARE
    dispatch.redis_client().flushdb()
    took: list[float] = []
    done, began = 0, time.perf_counter()
    for keys in selecting.batches(REPROCESS, Selection(status="ready")):
        begun = time.perf_counter()
        done += selecting.done_to(REPROCESS, keys)
        took.append(time.perf_counter() - begun)
    seconds = time.perf_counter() - began
    raw = {
        "rows": size.rows,
        "done": done,
        "queued": Derivative.objects.filter(status="queued").count(),
        "messages": dispatch.redis_client().llen(QUEUE),
        "seconds": round(seconds, 1),
        "a_second": round(done / seconds),
        "batch_p50_ms": round(percentile(took, 50) * 1000),
        "batch_worst_ms": round(max(took) * 1000),
        "bare_messages_s": round(bare, 1),
        "one_update_s": round(plain, 1),
    }
    return [Result("bulk", seconds / bare, LIMIT, higher_is_better=False, raw=raw)]


def send_bare() -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(BARE):
            app.send_task(dispatch.TASK, args=[str(number)], queue=QUEUE, producer=producer, retry=False)


def filled(library: Library, rows: int) -> None:
    """As the bench of the dashboard fills, all of them ready."""
    dashboard.fill(library, rows)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE media_derivative SET status = 'ready', error_code = ''")
    tallies.recount()
