"""How a worker obeys what operators order (`media.controls`): pauses, slots, drain; and how it tells of itself.

A thread reads the orders, at once when it hears of a change and else every RECONCILE_SECONDS. Only the worker's loop
carries them out, between two looks for work: it changes `scheduling.slots`, which the queue cycle asks at each poll,
and the number of processes. A process that is busy is never ended; one too many leaves when it is idle.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import DatabaseError, connection

from alcoves.backup import maintenance
from alcoves.queues import LANES, Lane
from alcoves.reporting import Reporter
from alcoves.scheduling import end_poll_under_way, slots
from media import bulletin, controls
from media.controls import Orders

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Processes of a worker, and how many of them each lane may have."""

    total: int
    caps: Mapping[str, int] = field(default_factory=dict)
    """Empty in the worker of a single lane."""
    upkeep: int | None = None
    """What maintenance may have in the worker of a single lane; None: all but one."""


def sized(lane: Lane | None, own: Sizes, ordered: Mapping[Lane, int]) -> Sizes:
    """What a worker that was started with `own` sizes has by these orders. Pure.

    In the worker of all lanes the slots of `interactive` are those of the whole worker: it takes quick work in all.
    It grows where another lane was given more, so that quick work still finds a slot.
    """
    if lane is not None:
        upkeep = ordered.get("maintenance") if lane != "maintenance" else None
        return Sizes(ordered.get(lane, own.total), {}, upkeep)
    given: dict[str, int] = {str(name): number for name, number in ordered.items()}
    caps = {name: given.get(name, cap) for name, cap in own.caps.items()}
    needed = [number + 1 for name, number in ordered.items() if name in own.caps]
    return Sizes(max(2, ordered.get("interactive", own.total), *needed), caps)


def standing_orders() -> Orders:
    """A restore replaces the table of orders as well: nothing is taken until its end, whatever the table says."""
    orders = controls.orders()
    return replace(orders, lanes=frozenset(LANES)) if maintenance.is_restoring() else orders


class Subject:
    """This worker under its orders."""

    def __init__(self, name: str, lane: Lane | None, own: Sizes) -> None:
        self.name, self.lane, self.own = name, lane, own
        self.orders = controls.NOTHING
        self.applied: Orders | None = None
        self.sizes = own
        self.reporter = Reporter(name, lane or "all")
        self.told = threading.Event()
        self.consumer: Any = None
        """Celery's, once it takes messages."""

    def read(self) -> None:
        """Before the first time that this succeeds the worker takes nothing."""
        try:
            orders = standing_orders()
        except DatabaseError as error:
            connection.close()
            logger.warning("what was ordered of queues cannot be read, so nothing changes: %s", error)
            return
        if orders != self.orders:
            self.orders = orders

    def hear(self, _message: Mapping[str, Any]) -> None:
        """In the thread of the bulletin: of a change, or that changes were not heard."""
        self.told.set()

    def keep_reading(self) -> None:
        while True:
            self.told.wait(settings.RECONCILE_SECONDS)
            self.told.clear()
            try:
                self.read()
            except Exception:
                logger.exception("orders were not read; they are again soon")
            finally:
                connection.close_if_unusable_or_obsolete()

    def apply(self) -> None:
        """Everything but the number of processes."""
        orders = self.applied = self.orders
        self.sizes = sized(self.lane, self.own, orders.slots)
        drained = self.name in orders.drained
        slots.hold(lanes=frozenset(LANES) if drained else orders.lanes, queues=orders.queues)
        self.reporter.drain(draining=drained)
        end_poll_under_way()
        logger.info("ordered: %s", told(self.name, orders))

    def fit(self, consumer: Any) -> None:
        """Towards as many processes as there shall be; what is busy stays, and is looked at again at the next turn."""
        pool, want = consumer.pool, self.sizes.total
        have = pool.num_processes
        if have < want:
            pool.grow(want - have)
            pool.maintain_pool()
            consumer._update_prefetch_count(want - have)  # noqa: SLF001  As Celery's own pool_grow does.
        elif have > want:
            try:
                pool.shrink(1)
            except ValueError:
                pass  # All are busy.
            else:
                consumer._update_prefetch_count(-1)  # noqa: SLF001
        slots.set(min(want, pool.num_processes), self.sizes.caps, upkeep=self.sizes.upkeep)

    def turn(self) -> None:
        """At every turn of the loop."""
        consumer = self.consumer
        changed = self.applied is not self.orders
        if changed:
            self.apply()
        if changed or consumer.pool.num_processes != self.sizes.total or slots.total != self.sizes.total:
            self.fit(consumer)


def told(name: str, orders: Orders) -> str:
    said = [f"{lane} is paused" for lane in LANES if lane in orders.lanes]
    said += [f"{queue} is paused" for queue in sorted(orders.queues)]
    said += [f"{lane} has {number} slots" for lane, number in orders.slots.items()]
    said += ["this worker is drained"] if name in orders.drained else []
    return ", ".join(said) or "nothing"


here: Subject | None = None
"""Of this process, if it is a worker."""


def begin(name: str, lane: Lane | None, own: Sizes) -> Subject:
    """Before the pool is forked: the orders are known before the first look for work, if Postgres answers."""
    global here  # noqa: PLW0603  One worker a process.
    here = Subject(name, lane, own)
    try:
        here.read()
    finally:
        connection.close()  # Children must not inherit it.
    here.apply()
    slots.set(here.sizes.total, here.sizes.caps, upkeep=here.sizes.upkeep)
    return here


class Obey(bootsteps.StartStopStep):
    """Makes the worker's loop look at the orders, and its threads read and tell."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.started = False

    def start(self, parent: Any) -> None:
        subject = here
        if subject is None:
            return

        subject.consumer = parent
        parent.hub.on_tick.add(subject.turn)  # A set: after a reconnection it is in it once, all the same.
        parent.hub.call_repeatedly(1.0, subject.reporter.look)
        if not self.started:
            self.started = True
            bulletin.listen(controls.TOPIC, subject.hear)
            threading.Thread(target=subject.keep_reading, name="orders", daemon=True).start()
            subject.told.set()  # What was ordered since the start was read.
