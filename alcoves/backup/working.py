"""What work of hours needs: one at a time, a sign of life, a time to stop, and word of who was killed."""

import contextlib
import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from alcoves.backup.errors import BusyError, LostError
from alcoves.backup.models import State, Work
from alcoves.embedded.processes import start_ticks

logger = logging.getLogger(__name__)
TICK_SECONDS: Final = 2.0
BEAT_SECONDS: Final = 60.0
"""Between signs of life while the work itself waits for others: a program, a server, a disk."""
LONGEST_NAME: Final = 32
"""Of a machine, beside the numbers of a process."""
DEAD_AFTER: Final = timedelta(minutes=10)
"""Of silence. On the same machine a process that is gone is noticed at once."""
WAITS: Final = timedelta(days=1)
"""Between two slices: other upkeep may last, and a lane may be paused meanwhile. Lost messages are sent again."""
KILLED: Final = (
    "The process that did it was ended. What it had done is kept; start it again and it goes on from there."
)

LOST: Final = "This work was taken for dead, so it ends here. Start it again."
STOPPED: Final = "It was stopped. Start it again when it shall go on."

W = TypeVar("W", bound=Work)


def me() -> str:
    """This process, so that another one of the same machine can see whether it lives."""
    return f"{here()} {os.getpid()} {start_ticks(os.getpid())}"


def here() -> str:
    """This machine. Of a long name a digest, so that what comes behind it is never cut off."""
    name = socket.gethostname()
    return name if len(name) <= LONGEST_NAME else hashlib.blake2s(name.encode(), digest_size=16).hexdigest()


def is_dead(row: Work) -> bool:
    """Whether whoever does it has died. Between two slices nobody does it, and the message may wait long."""
    if row.state != State.RUNNING or not row.holder:
        silent = timezone.now() - (row.alive_at or row.updated_at)
        return row.state == State.RUNNING and silent > WAITS
    host, pid, ticks = (*row.holder.split(" "), "", "")[:3]
    if host == here() and pid.isdigit():
        return start_ticks(int(pid)) != ticks
    return timezone.now() - (row.alive_at or row.updated_at) > DEAD_AFTER


def bury(model: Any) -> list[Any]:
    """Tells of those that were killed. Returns them."""
    dead = [row for row in model.objects.filter(state=State.RUNNING) if is_dead(row)]
    for row in dead:
        told = model.objects.filter(pk=row.pk, state=State.RUNNING, holder=row.holder)
        told.update(state=State.KILLED, error=KILLED, finished_at=Now(), holder="", updated_at=Now())
    return dead


def claim(row: W, busy: str) -> W:
    """This process does it from now on. BusyError while another one does, this or another of its kind."""
    model: Any = type(row)
    bury(model)
    mine = model.objects.filter(pk=row.pk, holder="", state__in=(State.QUEUED, State.RUNNING))
    now = {"state": State.RUNNING, "holder": me(), "alive_at": Now(), "updated_at": Now()}
    try:
        with transaction.atomic():
            if not mine.update(**now):
                raise BusyError(busy)
            model.objects.filter(pk=row.pk, started_at__isnull=True).update(started_at=Now())
    except IntegrityError:
        raise BusyError(busy) from None
    row.refresh_from_db()
    return row


def fail(row: Work, sentence: str) -> bool:
    """Says that it failed. False where this process no longer does it: then there is nothing to say."""
    model: Any = type(row)
    mine = model.objects.filter(pk=row.pk, state=State.RUNNING, holder=me())
    return bool(mine.update(state=State.FAILED, error=sentence, finished_at=timezone.now(), holder=""))


class Effort(Generic[W]):
    """One slice of such work. `tick` as often as you like; it writes every two seconds."""

    def __init__(self, row: W, seconds: float | None = None) -> None:
        self.row = row
        self._until = None if seconds is None else time.monotonic() + seconds
        self._told = time.monotonic()

    @property
    def over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def tick(self, *, at_once: bool = False) -> None:
        if at_once or time.monotonic() - self._told >= TICK_SECONDS:
            self._told = time.monotonic()
            self.keep(holder=self.row.holder)
            self.ticked()

    def ticked(self) -> None:
        """For more to be done every two seconds."""

    @contextmanager
    def living(self) -> Iterator[None]:
        """A thread gives signs of life meanwhile, however long a step takes until its next tick."""
        over = threading.Event()
        thread = threading.Thread(target=self.beat, args=(over,), name="sign of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def beat(self, over: threading.Event) -> None:
        row: Any = self.row
        mine = type(row).objects.filter(pk=row.pk, holder=me(), state=State.RUNNING)
        try:
            while not over.wait(BEAT_SECONDS):
                try:
                    if mine.update(alive_at=Now(), updated_at=Now()):
                        self.beaten()
                except DatabaseError as error:
                    connection.close()
                    logger.warning("no sign of life was given: %s", error)
        finally:
            connection.close()

    def beaten(self) -> None:
        """For more to be done with each sign of life."""

    def passing(self, chunks: Iterable[bytes], *, counted: bool = True) -> Iterator[bytes]:
        """The same chunks, with a sign of life beside them. Closes what they come from."""
        try:
            for chunk in chunks:
                if counted:
                    self.row.done_bytes += len(chunk)
                self.tick()
                yield chunk
        finally:
            with contextlib.suppress(AttributeError):
                chunks.close()  # type: ignore[attr-defined]

    def keep(self, **more: Any) -> None:
        """The row as it stands here. LostError where it was taken from us."""
        row: Any = self.row
        values = {name: getattr(row, name) for name in self.kept()}
        mine = type(row).objects.filter(pk=row.pk, holder=me(), state=State.RUNNING)
        if not mine.update(**{**values, "alive_at": Now(), "updated_at": Now(), **more}):
            stopped = type(row).objects.filter(pk=row.pk, state=State.STOPPED).exists()
            raise LostError(STOPPED if stopped else LOST)
        for name, value in more.items():
            setattr(row, name, value)

    def kept(self) -> tuple[str, ...]:
        return ("phase", "position", "done_bytes", "total_bytes")

    def pause(self) -> None:
        """The slice is over; whoever comes next goes on."""
        self.keep(holder="")

    def end(self, state: str, error: str = "", **more: Any) -> None:
        self.keep(state=state, error=error, holder="", finished_at=timezone.now(), **more)
