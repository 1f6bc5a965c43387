"""The order of queues, the slots of lanes, the lease of messages and the lock against twins."""

import random
import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar, Final

import pytest
from celery.beat import Scheduler
from celery.schedules import crontab
from celery.worker import state as worker_state
from django.utils import timezone
from django_celery_results.models import TaskResult

from alcoves import locks
from alcoves.celery import app
from alcoves.queues import BY_NAME, DRAIN_ONLY, LANES, QUEUES, Lane, in_lanes
from alcoves.scheduling import CappedCycle, Slots, Waker, renew, running_by_lane, slots, weighted_order
from media import dispatch
from media.derivers.registry import all_derivers
from tests.workers import running_worker, wait_until

MINUTE, HOUR, DAY = 60, 3600, 86400
REFERENCE = {
    "imageproxy": 100, "metadata": 70, "thumbnail": 65, "hash": 60, "default": 50, "moment-export": 45,
    "waveform": 40, "object-detection": 30, "face-detection": 30, "audio-detection": 25, "video-transcode": 10,
    "transcription": 5, "maintenance": 1,
}  # fmt: skip


def test_names_and_weights_are_those_of_the_reference() -> None:
    assert {queue.name: queue.weight for queue in QUEUES} == REFERENCE


def test_lanes_are_those_of_the_plan() -> None:
    by_lane = {lane: {queue.name for queue in QUEUES if queue.lane == lane} for lane in LANES}
    assert by_lane["interactive"] == {"imageproxy", "metadata", "thumbnail", "hash", "default"}
    assert by_lane["heavy"] == {"video-transcode", "transcription"}
    assert by_lane["maintenance"] == {"maintenance"}
    assert {queue.name for queue in in_lanes({"heavy"})} == by_lane["heavy"] | {"maintenance"}


def test_every_deriver_names_a_queue_that_takes_new_work() -> None:
    for deriver in all_derivers():
        assert deriver.queue in BY_NAME
        assert deriver.queue not in DRAIN_ONLY


def test_celery_knows_all_queues_and_makes_no_others() -> None:
    assert {queue.name for queue in app.conf.task_queues} == set(REFERENCE)
    assert {queue.routing_key for queue in app.conf.task_queues} == set(REFERENCE)
    assert app.conf.task_create_missing_queues is False
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_default_queue not in DRAIN_ONLY


BEGUN_BY_BEAT: Final = {
    "deliver-alerts": ("alerts.deliver", 30),
    "check-alerts": ("alerts.check", MINUTE),
    "sweep-blobs": ("media.sweep_blobs", MINUTE),
    "fold-tallies": ("media.fold_tallies", MINUTE),
    "follow-switches": ("media.follow_switches", MINUTE),
    "tend-models": ("ml.tend", MINUTE),
    "follow-search-model": ("ml.follow_search_model", MINUTE),
    "tell-lost": ("console.tell_lost", 5 * MINUTE),
    "assign-waiting-faces": ("ml.assign_waiting_faces", 5 * MINUTE),
    "sweep-uploads": ("media.sweep_uploads", 10 * MINUTE),
    "evict-images": ("media.evict_images", 10 * MINUTE),
    "tick-backups": ("backup.tick", 10 * MINUTE),
    "count-avatars": ("console.count_avatars", 30 * MINUTE),
    "prewarm": ("media.prewarm", HOUR),
    "propose-people": ("ml.propose_people", DAY),
    "recount-tallies": ("media.recount_tallies", DAY),
    "prune-attempts": ("media.prune_attempts", DAY),
    "prune-audit": ("media.prune_audit", DAY),
    "forget-results": ("celery.backend_cleanup", DAY),
    "find-orphans": ("media.find_orphans", 7 * DAY),
}
"""What is there only because beat begins it: its task, and the seconds from one time to the next."""


def longest_pause(entry: Any) -> int:
    """Seconds that may lie between two times of an entry of beat."""
    schedule = entry.schedule
    if not isinstance(schedule, crontab):
        return int(schedule.run_every.total_seconds())
    return longest_pause_of_times(schedule)


def longest_pause_of_times(schedule: Any) -> int:
    assert (len(schedule.day_of_month), len(schedule.month_of_year)) == (31, 12)
    times = sorted(
        (day * 24 + hour) * 60 + minute
        for day in schedule.day_of_week
        for hour in schedule.hour
        for minute in schedule.minute
    )
    around = [*times, times[0] + 7 * 24 * 60]
    return 60 * max(int(later - earlier) for earlier, later in pairwise(around))


