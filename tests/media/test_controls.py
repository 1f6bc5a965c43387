"""Pauses, slots and drains: what stands in Postgres, what is noted, what is refused."""

from typing import Any

import pytest
from django.utils import timezone

from alcoves.queues import LANES
from media import audit, bulletin, controls
from media.audit import Actor
from media.errors import RequestError
from media.models import AuditEntry, Control, WorkerReport

pytestmark = pytest.mark.django_db
BY = audit.COMMAND


@pytest.fixture
def worker() -> WorkerReport:
    now = timezone.now()
    return WorkerReport.objects.create(name="heavy@left", lane="heavy", began_at=now, seen_at=now)


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def test_nothing_stands_at_first() -> None:
    orders = controls.orders()
    assert orders == controls.Orders()
    assert orders.takes("imageproxy")
    assert controls.NOTHING.lanes == frozenset(LANES)


def test_a_pause_is_kept_noted_and_taken_back(alice: Any) -> None:
    alice_acts = Actor(BY.via, alice)
    row = controls.pause("thumbnail", by=alice_acts, reason="the  disk\nis slow ")
    assert (row.kind, row.paused, row.reason, row.set_by) == ("queue", True, "the disk is slow", str(alice))
    assert controls.orders().queues == {"thumbnail"}
    assert not controls.orders().takes("thumbnail")
    assert controls.resume("thumbnail", by=BY) is not None
    assert controls.orders() == controls.Orders()
    assert actions() == ["queue.pause", "queue.resume"]
    entry = AuditEntry.objects.order_by("id")[0]
    assert (entry.actor, entry.detail) == (alice, {"queue": "thumbnail", "reason": "the disk is slow"})


def test_a_second_pause_changes_nothing() -> None:
    controls.pause("heavy", by=BY, reason="first")
    assert controls.pause("heavy", by=BY, reason="second").reason == "first"
    assert controls.resume("heavy", by=BY)
    assert controls.resume("heavy", by=BY) is None
    assert actions() == ["lane.pause", "lane.resume"]


def test_a_paused_lane_stops_its_queues_and_no_other() -> None:
    controls.pause("heavy", by=BY)
    orders = controls.orders()
    assert orders.lanes == {"heavy"}
    assert not orders.takes("transcription")
    assert orders.takes("metadata")


def test_maintenance_is_taken_as_the_lane() -> None:
    assert controls.pause("maintenance", by=BY).kind == "lane"
    assert not controls.orders().takes("maintenance")


def test_slots_of_a_lane() -> None:
    controls.set_slots("heavy", 3, by=BY)
    controls.set_slots("heavy", 3, by=BY)
    assert controls.orders().slots == {"heavy": 3}
    controls.set_slots("heavy", None, by=BY)
    assert controls.orders().slots == {}
    assert actions() == ["lane.slots", "lane.slots"]
    assert AuditEntry.objects.order_by("id")[0].detail == {"lane": "heavy", "before": None, "after": 3}


@pytest.mark.parametrize("number", [0, -1, 65])
def test_slots_have_limits(number: int) -> None:
    with pytest.raises(RequestError, match="from 1 to 64"):
        controls.set_slots("heavy", number, by=BY)
    assert not Control.objects.exists()


def test_unknown_names_are_refused_with_a_sentence(worker: WorkerReport) -> None:
    with pytest.raises(RequestError, match="No queue or lane is named nothing"):
        controls.pause("nothing", by=BY)
    with pytest.raises(RequestError, match="No queue or lane"):
        controls.resume("nothing", by=BY)
    with pytest.raises(RequestError, match="No lane is named imageproxy"):
        controls.set_slots("imageproxy", 2, by=BY)
    with pytest.raises(RequestError, match=r"No worker is named nobody. Known are: heavy@left"):
        controls.drain("nobody", by=BY)
    with pytest.raises(RequestError, match="No worker is named nobody"):
        controls.undrain("nobody", by=BY)
    assert not AuditEntry.objects.exists()


def test_a_worker_is_drained_and_released(worker: WorkerReport) -> None:
    controls.drain("heavy@left", by=BY, reason="new card")
    assert controls.orders().drained == {"heavy@left"}
    worker.delete()
    assert controls.undrain("heavy@left", by=BY) is not None
    assert controls.orders().drained == frozenset()
    assert actions() == ["worker.drain", "worker.release"]


def test_maintenance_keeps_the_pauses_of_people() -> None:
    controls.pause("heavy", by=BY, reason="mine")
    controls.pause_all(reason="a backup is restored")
    assert controls.orders().lanes == frozenset(LANES)
    assert not controls.orders().takes("imageproxy")
    controls.resume_all()
    assert controls.orders().lanes == {"heavy"}
    assert Control.objects.get(name="heavy").reason == "mine"
    assert actions() == ["lane.pause", "lanes.pause_all", "lanes.resume_all"]
    assert controls.resume_all() is None


def test_an_act_that_is_not_noted_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr(audit, "note", fail)
    with pytest.raises(RuntimeError):
        controls.pause("heavy", by=BY)
    assert controls.orders() == controls.Orders()


def test_workers_are_told_after_the_commit(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        controls.pause("heavy", by=BY)
        controls.pause("heavy", by=BY)
    assert callbacks == [controls.tell]


def test_the_orders_cost_one_query(django_assert_num_queries: Any) -> None:
    for lane in LANES:
        controls.pause(lane, by=BY)
        controls.set_slots(lane, 5, by=BY)
    with django_assert_num_queries(1):
        assert len(controls.orders().slots) == 4


def test_the_web_part_reads_anew_once_it_is_told(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    kept = controls.Kept()
    heard: list[Any] = []
    monkeypatch.setattr(bulletin, "listen", lambda topic, callback: heard.append((topic, callback)))
    assert kept.get().takes("imageproxy")
    controls.pause("imageproxy", by=BY)
    with django_assert_num_queries(0):
        assert kept.get().takes("imageproxy")
    [(topic, callback)] = heard
    callback({})
    assert (topic, kept.get().takes("imageproxy")) == (controls.TOPIC, False)
