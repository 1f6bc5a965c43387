"""Upkeep done apart, as in containers: by workers of its lane alone, which open no file of a stranger."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import signals
from django.utils import timezone

from alcoves.alerts import pulses, rules, tasks, watching
from alcoves.queues import BY_NAME, LANES, in_lanes
from media import dispatch, prewarm
from media.models import WorkerReport
from tests.workers import running_worker, wait_until


def test_no_other_lane_takes_upkeep() -> None:
    for lane in LANES:
        names = {queue.name for queue in in_lanes({lane}, apart=True)}
        assert names == {queue.name for queue in BY_NAME.values() if queue.lane == lane}


@pytest.fixture
def empty() -> None:
    for name in ("maintenance", "audio-detection"):
        dispatch.redis_client().delete(name)


def test_pictures_made_ahead_wait_where_a_worker_without_a_way_out_takes_them(
    empty: None, settings: Any
) -> None:
    claims = [prewarm.Claim(uuid4(), timezone.now())]
    settings.UPKEEP_APART = True
    assert prewarm.send(claims) == 1
    lengths = dispatch.queue_lengths()
    assert (lengths["maintenance"], lengths["audio-detection"]) == (0, 1)
    assert BY_NAME[prewarm.queue()].lane == "standard"
    settings.UPKEEP_APART = False
    assert prewarm.send(claims) == 1
    assert dispatch.queue_lengths()["maintenance"] == 1


def test_what_waits_is_counted_where_it_waits(
    empty: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prewarm, "A_PASS", 1)
    settings.UPKEEP_APART = True
    assert prewarm.has_room()
    dispatch.redis_client().rpush("audio-detection", json.dumps({}))
    assert not prewarm.has_room()


@pytest.mark.django_db
def test_upkeep_that_nobody_does_is_told(settings: Any) -> None:
    now = timezone.now()
    for lane in ("interactive", "standard", "heavy"):
        WorkerReport.objects.create(name=f"{lane}@here", lane=lane, began_at=now, seen_at=now)
    WorkerReport.objects.update(began_at=now - timedelta(hours=1))
    assert rules.check("lanes") == []
    settings.UPKEEP_APART = True
    assert [one.key for one in rules.check("lanes")] == ["lane:maintenance"]


def test_beat_has_no_way_out_so_the_web_part_watches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setattr(signals.before_task_publish, "connect", lambda *_, **__: None)
    monkeypatch.setattr(watching, "start", lambda *, tells=True: started.append(tells))
    for apart, watches in ((True, []), (False, [False])):
        settings.UPKEEP_APART = apart
        started.clear()
        watching.watch_in_beat()
        assert started == watches


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("lane", "does"), [("maintenance", True), ("heavy", False)])
def test_a_real_worker_of_that_lane_looks_for_troubles_and_no_other(
    tmp_path: Path, *, lane: str, does: bool
) -> None:
    with running_worker(tmp_path, "--lane", lane, ALCOVES_UPKEEP_APART="true"):
        tasks.check.delay()
        if does:
            wait_until(lambda: pulses.heard(pulses.CHECK), 60, "the check was done")
        wait_until(lambda: WorkerReport.objects.filter(lane=lane).exists(), 60, "it tells of itself")
        if not does:
            assert dispatch.queue_lengths()["maintenance"]
            assert pulses.heard(pulses.CHECK) is None
