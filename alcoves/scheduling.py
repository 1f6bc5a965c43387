"""Which queue next, and keeping hold of what was taken.

`CappedCycle` orders the queues at every poll by sampling without replacement in proportion to weight,
and leaves out lanes that already fill their slots, so that quick work always finds one. `Waker` ends a poll
that leaves out a lane whose slot has got free meanwhile. `LeaseRenewer` turns Redis' visibility time-out into
a lease: as long as this worker lives, its messages stay its own.
Figures and reasons: docs/queues.md.
"""

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from celery import bootsteps
from celery.worker import state as worker_state

from alcoves.queues import BY_NAME, Lane

logger = logging.getLogger(__name__)
LAST_POLL = "last_poll"
pulse: dict[str, float] = {}
"""When this worker last looked for work (monotonic seconds). The watchdog reads it."""


class Slots:
    """How many tasks of each lane may run at once in this worker. Empty (in publishers): no limits.

    Maintenance takes any idle slot but the last one, in the worker of all lanes and in that of a single lane.
    """

    def __init__(self) -> None:
        self.total = 0
        self.caps: dict[str, int] = {}
        self.upkeep: int | None = None
        """What maintenance may have where lanes have no caps; None: all but one."""
        self.held_lanes: frozenset[Lane] = frozenset()
        self.held_queues: frozenset[str] = frozenset()

    def set(self, total: int, caps: Mapping[Any, int], *, upkeep: int | None = None) -> None:
        self.total, self.caps, self.upkeep = total, dict(caps), upkeep

    def hold(self, *, lanes: frozenset[Lane], queues: frozenset[str]) -> None:
        """Those that operators have paused (`alcoves.obeying`): nothing of them is looked for."""
        self.held_lanes, self.held_queues = lanes, queues

    def open_lanes(self, running: Counter[Lane]) -> frozenset[Lane] | None:
        """Lanes that may take one more, None for all. Pure but for the caps and pauses themselves."""
        if not self.total:
            return None
        if running.total() >= self.total:
            return frozenset()  # A pool that is to shrink may have more processes for a while.
        return self.with_room(running) - self.held_lanes

    def with_room(self, running: Counter[Lane]) -> frozenset[Lane]:
        slow = sum(count for lane, count in running.items() if lane != "interactive")
        lanes: set[Lane] = {"interactive"}
        if slow < self.total - 1 or not self.caps:
            lanes |= {
                lane for lane in ("standard", "heavy") if running[lane] < self.caps.get(lane, self.total)
            }
        room = max(1, self.total - 1)
        most = self.caps.get("maintenance", room) if self.upkeep is None else self.upkeep
        if running["maintenance"] < min(room, most) and (slow < room or not self.caps):
            lanes.add("maintenance")
        return frozenset(lanes)


slots = Slots()


def running_by_lane() -> Counter[Lane]:
    """Tasks this worker has taken and not finished, by the lane of the queue they came from."""
    counts: Counter[Lane] = Counter()
    for request in tuple(worker_state.reserved_requests):
        queue = BY_NAME.get((request.delivery_info or {}).get("routing_key", ""))
        counts[queue.lane if queue else "interactive"] += 1
    return counts


def weighted_order(queues: Iterable[str], random_source: random.Random | None = None) -> list[str]:
    """All queues, each place drawn in proportion to the weights of those left.

    Drawing Exp(rate=weight) for each and sorting gives this distribution (Efraimidis and Spirakis, 2006).
    """
    draw = (random_source or random).expovariate
    return sorted(queues, key=lambda name: draw(BY_NAME[name].weight if name in BY_NAME else 1))


class CappedCycle:
    """kombu's queue order strategy. Named by a dotted path, so it takes no arguments."""

    def __init__(self, it: Iterable[str] | None = None) -> None:
        self.queues: list[str] = list(it or ())
        self.lanes: frozenset[Lane] | None = None
        """Those of the last poll; None: all."""
        self.before_poll: Callable[[], None] | None = None
        """Called while the connection of the poll has nothing else to do."""

    def update(self, it: Iterable[str]) -> None:
        self.queues = list(it)

    def consume(self, n: int) -> list[str]:
        """The queues to wait on, in the order in which they are looked at."""
        pulse[LAST_POLL] = time.monotonic()
        if self.before_poll is not None:
            self.before_poll()
        lanes = self.lanes = slots.open_lanes(running_by_lane()) if slots.total else None
        held = slots.held_queues if slots.total else frozenset()
        allowed = (
            name for name in self.queues if name not in held and (lanes is None or lane_of(name) in lanes)
        )
        return weighted_order(allowed)[:n]

    def rotate(self, last_used: str) -> str:
        """Nothing to turn: every poll draws anew."""
        return last_used