@pytest.fixture
def beat() -> Scheduler:
    """With all that beat would begin, also what Celery adds by itself."""
    app.loader.import_default_modules()
    made = Scheduler(app=app, lazy=True)
    made.setup_schedule()
    return made


def test_beat_begins_all_that_has_to_be_begun(beat: Scheduler) -> None:
    begun = {name: (entry.task, longest_pause(entry)) for name, entry in beat.schedule.items()}
    assert begun == BEGUN_BY_BEAT


def test_every_periodic_task_exists_and_expires(beat: Scheduler) -> None:
    entries: list[Any] = list(beat.schedule.values())
    for entry in entries:
        assert entry.task in app.tasks
        assert 0 < entry.options["expires"] <= min(DAY, longest_pause(entry)), entry.name
        assert app.amqp.router.route({}, entry.task)["queue"].name == "maintenance"


def leave_result(key: str, days: float) -> None:
    """A result that a task has left so long ago."""
    TaskResult.objects.create(task_id=key, status="SUCCESS")
    TaskResult.objects.filter(task_id=key).update(date_done=timezone.now() - timedelta(days=days))


@pytest.mark.django_db(transaction=True)
def test_old_results_go_as_beat_has_it(beat: Scheduler, tmp_path: Path) -> None:
    """By a real worker. docs/console.md: they are kept for a week."""
    leave_result("old", 7.1)
    leave_result("young", 6.9)
    with running_worker(tmp_path):
        beat.apply_async(beat.schedule["forget-results"], advance=False)
        wait_until(lambda: not TaskResult.objects.filter(task_id="old").exists(), 60, "the old one is gone")
    assert TaskResult.objects.filter(task_id="young").exists()


def test_the_order_is_drawn_in_proportion_to_the_weights() -> None:
    source = random.Random(7)
    first = Counter(weighted_order(list(BY_NAME), source)[0] for _ in range(12_000))
    total = sum(REFERENCE.values())
    expected = {name: 12_000 * weight / total for name, weight in REFERENCE.items()}
    chi_squared = sum((first[name] - count) ** 2 / count for name, count in expected.items())
    assert chi_squared < 32.9
    assert len(set(weighted_order(list(BY_NAME), source))) == 13


def open_lanes(running: dict[Lane, int], total: int = 4) -> set[str]:
    made = Slots()
    made.set(total, {"standard": 2, "heavy": 1})
    return set(made.open_lanes(Counter(running)) or LANES)


def test_interactive_work_always_finds_a_slot() -> None:
    assert open_lanes({}) == set(LANES)
    assert open_lanes({"heavy": 1}) == {"interactive", "standard", "maintenance"}
    assert open_lanes({"standard": 2}) == {"interactive", "heavy", "maintenance"}
    assert open_lanes({"standard": 2, "heavy": 1}) == {"interactive"}
    assert open_lanes({"maintenance": 2, "heavy": 1}) == {"interactive"}
    assert open_lanes({"maintenance": 2}) == set(LANES)
    assert open_lanes({"maintenance": 3}) == {"interactive"}
    assert open_lanes({"interactive": 3}) == set(LANES)


def test_upkeep_takes_no_more_than_its_slots() -> None:
    made = Slots()
    made.set(4, {"standard": 2, "heavy": 1, "maintenance": 1})
    assert "maintenance" in (made.open_lanes(Counter({"interactive": 2})) or ())
    assert "maintenance" not in (made.open_lanes(Counter({"maintenance": 1})) or ())


def test_a_worker_of_one_lane_fills_all_its_slots() -> None:
    made = Slots()
    made.set(2, {})
    assert "heavy" in (made.open_lanes(Counter({"heavy": 1})) or ())
    assert "maintenance" in (made.open_lanes(Counter({"interactive": 1})) or ())
    assert "maintenance" not in (made.open_lanes(Counter({"maintenance": 1})) or ())  # One slot stays.


class Taken:
    """What the scheduler looks at of a Celery request."""

    delivery_info: ClassVar[dict[str, str]] = {"routing_key": "video-transcode"}
    id = "x"


@pytest.fixture
def busy_with_heavy() -> Any:
    request = Taken()
    worker_state.reserved_requests.add(request)
    slots.set(4, {"standard": 2, "heavy": 1})
    yield request
    slots.set(0, {})
    worker_state.reserved_requests.discard(request)


