"""Which model a pipeline uses and where its files lie; what is not here is sent for.

A deriver asks `ready`. Where the model is missing its row is parked (`media.errors.WaitingError`), `ml.fetch`
calls `ensure`, and `ml.downloads.waking` makes the row due when the last file has come.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.conf import settings

from alcoves import metrics
from media.errors import MediaError
from ml import selection
from ml.downloads import fetching, mirrors, ordering, turns, waking
from ml.downloads.errors import PausedError
from ml.downloads.fetching import Wanted
from ml.downloads.progress import Progress
from ml.errors import LicenceError, ModelMissingError
from ml.models import Download
from ml.registry import licences, places
from ml.registry.specs import MEGABYTE, ModelFile, ModelSpec, Pipeline

logger = logging.getLogger(__name__)
SLACK: Final = 2
"""A file of unknown size may be so many times as large as its whole model is said to be."""
SMALLEST_LIMIT: Final = 64 * MEGABYTE

Shown = Callable[[str, int, int | None], None]
"""Name of a file, bytes that are here, and of how many."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A model whose files are here. `paths` by role: 'detector', 'recogniser', 'model', 'labels', 'vad' ..."""

    spec: ModelSpec
    paths: Mapping[str, Path]


def ready(pipeline: Pipeline) -> Ready:
    """The model that is chosen, with its files; one query where they are here.

    ModelMissingError where they are not: they are sent for, and the row waits. LicenceError where nobody has
    accepted the licence, without which nothing is fetched.
    """
    spec = selection.chosen(pipeline)
    if places.missing(spec):
        require_licence(spec)
        raise ModelMissingError(ordering.order(spec))
    return files_of(spec)


def files_of(spec: ModelSpec) -> Ready:
    """A model of which the caller knows that it is here."""
    return Ready(spec, {file.role: places.path_of(spec, file) for file in places.wanted_files(spec)})


def require_licence(spec: ModelSpec) -> None:
    if not selection.may_fetch(spec):
        title = licences.BY_ID[spec.licence].title
        raise LicenceError(
            f"{spec.title} is under a licence that has to be accepted first: {title}. "
            f"An administrator accepts it on the page of models, or with `manage.py models accept {spec.licence}`."
        )


class Outcome(StrEnum):
    """How a turn to download ended."""

    HERE = "here"
    PAUSED = "paused"
    TAKEN = "taken"


def ensure(spec: ModelSpec, *, seconds: float | None = None, shown: Shown | None = None) -> Outcome:
    """Fetch what is missing, in turn with all other downloads.

    TAKEN where another process is downloading, PAUSED where the `seconds` of this turn were over before its end.
    Raises LicenceError, or what went wrong with the file; its row says it too.
    """
    if not places.missing(spec):
        ordering.settle(spec)
        return Outcome.HERE
    until = None if seconds is None else time.monotonic() + seconds
    with turns.taken() as turn:
        if turn is None:
            return Outcome.TAKEN
        try:
            require_licence(spec)
            for file in places.missing(spec):
                if not fetch_file(spec, file, Progress(spec, file, turn, until=until, shown=shown)):
                    return Outcome.PAUSED
        except MediaError as error:
            # The other files of this model do not wait for another turn, which would end like this one.
            ordering.refuse(spec, error.message)
            raise
    arrived(spec)
    return Outcome.HERE


def arrived(spec: ModelSpec) -> None:
    """All its files are here: who waits for it goes on."""
    ordering.settle(spec)
    woken = waking.wake(spec.pipeline)
    logger.info("the model %s is here, %d files go on", spec.id, woken)


def fetch_file(spec: ModelSpec, file: ModelFile, progress: Progress) -> bool:
    """One file to its place; False when the turn was over before its end."""
    try:
        done = fetching.fetch(wanted(spec, file), progress, tried=progress.tried)
    except PausedError:
        progress.paused()
        return False
    except MediaError as error:
        progress.failed(error)
        metrics.MODEL_DOWNLOADS.labels(outcome="failed").inc()
        raise
    progress.ready(done.size, done.sha256)
    metrics.MODEL_DOWNLOADS.labels(outcome="ready").inc()
    metrics.MODEL_BYTES.inc(done.size)
    return True


def wanted(spec: ModelSpec, file: ModelFile) -> Wanted:
    return checks_of(spec, file, address=mirrors.address_of(spec, file))


def checks_of(spec: ModelSpec, file: ModelFile, *, address: str) -> Wanted:
    """What the registry knows of it, or its first good download has taught."""
    most = max(SMALLEST_LIMIT, SLACK * spec.disk_bytes)
    return Wanted(
        address,
        places.path_of(spec, file),
        limit=file.size or most,
        size=file.size,
        sha256=known_digest(file),
        minimum_size=file.minimum_size,
        reserve=settings.STORE_RESERVE_BYTES,
    )


def known_digest(file: ModelFile) -> str | None:
    if file.sha256:
        return file.sha256
    kept = Download.objects.filter(name=file.name).exclude(sha256="").values_list("sha256", flat=True)
    found: str | None = kept.first()
    return found
