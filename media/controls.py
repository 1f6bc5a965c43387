"""Steering of queues, lanes and workers: pause, resume, slots, drain. The truth is in Postgres.

Workers hear of a change at once (`media.bulletin`, after the commit) and read the table at their start and every
RECONCILE_SECONDS, so that a message that is lost is made good and an emptied Redis loses nothing. How a worker obeys
is in `alcoves.obeying`.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from alcoves.queues import BY_NAME, LANES, Lane
from media import audit, bulletin
from media.audit import Actor
from media.errors import RequestError
from media.models import Control, WorkerReport
from media.models.control import ControlKind

TOPIC: Final = "controls"
MOST_SLOTS: Final = 64
REASON_LENGTH: Final = 255


class UnknownNameError(RequestError):
    """No such queue, lane or worker."""

    http_status = 404
    code = "not_found"


@dataclass(frozen=True, slots=True)
class Orders:
    """What stands, as workers need it."""

    queues: frozenset[str] = frozenset()
    """Queues that are paused by themselves."""
    lanes: frozenset[Lane] = frozenset()
    """Lanes that are paused; all of them in maintenance."""
    slots: Mapping[Lane, int] = field(default_factory=dict)
    drained: frozenset[str] = frozenset()
    """Workers by name."""

    def takes(self, queue: str) -> bool:
        """Whether anybody takes messages from this queue."""
        return queue not in self.queues and BY_NAME[queue].lane not in self.lanes


NOTHING: Final = Orders(lanes=frozenset(LANES))
"""Until the orders are known: take nothing, because a worker that was drained must stay so."""


def orders() -> Orders:
    """One query."""
    rows = list(Control.objects.filter(Q(paused=True) | Q(slots__isnull=False)))
    paused = {(row.kind, row.name) for row in rows if row.paused}
    everything = any(kind == ControlKind.ALL for kind, _ in paused)
    return Orders(
        queues=frozenset(name for kind, name in paused if kind == ControlKind.QUEUE),
        lanes=frozenset(lane for lane in LANES if everything or (ControlKind.LANE, lane) in paused),
        slots={cast("Lane", row.name): row.slots for row in rows if row.slots is not None},
        drained=frozenset(name for kind, name in paused if kind == ControlKind.WORKER),
    )


def pause(name: str, *, by: Actor, reason: str = "") -> Control:
    """A queue or a lane: nobody takes from it any more. What runs goes on; what comes waits."""
    kind = kind_of(name)
    return stop(kind, name, by=by, reason=reason, action=f"{kind}.pause", text=f"Paused the {kind} {name}.")


def resume(name: str, *, by: Actor) -> Control | None:
    """None where it was not paused."""
    kind = kind_of(name)
    return go_on(kind, name, by=by, action=f"{kind}.resume", text=f"Resumed the {kind} {name}.")


def drain(worker: str, *, by: Actor, reason: str = "") -> Control:
    """It takes nothing new, ends what it has, and stays so under this name until it is released."""
    require_worker(worker)
    text = f"Drained the worker {worker}."
    return stop(ControlKind.WORKER, worker, by=by, reason=reason, action="worker.drain", text=text)


def undrain(worker: str, *, by: Actor) -> Control | None:
    """Also of a worker that has gone meanwhile. None where it was not drained."""
    if not Control.objects.filter(kind=ControlKind.WORKER, name=worker).exists():
        require_worker(worker)
    text = f"Released the worker {worker}."
    return go_on(ControlKind.WORKER, worker, by=by, action="worker.release", text=text)


def pause_all(*, reason: str, by: Actor = audit.SYSTEM) -> Control:
    """Maintenance: all lanes. Pauses of queues and lanes stay beside it, and outlast it."""
    text = "Paused all lanes."
    return stop(ControlKind.ALL, "all", by=by, reason=reason, action="lanes.pause_all", text=text)


def resume_all(*, by: Actor = audit.SYSTEM) -> Control | None:
    """What `pause_all` has paused; no more than that."""
    text = "Resumed all lanes but those that were paused by themselves."
    return go_on(ControlKind.ALL, "all", by=by, action="lanes.resume_all", text=text)


def set_slots(lane: str, number: int | None, *, by: Actor) -> Control:
    """How many tasks of a lane run at once in each worker that serves it. None: as the environment says."""
    if lane not in LANES:
        raise UnknownNameError(f"No lane is named {lane}; there are {', '.join(LANES)}.")
    if number is not None and not 1 <= number <= MOST_SLOTS:
        raise RequestError(f"A lane has from 1 to {MOST_SLOTS} slots, not {number}. Pause it to have none.")
    with audit.noting("lane.slots", by=by) as act:
        row = locked(ControlKind.LANE, lane)
        if row.slots != number:
            act.count, act.detail = 1, {"lane": lane, "before": row.slots, "after": number}
            act.text = f"Set the slots of the lane {lane} to {number or 'those of the environment'}."
            row.slots = number
            keep(row, by)
    return row


def stop(kind: str, name: str, *, by: Actor, reason: str, action: str, text: str) -> Control:
    """Sets `paused`, unless it is: who was first keeps their reason."""
    reason = " ".join(reason.split())[:REASON_LENGTH]
    with audit.noting(action, by=by) as act:
        row = locked(kind, name)
        if not row.paused:
            act.count, act.text, act.detail = 1, text, {kind: name, "reason": reason}
            row.paused, row.reason = True, reason
            keep(row, by)
    return row


def go_on(kind: str, name: str, *, by: Actor, action: str, text: str) -> Control | None:
    with audit.noting(action, by=by) as act:
        row = Control.objects.select_for_update().filter(kind=kind, name=name, paused=True).first()
        if row is None:
            return None
        act.count, act.text, act.detail = 1, text, {kind: name}
        row.paused, row.reason = False, ""
        keep(row, by)
    return row


def locked(kind: str, name: str) -> Control:
    Control.objects.get_or_create(kind=kind, name=name)
    row: Control = Control.objects.select_for_update().get(kind=kind, name=name)
    return row


def keep(row: Control, by: Actor) -> None:
    row.set_by, row.set_at = by.name[:254], timezone.now()
    row.save()
    transaction.on_commit(tell)


def tell() -> None:
    """Workers that do not hear it read the table soon."""
    bulletin.post(TOPIC)


def kind_of(name: str) -> ControlKind:
    if name in BY_NAME:
        # `maintenance` is both; the lane has no other queue, so that the lane stands for it.
        return ControlKind.LANE if name in LANES else ControlKind.QUEUE
    if name in LANES:
        return ControlKind.LANE
    raise UnknownNameError(
        f"No queue or lane is named {name}. Queues are {', '.join(BY_NAME)}; lanes are {', '.join(LANES)}."
    )


def require_worker(name: str) -> None:
    if not WorkerReport.objects.filter(name=name).exists():
        known = ", ".join(WorkerReport.objects.order_by("name").values_list("name", flat=True)[:20])
        raise UnknownNameError(f"No worker is named {name}. Known are: {known or 'none yet'}.")


class Kept:
    """The orders as this process last read them: for the web part, which asks at each picture that it lacks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders = Orders()
        self._read_at = float("-inf")
        self._listening = False

    def forget(self, _told: Any = None) -> None:
        self._read_at = float("-inf")

    def get(self) -> Orders:
        """Read anew after a change, and every RECONCILE_SECONDS. Where Postgres is away: the last that was known."""
        if time.monotonic() - self._read_at < settings.RECONCILE_SECONDS:
            return self._orders
        with self._lock:
            if not self._listening:
                self._listening = True
                bulletin.listen(TOPIC, self.forget)
            self._read_at = time.monotonic()  # Before the read: what is told meanwhile makes it read again.
            try:
                self._orders = orders()
            except DatabaseError:
                self.forget()
        return self._orders


kept = Kept()
