"""Low priority for what nobody waits for, so that quick work finds a core.

A worker of one lane is niced as a whole. In the worker of all lanes, heavy tasks are niced one by one. An ordinary
user may raise the niceness of a process and never lower it again, so a child of the pool that has run a heavy task
is spent: it leaves before it takes another, and the parent forks a fresh one. Programs that a task starts inherit
its niceness.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from billiard.pool import EX_RECYCLE
from celery import signals
from celery.concurrency import asynpool, prefork

from alcoves.queues import BY_NAME, Lane
from alcoves.scheduling import slots

TASKS: dict[Lane, int] = {"heavy": 10}
"""Niceness of a task in the worker of all lanes. Only where tasks last for minutes: for shorter ones the new child
would cost more than it brings."""
AUTOGROUP = Path("/proc/self/autogroup")


def lower_process(nice: int) -> None:
    """For the whole of a lane's worker and its children.

    Where Linux groups processes by session, niceness counts only within a session; each lane has one of its own,
    and so the group is lowered too. A session shared with somebody's shell is left alone.
    """
    os.nice(nice)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(nice), encoding="utf-8")


class Spent:
    """Whether this child has lowered its priority. A fork begins with what the parent has: never."""

    lowered = False


@signals.task_prerun.connect
def lower(task: Any = None, **_: Any) -> None:
    """In the child, before the body of a task."""
    queue = BY_NAME.get((task.request.delivery_info or {}).get("routing_key", ""))
    step = TASKS.get(queue.lane, 0) if queue is not None and slots.caps else 0
    if step and not Spent.lowered:
        os.nice(step)
        Spent.lowered = True


class Child(asynpool.Worker):
    """A process of the pool that ends itself once it is spent; the parent puts an unread task back."""

    wait_for_job: Any

    def _make_child_methods(self, *args: Any, **kwargs: Any) -> None:
        super()._make_child_methods(*args, **kwargs)  # type: ignore[misc]  # billiard carries no types.
        wait = self.wait_for_job

        def wait_unless_spent() -> Any:
            if Spent.lowered:
                sys.exit(EX_RECYCLE)
            return wait()

        self.wait_for_job = wait_unless_spent


class Pool(asynpool.AsynPool):
    """Celery's pool of processes with our children in it."""

    Worker = Child

    def _worker_active(self, worker: Any) -> bool:
        """Whether ending this child could touch a task: one it was given and has not told of counts too.

        One that is ending already is not there to be ended a second time.
        """
        return bool(getattr(worker, "_controlled_termination", False)) or any(
            worker.pid in job.worker_pids() or worker in (job._write_to, job._scheduled_for)  # noqa: SLF001
            for job in self._cache.values()  # type: ignore[attr-defined]  # billiard carries no types.
        )


class TaskPool(prefork.TaskPool):
    """What a worker names as its pool: `alcoves.priority:TaskPool`."""

    Pool = Pool
