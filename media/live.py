"""Reading settings that operators change while Alcoves runs. What they are: `alcoves.settings.live`.

The value of the database goes before that of the environment, which goes before the default; the last two are the
Django setting of that name. Reading never writes. Each process keeps what the database holds for a minute, and
forgets it at once when the bulletin tells of a change. While Redis is away the minute is all there is; while Postgres
is away the last that was known goes on, and the environment where nothing was.
"""

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection, transaction

logger = logging.getLogger(__name__)
TOPIC: Final = "settings"
"""Of the bulletin."""
KEPT_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
"""While changes are not heard, so often is asked whether they are again."""
AWAY_SECONDS: Final = 5.0
"""Pause before the database is asked again after it did not answer."""
NONE: Final = object()
AWAY: Final = (DatabaseError, InterfaceError, ImproperlyConfigured)


class Bulletin(Protocol):
    """What tells of changes: the module `media.bulletin`, which lies above this one."""

    def listen(self, topic: str, callback: Callable[[dict[str, Any]], None]) -> None: ...

    def alive(self) -> bool: ...


class Reader:
    """What one process knows of the database. Read without a lock: one dictionary is replaced by another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.known: Mapping[str, Any] = {}
        self.until = float("-inf")
        """When to look whether what is known is still good."""
        self._good_until = float("-inf")
        self._heard = False
        self._turn = 0
        """Counts what was forgotten, so that a reading from just before a change is not kept."""
        self._loaded = False
        self._lock = threading.Lock()
        self._warned: set[tuple[str, str]] = set()
        self._bulletin: Bulletin | None = None
        self._listening = False

    def hear_by(self, bulletin: Bulletin) -> None:
        self._bulletin = bulletin

    def value(self, name: str) -> Any:
        if self.clock() >= self.until:
            self.look()
        found = self.known.get(name, NONE)
        return getattr(settings, name) if found is NONE else found

    def forget(self) -> None:
        """What is known is shown until it has been read again, which the next who asks does."""
        self._turn += 1
        self._good_until = self.until = float("-inf")

    def suppose(self, values: Mapping[str, Any]) -> None:
        """These, until something is forgotten: for tests."""
        self.known, self._loaded = values, True
        self._good_until = self.until = float("inf")

    def look(self) -> None:
        """Reads anew where it is due. One thread does; others go on with what is known, if anything is."""
        if not self._lock.acquire(blocking=not self._loaded):
            return
        try:
            if self.clock() < self.until:
                return
            heard = self.hears()
            if self.clock() < self._good_until and not (heard and not self._heard):
                self.until = min(self.clock() + LOOK_SECONDS, self._good_until)
            elif in_event_loop():
                # Nobody there may wait for the database.
                self.until = self.clock() + LOOK_SECONDS
                threading.Thread(target=self.read_apart, name="live", daemon=True).start()
            else:
                self.read(heard=heard)
        finally:
            self._lock.release()

    def read_apart(self) -> None:
        with self._lock:
            self.read(heard=self.hears())

    def read(self, *, heard: bool) -> None:
        turn = self._turn
        try:
            self.known = self.accepted(stored())
        except AWAY as error:
            logger.warning("settings cannot be read, the last that were known go on: %s", str(error).strip())
            self._loaded = True
            self._good_until = self.until = self.clock() + AWAY_SECONDS
            return
        self._loaded, self._heard = True, heard
        self._good_until = self.clock() + KEPT_SECONDS
        self.until = self._good_until if heard else self.clock() + LOOK_SECONDS
        if turn != self._turn:
            self._good_until = self.until = float("-inf")

    def hears(self) -> bool:
        """Whether changes are told here from now on."""
        if self._bulletin is None:
            return False
        if not self._listening:
            self._bulletin.listen(TOPIC, lambda _: self.forget())
            self._listening = True
        return self._bulletin.alive()

    def accepted(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """What is valid of what the database holds. Of anything else is told once; it counts as not there."""
        found = {}
        for name, text in texts.items():
            if name not in settings.LIVE_SETTINGS:
                continue  # Of another version of ours.
            try:
                found[name] = decoded(name, text)
            except ValueError as error:
                if (name, text) not in self._warned:
                    self._warned.add((name, text))
                    logger.warning("what the database has for %s is not used: %s", name, error)
        return found

    def begin_anew(self) -> None:
        """In a forked child: a lock may be held for ever, and nothing is heard yet."""
        self._lock = threading.Lock()
        self._heard = False
        self.until = float("-inf") if self.until != float("inf") else self.until


def in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def stored() -> dict[str, str]:
    """What django-constance keeps, as it is. One that fails leaves the transaction around it whole."""
    from constance.models import Constance

    rows = Constance._default_manager.values_list("key", "value")  # noqa: SLF001  Documented by Django.
    if connection.in_atomic_block:
        with transaction.atomic():
            return {key: text or "" for key, text in rows}
    open_before = connection.connection is not None
    try:
        return {key: text or "" for key, text in rows}
    finally:
        if not open_before:
            connection.close()  # Of a thread that may end soon, and would leave it behind.


def decoded(name: str, text: str) -> Any:
    """A value as constance keeps it, checked. ValueError for anything else."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON.") from None
    if not isinstance(held, dict) or held.keys() != {"__type__", "__value__"}:
        raise ValueError("it is not what django-constance writes.")
    return settings.LIVE_SETTINGS[name].checked(held["__value__"])


_reader = Reader()
os.register_at_fork(after_in_child=_reader.begin_anew)
value = _reader.value
"""What operators have set, else what the environment says, else the default. Costs a microsecond."""
hear_by = _reader.hear_by
forget = _reader.forget
suppose = _reader.suppose


def given(name: str) -> Any:
    """What the environment says, or the default: what holds where the database has nothing."""
    return getattr(settings, name)