def test_the_cycle_leaves_out_full_lanes(busy_with_heavy: Any) -> None:
    assert running_by_lane() == {"heavy": 1}
    cycle = CappedCycle()
    cycle.update(list(BY_NAME))
    asked = cycle.consume(13)
    assert {"video-transcode", "transcription"}.isdisjoint(asked)
    assert len(asked) == 11


def test_publishers_have_no_limits() -> None:
    cycle = CappedCycle(list(BY_NAME))
    assert sorted(cycle.consume(13)) == sorted(BY_NAME)


@pytest.fixture
def polling() -> Any:
    """A channel that waits for half a minute, with the waker that looks after it."""
    dispatch.redis_client().flushdb()
    with app.connection_for_read() as connection, connection.channel() as opened:
        channel: Any = opened
        channel.brpop_timeout = 30
        channel._queue_cycle.update(list(BY_NAME))
        channel._active_queues.extend(BY_NAME)
        channel.client.connection = channel.client.connection_pool.get_connection()
        waker = Waker(None)
        waker.attach(channel)
        yield channel, waker
        channel.client.connection.disconnect()
        channel._in_poll = None
        channel._active_queues.clear()


def ended(channel: Any) -> bool:
    """Whether the poll ends, well before its time, without a message."""
    if not channel.client.connection.can_read(timeout=5):
        return False
    with pytest.raises(Empty):
        channel._brpop_read()
    return True


def test_a_slot_that_gets_free_ends_the_poll_that_left_its_lane_out(
    polling: Any, busy_with_heavy: Any
) -> None:
    channel, waker = polling
    channel._brpop_start()
    waker.look()
    assert not channel.client.connection.can_read(timeout=0.3)  # Nothing has changed.
    worker_state.reserved_requests.discard(busy_with_heavy)
    waker.look()
    assert ended(channel)
    channel._brpop_start()
    assert channel._queue_cycle.lanes == set(LANES)
    waker.look()
    assert not channel.client.connection.can_read(timeout=0.3)


def test_a_lane_that_fills_up_ends_no_poll(polling: Any, busy_with_heavy: Any) -> None:
    worker_state.reserved_requests.discard(busy_with_heavy)
    channel, waker = polling
    channel._brpop_start()
    worker_state.reserved_requests.add(busy_with_heavy)
    waker.look()
    assert not channel.client.connection.can_read(timeout=0.3)


def test_a_poll_on_a_new_connection_is_ended_too(polling: Any, busy_with_heavy: Any) -> None:
    channel, waker = polling
    channel._brpop_start()
    first = waker.number
    channel.client.connection.disconnect()
    channel._in_poll = None
    channel.client.connection.connect()
    channel._brpop_start()
    assert waker.number != first
    worker_state.reserved_requests.discard(busy_with_heavy)
    waker.look()
    assert ended(channel)


def test_a_redis_that_ends_no_polls_is_asked_once(polling: Any, busy_with_heavy: Any) -> None:
    channel, waker = polling
    channel._brpop_start()
    worker_state.reserved_requests.discard(busy_with_heavy)
    client = dispatch.redis_client()
    client.execute_command("ACL", "SETUSER", "default", "-client|unblock")
    try:
        waker.look()
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+client|unblock")
    assert waker.number is None
    waker.look()
    assert not channel.client.connection.can_read(timeout=0.3)


def test_a_held_message_is_renewed_and_a_returned_one_is_not() -> None:
    client = dispatch.redis_client()
    client.flushdb()
    with app.connection_for_read() as connection, connection.channel() as opened:
        channel: Any = opened
        old = time.time() - 100
        client.zadd(channel.unacked_index_key, {"held": old, "other": old})
        channel.qos._delivered["held"] = object()
        channel.qos._delivered["gone"] = object()
        assert renew(channel) == 2
        scores = dict(client.zrange(channel.unacked_index_key, 0, -1, withscores=True))
        channel.qos._delivered.clear()
    assert scores[b"held"] > old + 90
    assert scores[b"other"] == pytest.approx(old)
    assert b"gone" not in scores  # Acknowledged meanwhile: it must not come back.


def test_the_twin_lock_is_released_only_by_its_holder() -> None:
    client = dispatch.redis_client()
    client.flushdb()
    first = locks.acquire(client, "row", 60)
    assert first is not None
    assert locks.acquire(client, "row", 60) is None
    second = locks.acquire(client, "row", 60, force=True)
    assert not locks.release(client, "row", first)
    assert locks.release(client, "row", str(second))
    assert locks.acquire(client, "row", 60) is not None
    assert 0 < client.pttl(locks.PREFIX + "row") <= 60_000