def lane_of(name: str) -> Lane:
    queue = BY_NAME.get(name)
    return queue.lane if queue else "interactive"


class Waker(bootsteps.StartStopStep):
    """Ends a poll that leaves out a lane which has a slot again.

    Such a poll lasts for up to `polling_interval`, and Redis looks at its clock ten times a second: a slot of a full
    lane would idle for a tenth of a second after each task, longer than many a task lasts.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)
    current: ClassVar["Waker | None"] = None
    """Of this worker, for `end_poll_under_way`."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.channel: Any = None
        self.known: Any = None
        """The socket whose number at Redis is `number`."""
        self.number: int | None = None

    def start(self, parent: Any) -> None:
        self.attach(parent.task_consumer.channel)
        Waker.current = self
        parent.hub.on_tick.add(self.look)

    def attach(self, channel: Any) -> None:
        self.channel, self.known, self.number = channel, None, None
        channel._queue_cycle.before_poll = self.introduce  # noqa: SLF001  kombu has no public view of it.

    def introduce(self) -> None:
        """Learn under which number Redis knows the connection of the polls: once for each that is made."""
        connection = self.channel.client.connection
        if connection is None or connection._sock is self.known:  # noqa: SLF001
            return
        self.known, self.number = connection._sock, None  # noqa: SLF001
        connection.send_command("CLIENT", "ID")
        try:
            self.number = int(connection.read_response())
        except self.channel.ResponseError as error:
            logger.info("slots that get free are seen later: Redis does not tell its connections (%s)", error)

    def look(self) -> None:
        """At every turn of the worker's loop, after what has ended was taken note of."""
        cycle = self.channel._queue_cycle  # noqa: SLF001
        if cycle.lanes is None or self.number is None or not self.channel._in_poll:  # noqa: SLF001
            return
        lanes = slots.open_lanes(running_by_lane())
        if lanes is None or lanes <= cycle.lanes:
            return
        cycle.lanes = lanes  # Once: its end may take a turn or two to arrive.
        self.end_poll()

    def end_poll(self) -> None:
        """As if its time were over. One that has just brought a message is not touched."""
        try:
            with self.channel.conn_or_acquire() as client:
                client.client_unblock(self.number)
        except self.channel.ResponseError as error:
            self.number = None
            logger.info("slots that get free are seen later: Redis does not end a poll (%s)", error)
        except self.channel.connection_errors:
            return  # The consumer notices the same and reconnects.


def end_poll_under_way() -> None:
    """What was paused this moment is not to be taken by a poll that began before. By the worker's loop only."""
    waker = Waker.current
    if waker is not None and waker.number is not None and waker.channel._in_poll:  # noqa: SLF001
        waker.end_poll()


class LeaseRenewer(bootsteps.StartStopStep):
    """Re-scores this worker's unacknowledged messages every quarter of the visibility time-out.

    A thread of its own: a timer of the hub stands still during a warm shutdown, and the task would run twice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.stopped = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, parent: Any) -> None:
        self.stopped = threading.Event()
        self.thread = threading.Thread(
            target=self.keep, args=(parent, self.stopped), name="lease-renewer", daemon=True
        )
        self.thread.start()

    def stop(self, parent: Any) -> None:
        """Only the connection is going; what still runs is renewed until the process ends."""

    def terminate(self, parent: Any) -> None:
        self.stopped.set()

    def keep(self, consumer: Any, stopped: threading.Event) -> None:
        channel = consumer.task_consumer.channel
        pause = channel.visibility_timeout / 4
        while not stopped.wait(pause):
            if (
                getattr(consumer, "task_consumer", None) is None
                or consumer.task_consumer.channel is not channel
            ):
                return  # Reconnected: another thread keeps the new channel's messages.
            renew(channel)


def renew(channel: Any) -> int:
    """Give every message this channel holds a fresh time-out; returns how many it held."""
    tags = [tag for tag in list(channel.qos._delivered) if tag not in channel.qos._dirty]  # noqa: SLF001  kombu has no public view of it.
    if not tags:
        return 0
    now = time.time()
    try:
        with channel.conn_or_acquire() as client:
            client.zadd(channel.unacked_index_key, dict.fromkeys(tags, now), xx=True)
    except channel.connection_errors:
        return 0  # The consumer notices the same and reconnects; the ledger in Postgres is the real guard.
    return len(tags)
