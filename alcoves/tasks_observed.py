"""What `alcoves.observing` is for requests, for tasks: their count and time, their lines of the log, their trace.

A message takes the name of the request along that has sent it, and where tracing is on the span. Connected by
`alcoves.celery`.
"""

import time
from typing import Any, Final

from celery import signals
from celery.exceptions import TimeLimitExceeded, WorkerLostError

from alcoves import logs, metrics, tracing

REQUEST: Final = "request_id"
WORK: Final = frozenset({"media.derive", "media.make_image", "ml.encode_query", "media.prewarm_image"})
"""Tasks that somebody waits for; all others are done in the background."""
RESULTS: Final = {"SUCCESS": "ok", "FAILURE": "failed", "RETRY": "retried", "REVOKED": "revoked"}


class Running:
    """The tasks of this process. There is one at a time, but for those that a task runs within itself."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[float, tracing.Begun, Any]] = {}


running = Running()


@signals.before_task_publish.connect(dispatch_uid="alcoves.tasks_observed.carry")
def carry(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None:
        headers.update(carried())


def carried() -> dict[str, str]:
    """Also for messages that are not written by Celery (`media.imageproxy`)."""
    name = logs.current().get(REQUEST)
    return {**({REQUEST: name} if name else {}), **tracing.headers()}


@signals.task_prerun.connect(dispatch_uid="alcoves.tasks_observed.begin")
def begin(task_id: str = "", task: Any = None, **_: Any) -> None:
    came_with = task.request.headers or {}
    name = str(came_with.get(REQUEST) or "")
    span = tracing.begin(
        f"run {task.name}",
        "consumer",
        came_with,
        number=tracing.number_of(name or task_id),
        **{"messaging.system": "celery", "messaging.message.id": task_id, "celery.task": task.name},
    )
    token = logs.bind(
        request_id=name or None,
        trace_id=span.number,
        task_id=task_id,
        task=task.name,
        worker=task.request.hostname,
    )
    running.begun[task_id] = time.monotonic(), span, token


@signals.task_postrun.connect(dispatch_uid="alcoves.tasks_observed.end")
def end(task_id: str = "", task: Any = None, state: str | None = None, **_: Any) -> None:
    found = running.begun.pop(task_id, None)
    if found is None:
        return
    began, span, token = found
    result = RESULTS.get(state or "", "stopped")
    seconds = time.monotonic() - began
    metrics.TASKS.labels(task.name, result).inc()
    metrics.TASK_SECONDS.labels(task.name, result).observe(seconds)
    if task.name not in WORK:
        count_background(task.name, result, seconds)
    span.leave()
    span.end(error="" if result == "ok" else result, **{"celery.state": result})
    logs.unbind(token)


def count_background(name: str, result: str, seconds: float) -> None:
    metrics.BACKGROUND_SECONDS.labels(name).observe(seconds)
    if result == "ok":
        metrics.BACKGROUND_SUCCESS.labels(name).set(time.time())
    elif result == "failed":
        metrics.BACKGROUND_ERRORS.labels(name).inc()


@signals.task_failure.connect(dispatch_uid="alcoves.tasks_observed.lost")
def count_lost(sender: Any = None, exception: Any = None, **_: Any) -> None:
    """In the parent, whose child was killed by the kernel or by the hard limit: nobody else is left to count it."""
    if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
        metrics.TASKS.labels(sender.name, "lost").inc()
        if sender.name not in WORK:
            metrics.BACKGROUND_ERRORS.labels(sender.name).inc()


@signals.worker_process_shutdown.connect(dispatch_uid="alcoves.tasks_observed.flush")
def flush(**_: Any) -> None:
    tracing.flush()
