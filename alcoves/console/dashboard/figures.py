"""The table of figures, and how one is answered: with a limit for the database, and a sentence where it fails."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import redis
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError

from alcoves.alerts.rules.kept import limited
from alcoves.console.dashboard import (
    backups,
    downloads,
    files,
    jobs,
    machine,
    queues,
    slowness,
    storage,
    warnings,
    workers,
)
from media.errors import MediaError
from storage.errors import StoreError

logger = logging.getLogger(__name__)
LIMIT_SECONDS: Final = 5
QUICK: Final = 10
SLOW: Final = 30
DAYS: Final = 30
MOST_DAYS: Final = 366
SEE: Final = "console.see_dashboard"
OPERATIONS: Final = "console.see_operations"
"""Of figures that tell what the pages for operators do: librarians have neither."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a figure may be asked for."""

    days: int = DAYS


@dataclass(frozen=True, slots=True)
class Figure:
    """One panel and one address of the API, for who has the permission `see`.

    `every` is how often a page that is open asks anew, in seconds.
    """

    name: str
    title: str
    take: Callable[[Asked], Any]
    every: int = SLOW
    wide: bool = False
    see: str = SEE


FIGURES: Final[tuple[Figure, ...]] = (
    Figure("warnings", "Warnings", lambda _: warnings.report(), QUICK, wide=True, see=OPERATIONS),
    Figure("overview", "At a glance", lambda _: files.overview(), QUICK, wide=True),
    Figure("queues", "Queues", lambda _: queues.report(), QUICK, wide=True, see=OPERATIONS),
    Figure("workers", "Workers", lambda _: workers.report(), QUICK, see=OPERATIONS),
    Figure("slowest", "Slowest jobs", lambda _: slowness.report(), QUICK),
    Figure("throughput", "Jobs an hour", lambda _: jobs.throughput()),
    Figure("failures", "Failure rates", lambda _: jobs.failures()),
    Figure("statuses", "Derivatives by status", lambda _: files.statuses()),
    Figure("types", "Files by type", lambda _: files.types()),
    Figure("uploads", "Files and bytes a day", lambda asked: storage.uploads(asked.days), wide=True),
    Figure("storage", "Storage", lambda _: storage.report(), wide=True),
    Figure("machine", "This machine", lambda _: machine.report(), see=OPERATIONS),
    Figure("models", "Models", lambda _: downloads.report(), see=OPERATIONS),
    Figure("backups", "Backups", lambda _: backups.report(), see=OPERATIONS),
)
BY_NAME: Final[Mapping[str, Figure]] = {one.name: one for one in FIGURES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A figure of a moment, or a sentence that says why there is none."""

    name: str
    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))
    milliseconds: float = 0.0
    data: Any = None
    message: str = ""

    @property
    def ok(self) -> bool:
        return not self.message


def shown_to(user: Any) -> list[Figure]:
    return [one for one in FIGURES if user.has_perm(one.see)]


def answer(name: str, asked: Asked | None = None) -> Answer:
    """Take one figure. Whatever it stumbles over is told, and is no concern of the others."""
    began, at = time.perf_counter(), datetime.now(UTC)
    try:
        with limited(LIMIT_SECONDS):
            data, message = BY_NAME[name].take(asked or Asked()), ""
    except Exception as error:  # noqa: BLE001  It is told, and logged where nobody foresaw it.
        data, message = None, sentence(name, error)
    took = round((time.perf_counter() - began) * 1000, 1)
    return Answer(name=name, as_of=at, milliseconds=took, data=data, message=message)


def sentence(name: str, error: Exception) -> str:
    """What happened, for the panel; what nobody foresaw is in the log."""
    if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
        return f"The database took longer than {LIMIT_SECONDS} seconds for this. It is asked again by itself."
    if isinstance(error, (OperationalError, InterfaceError)):
        return "The database does not answer at the moment. Is it running, and does it have room?"
    if isinstance(error, ProgrammingError):
        logger.warning("the figure %s could not be taken: %s", name, error)
        return "A table is not as this version needs it. Run manage.py migrate."
    if isinstance(error, redis.RedisError):
        return "Redis does not answer. Is it running, and is REDIS_URL right?"
    if isinstance(error, (StoreError, MediaError)):
        return str(error)
    if isinstance(error, DatabaseError):
        logger.warning("the figure %s could not be taken: %s", name, error)
        return "The database refused what this figure asks. The log says more."
    logger.error("the figure %s failed", name, exc_info=error)
    return f"This figure cannot be taken ({type(error).__name__}). The log says more."
