"""Heavy tasks run at low priority in the worker of all lanes, and what runs afterwards does not."""

import os
from pathlib import Path
from typing import Any

import pytest

from alcoves.celery import app
from alcoves.embedded.processes import children_of
from media import dispatch
from tests.bench import machines
from tests.bench.tasks import COUNT, HEAVY_STARTS
from tests.workers import niceness, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
HEAVY, QUICK = 6, 40


def test_a_child_that_ran_a_heavy_task_is_replaced_and_no_task_is_lost(tmp_path: Path) -> None:
    client = dispatch.redis_client()
    with machines.worker(tmp_path, "--concurrency", "4", ALCOVES_HEAVY_SLOTS="2") as process:
        before = set(children_of(process.popen.pid))
        for _ in range(HEAVY):
            app.send_task("bench.heavy", args=[0.05], queue="video-transcode")
        for _ in range(QUICK):
            app.send_task("bench.noop", queue="metadata")
        wait_until(lambda: int(client.get(COUNT) or 0) == QUICK, 60, "quick tasks")
        wait_until(lambda: client.llen(HEAVY_STARTS) == HEAVY, 60, "heavy tasks")
        wait_until(lambda: not client.zcard("unacked_index"), 60, "acknowledgement")
        wait_until(lambda: nicenesses(process) == 4 * [niceness()], 30, "a fresh pool")
        assert set(children_of(process.popen.pid)) != before
    assert {int(value) for value in client.lrange(HEAVY_STARTS, 0, -1)} == {niceness(10)}


def nicenesses(process: Any) -> list[int]:
    """Of the pool's processes that there are now."""
    found = []
    for child in children_of(process.popen.pid):
        try:
            found.append(os.getpriority(os.PRIO_PROCESS, child))
        except ProcessLookupError:
            continue
    return found
