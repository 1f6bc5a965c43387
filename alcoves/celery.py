"""The Celery application: queues from alcoves.queues, steps of the worker, beat's table."""

import os
import signal
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab
from django.db import close_old_connections
from kombu import Exchange, Queue

from alcoves import tasks_observed
from alcoves.queues import QUEUES
from alcoves.scheduling import LeaseRenewer, Waker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alcoves.settings.embedded")
__all__ = ["app", "tasks_observed"]

app = Celery("alcoves")
app.config_from_object("django.conf:settings", namespace="CELERY")
exchange = Exchange("alcoves", type="direct")
app.conf.task_queues = tuple(Queue(queue.name, exchange, routing_key=queue.name) for queue in QUEUES)
app.conf.update(task_default_exchange="alcoves", task_default_routing_key=app.conf.task_default_queue)
app.conf.beat_schedule = {
    "sweep-blobs": {"task": "media.sweep_blobs", "schedule": 60.0, "options": {"expires": 60}},
    "fold-tallies": {"task": "media.fold_tallies", "schedule": 60.0, "options": {"expires": 60}},
    "recount-tallies": {
        "task": "media.recount_tallies",
        "schedule": crontab(minute="50", hour="3"),
        "options": {"expires": 86400},
    },
    "sweep-uploads": {"task": "media.sweep_uploads", "schedule": 600.0, "options": {"expires": 600}},
    # A time of the week, not an interval: a beat that is made anew begins to count again, and might never come to it.
    "find-orphans": {
        "task": "media.find_orphans",
        "schedule": crontab(minute="20", hour="4", day_of_week="sun"),
        "options": {"expires": 86400},
    },
    # A time of the hour, for the same reason; so many an hour is the pace of the pre-warm.
    "prewarm": {"task": "media.prewarm", "schedule": crontab(minute="5"), "options": {"expires": 3600}},
    "follow-switches": {"task": "media.follow_switches", "schedule": 60.0, "options": {"expires": 60}},
    "tend-models": {"task": "ml.tend", "schedule": 60.0, "options": {"expires": 60}},
    "follow-search-model": {"task": "ml.follow_search_model", "schedule": 60.0, "options": {"expires": 60}},
    "assign-waiting-faces": {
        "task": "ml.assign_waiting_faces",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "propose-people": {
        "task": "ml.propose_people",
        "schedule": crontab(minute="40", hour="2"),
        "options": {"expires": 86400},
    },
    "tick-backups": {
        "task": "backup.tick",
        "schedule": crontab(minute="*/10"),
        "options": {"expires": 600},
    },
    "evict-images": {"task": "media.evict_images", "schedule": 600.0, "options": {"expires": 600}},
    "check-alerts": {"task": "alerts.check", "schedule": 60.0, "options": {"expires": 60}},
    "deliver-alerts": {"task": "alerts.deliver", "schedule": 30.0, "options": {"expires": 30}},
    "prune-attempts": {
        "task": "media.prune_attempts",
        "schedule": crontab(minute="50", hour="3"),
        "options": {"expires": 86400},
    },
    "prune-audit": {
        "task": "media.prune_audit",
        "schedule": crontab(minute="55", hour="3"),
        "options": {"expires": 86400},
    },
    "count-avatars": {
        "task": "console.count_avatars",
        "schedule": crontab(minute="*/30"),
        "options": {"expires": 1800},
    },
    "tell-lost": {"task": "console.tell_lost", "schedule": 300.0, "options": {"expires": 300}},
    "forget-results": {
        "task": "celery.backend_cleanup",
        "schedule": crontab(minute="45", hour="3"),
        "options": {"expires": 86400},
    },
}
app.conf.task_routes = {
    name: {"queue": "maintenance"}
    for name in (
        "celery.*",
        "backup.*",
        "console.*",
        "alerts.*",
        "media.sweep_*",
        "media.find_orphans",
        "media.prewarm*",
        "media.evict_images",
        "media.*_tallies",
        "media.follow_*",
        "media.prune_attempts",
        "media.prune_audit",
        "media.act_on_many",
        "ml.fetch",
        "ml.prefetch",
        "ml.tend",
        "ml.follow_search_model",
        "ml.assign_waiting_faces",
        "ml.propose_*",
    )
}
app.conf.task_routes |= {name: {"queue": "imageproxy"} for name in ("media.make_image", "ml.encode_query")}
app.steps["consumer"].update((LeaseRenewer, Waker))
app.autodiscover_tasks()
app.autodiscover_tasks(["alcoves.console.dashboard"])


@signals.task_prerun.connect
def check_connections(**_: Any) -> None:
    """As at the beginning of a web request: too old or broken ones go, the others are asked before first use."""
    close_old_connections()


class TerminatedError(SystemExit):
    """The worker is stopping now: let the running task give its row back on the way out."""


@signals.worker_process_init.connect
def leave_by_exception(**_: Any) -> None:
    """A child that is told to end unwinds, so that its claim is released instead of running out."""

    def leave(*_: Any) -> None:
        raise TerminatedError(0)

    signal.signal(signal.SIGTERM, leave)
