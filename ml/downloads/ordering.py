"""Sends for a model: a row for each file, and one message however many rows of media wait for it."""

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from ml.models import Download
from ml.models.choosing import DownloadState
from ml.registry import places, table
from ml.registry.specs import ModelSpec

logger = logging.getLogger(__name__)
UNDER_WAY: Final = (DownloadState.QUEUED, DownloadState.RUNNING)
FRESH: Final[Mapping[str, Any]] = {"error": "", "attempts": 0, "finished_at": None, "updated_at": Now()}
FOLLOWER: Final = "follower"
"""Where workers have no way out, a process of its own downloads: `ml.downloads.following`."""
TASK: Final = "ml.fetch"
QUEUE: Final = "maintenance"
STALE: Final = timedelta(minutes=3)
"""A row under way that nobody has touched for so long: its message or its worker is lost."""
AGAIN: Final = timedelta(hours=1)
"""After a failure, before those who wait for the model have it tried anew."""


def order(spec: ModelSpec, *, at_once: bool = False) -> str:
    """See that what is missing is on its way; the answer is a sentence on how far it is.

    `at_once` tries what has failed a moment ago.
    """
    names = [file.name for file in places.missing(spec)]
    if renewed(spec, names, at_once=at_once) + created(spec):
        transaction.on_commit(partial(send, spec))
    return told(spec, Download.objects.filter(name__in=names))


def created(spec: ModelSpec) -> int:
    """Rows for files that have none. Of two who ask at once, one makes them."""
    files = places.missing(spec)
    there = set(
        Download.objects.filter(name__in=[file.name for file in files]).values_list("name", flat=True)
    )
    rows = [
        Download(pipeline=spec.pipeline, model=spec.id, name=file.name, bytes_total=file.size)
        for file in files
        if file.name not in there
    ]
    Download.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def renewed(spec: ModelSpec, names: Iterable[str], *, at_once: bool) -> int:
    """Rows that begin anew: the file is gone again, the failure is long past, or whoever fetched it has died.

    A file that several models share is from now on fetched for this one.
    """
    failed = Q(state=DownloadState.FAILED)
    due = (
        Q(state=DownloadState.READY)
        | (failed if at_once else failed & Q(updated_at__lt=Now() - AGAIN))
        | Q(state__in=UNDER_WAY, updated_at__lt=Now() - STALE)
    )
    return int(
        Download.objects.filter(due, name__in=names).update(
            pipeline=spec.pipeline, model=spec.id, state=DownloadState.QUEUED, **FRESH
        )
    )


def settle(spec: ModelSpec) -> None:
    """It is here, however it came: no row of it waits any more. Rows of files that it does not need go."""
    for row in Download.objects.filter(pipeline=spec.pipeline, model=spec.id).exclude(
        state=DownloadState.READY
    ):
        file = next((one for one in spec.files if one.name == row.name), None)
        if file is None or not places.is_here(spec, file):
            row.delete()
            continue
        size = places.path_of(spec, file).stat().st_size
        done = {**FRESH, "state": DownloadState.READY, "bytes_done": size, "bytes_total": size}
        Download.objects.filter(pk=row.pk).update(**done)


def refuse(spec: ModelSpec, reason: str) -> None:
    """It cannot be fetched now: rows that wait for their turn say so, and wait no more."""
    waiting = Download.objects.filter(pipeline=spec.pipeline, model=spec.id, state__in=UNDER_WAY)
    waiting.update(state=DownloadState.FAILED, error=reason, updated_at=Now())


def send(spec: ModelSpec) -> None:
    """The message. One that cannot be sent is sent by a later round of `ml.tend`; a follower needs none."""
    if settings.MODEL_FETCHER == FOLLOWER:
        return
    try:
        current_app.send_task(
            TASK, args=(spec.pipeline, spec.id), queue=QUEUE, ignore_result=True, retry=False
        )
    except (OperationalError, redis.RedisError, OSError) as error:
        logger.warning("%s waits to be sent for: the broker is away (%s)", spec.id, error)


def send_next() -> None:
    """Whoever has waited longest has the next turn."""
    if spec := longest_waiting():
        send(spec)


def longest_waiting() -> ModelSpec | None:
    """Rows of models that the registry does not have any more go."""
    for row in Download.objects.filter(state=DownloadState.QUEUED).order_by("updated_at"):
        spec = table.find_model(row.pipeline, row.model)
        if spec is not None:
            return spec
        row.delete()
    return None


def send_lost() -> int:
    """Rows whose message or worker died without a word are queued again; returns how many."""
    stale = Download.objects.filter(state__in=UNDER_WAY, updated_at__lt=Now() - STALE)
    found = int(stale.update(state=DownloadState.QUEUED, updated_at=Now()))
    if found:
        send_next()
    return found


def told(spec: ModelSpec, rows: Iterable[Download]) -> str:
    """For whoever waits."""
    found = list(rows)
    broken = next((row for row in found if row.state == DownloadState.FAILED), None)
    if broken is not None:
        return f"{spec.title} could not be downloaded: {broken.error} It is tried again within the hour."
    done = sum(row.bytes_done for row in found)
    total = sum(row.bytes_total or 0 for row in found)
    if not total or not done:
        return f"{spec.title} is to be downloaded. This goes on when it is here."
    return f"{spec.title} is being downloaded, {100 * done // total} percent. This goes on when it is here."
