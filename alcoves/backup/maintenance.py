"""Maintenance: people are shut out and work rests. The truth is a row in Postgres.

It must be known while Postgres is being restored as well, so it is also told in Redis, for every process of every
machine, and in a file of the folder of backups, for when both are away. Asking costs a look at the clock, and once in
two seconds a question to Redis; Postgres is asked where Redis does not know, the file where Postgres does not answer.
"""

import contextlib
import json
import logging
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, ProgrammingError, connection, transaction
from django.utils import timezone

from alcoves.backup.errors import BackupError
from alcoves.backup.models import Maintenance
from media import audit, controls, dispatch
from media.audit import Actor
from media.models import Control
from media.models.control import ControlKind

logger = logging.getLogger(__name__)
KEY: Final = "alcoves:maintenance"
OFF: Final = "off"
KNOWN_SECONDS: Final = 2.0
OFF_SECONDS: Final = 60
"""Redis keeps a no for so long, then Postgres is asked again; a yes stays until it is taken back."""
REASON: Final = "Alcoves is being looked after."


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether it is on, and why. A restore keeps it on; while there is no database, the console is `shut` too."""

    on: bool = False
    reason: str = ""
    since: str = ""
    by: str = ""
    restoring: bool = False
    shut: bool = False


class Known:
    """What this process has heard last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.standing = Standing()
        self.asked = float("-inf")

    def get(self) -> Standing:
        if time.monotonic() - self.asked > KNOWN_SECONDS:
            with self.lock:
                if time.monotonic() - self.asked > KNOWN_SECONDS:
                    self.standing = ask()
                    self.asked = time.monotonic()
        return self.standing

    def peek(self) -> Standing:
        """For who must not wait: what was heard last. Older than two seconds, it is asked anew beside."""
        heard = self.standing
        if time.monotonic() - self.asked > KNOWN_SECONDS and self.lock.acquire(blocking=False):
            self.lock.release()
            threading.Thread(target=self.get_and_leave, name="maintenance", daemon=True).start()
        return heard

    def get_and_leave(self) -> None:
        try:
            self.get()
        finally:
            connection.close()

    def forget(self) -> None:
        self.asked = float("-inf")


known = Known()


def standing() -> Standing:
    return known.get()


def flag() -> Path:
    return Path(settings.BACKUP_PATH) / "maintenance.json"


def is_restoring() -> bool:
    """Asked anew: for workers, whose orders in Postgres are replaced by a restore."""
    return ask().restoring


def ask() -> Standing:
    told = of_redis()
    if told is None:
        kept = of_file()  # A Redis that was emptied during a restore: the row does not know of that.
        told = kept if kept is not None and kept.restoring else of_postgres()
        if told is not None:
            tell_redis(told, unless_told=True)
    if told is None:
        told = of_file()
    return told or Standing()


def of_file() -> Standing | None:
    """None where there is no file: another machine may have been told."""
    try:
        return Standing(**json.loads(flag().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return Standing(on=True, reason=REASON)


def of_redis() -> Standing | None:
    try:
        found: Any = dispatch.redis_client().get(KEY)
    except redis.RedisError:
        return None
    if found is None:
        return None
    text = found.decode() if isinstance(found, bytes) else str(found)
    return Standing() if text == OFF else Standing(**json.loads(text))


def of_postgres() -> Standing | None:
    """None where it is away. A database without our tables is being restored."""
    try:
        row = Maintenance.objects.filter(pk=1).first()
    except ProgrammingError:
        return Standing(on=True, reason="The database is being restored.", restoring=True, shut=True)
    except (DatabaseError, InterfaceError):
        return None
    if row is None or not row.on:
        return Standing()
    return Standing(True, row.reason, row.since.isoformat(timespec="seconds"), row.by)


def tell_redis(told: Standing, *, unless_told: bool = False) -> None:
    """Whoever only passes on what it read a moment ago never writes over what was said meanwhile."""
    try:
        client = dispatch.redis_client()
        if told.on:
            client.set(KEY, json.dumps(asdict(told)), nx=unless_told)
        else:
            client.set(KEY, OFF, ex=OFF_SECONDS, nx=unless_told)
    except redis.RedisError as error:
        logger.warning("Redis was not told of maintenance: %s", error)


def tell_file(told: Standing) -> None:
    path = flag()
    try:
        if told.on:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged = path.with_suffix(".new")
            staged.write_text(json.dumps(asdict(told)), encoding="utf-8")
            staged.replace(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("%s was not written: %s", path, error)


def tell(told: Standing) -> None:
    """Everywhere but in Postgres."""
    tell_file(told)
    tell_redis(told)
    known.forget()


def switch_on(reason: str, *, by: Actor, restoring: bool = False) -> Standing:
    """People are told so from now on, and workers take nothing new. What runs goes on to its end.

    Who switches it on beside a restore takes nothing from that one: what is half there stays shut.
    """
    from alcoves.backup import underway

    reason = " ".join(reason.split())[:500] or REASON
    with transaction.atomic():
        row = Maintenance.objects.select_for_update().filter(pk=1).first() or Maintenance.objects.the_row()
        if not row.on:
            row.on, row.reason, row.since, row.by = True, reason, timezone.now(), by.name
            row.save()
            audit.note("maintenance.on", by=by, text=f"Began maintenance: {reason}")
        controls.pause_all(reason=reason, by=by)
        held = ask() if not restoring else Standing()
        restoring = restoring or held.restoring or underway.is_changing()
        since = row.since.isoformat(timespec="seconds")
        told = Standing(True, row.reason, since, row.by, restoring, held.restoring and held.shut)
        tell(told)  # As long as the row is ours, so that a restore that begins now is told after this.
    return told


def switch_off(*, by: Actor) -> None:
    """BackupError while a restore holds it; one that was killed before it changed anything is given up."""
    from alcoves.backup import underway

    if (ask().restoring or underway.is_changing()) and not underway.given_up(by):
        raise BackupError(
            "A restore is under way or was broken off, so maintenance stays on: finish it with manage.py restore."
        )
    end(by=by)


def stay(reason: str, since: str, by: str) -> None:
    """On, as it was before a restore: whoever had switched it on switches it off."""
    with transaction.atomic():
        now = timezone.now().isoformat(timespec="seconds")
        told = Standing(True, reason, since or now, by)
        at = datetime.fromisoformat(told.since)
        Maintenance.objects.update_or_create(
            pk=1, defaults={"on": True, "reason": reason, "since": at, "by": by}
        )
        everything = Control.objects.filter(kind=ControlKind.ALL, paused=True)
        everything.update(reason=reason[: controls.REASON_LENGTH])
    tell(told)
    controls.tell()


def end(*, by: Actor) -> None:
    with transaction.atomic():
        row = Maintenance.objects.select_for_update().filter(pk=1).first()
        if row is not None and row.on:
            row.on, row.reason = False, ""
            row.save()
            audit.note("maintenance.off", by=by, text="Ended maintenance.")
        controls.resume_all(by=by)
    with contextlib.suppress(redis.RedisError):
        dispatch.redis_client().delete(KEY)
    tell(Standing())
    controls.tell()  # Workers that heard of the row before this was told still rest.
