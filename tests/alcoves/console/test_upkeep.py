"""Upkeep by hand: started once, told truly, and never noted as started where it was not."""

import json
from typing import Any

import pytest
from celery import current_app, states
from django.test import Client
from django.utils import timezone
from django_celery_results.models import TaskResult
from kombu.exceptions import OperationalError

from alcoves.accounts.models import User
from alcoves.celery import app
from alcoves.console import upkeep
from media import dispatch
from media.models import AuditEntry
from media.workers import Running
from tests.alcoves.console.test_queues import olga, operator, report, tell

__all__ = ["olga", "operator"]
pytestmark = pytest.mark.django_db


def test_every_upkeep_is_a_task_of_ours() -> None:
    current_app.loader.import_default_modules()
    for work in upkeep.TABLE:
        assert work.task in current_app.tasks, work.name
        assert current_app.amqp.router.route({}, work.task)["queue"].name == upkeep.QUEUE


def test_what_comes_seldom_comes_at_a_time_of_the_day() -> None:
    """A beat that is made anew begins to count an interval again, and might never come to a long one."""
    intervals = [one["schedule"] for one in app.conf.beat_schedule.values()]
    assert [long for long in intervals if isinstance(long, float) and long > 600] == []


def test_upkeep_is_started_once(operator: Client, olga: User) -> None:
    shown = operator.post("/admin/upkeep", {"name": "prewarm"}, follow=True).content.decode()
    assert "Make pictures ahead: started" in shown
    row = TaskResult.objects.get()
    assert (row.task_name, row.status) == ("media.prewarm", states.PENDING)
    [message] = dispatch.redis_client().lrange("maintenance", 0, -1)
    headers = json.loads(message)["headers"]
    assert (headers["id"], headers["ignore_result"]) == (row.task_id, False)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == ("upkeep.start", olga)
    shown = operator.post("/admin/upkeep", {"name": "prewarm"}, follow=True).content.decode()
    assert "is not done" in shown
    assert TaskResult.objects.count() == AuditEntry.objects.count() == 1
    TaskResult.objects.update(status=states.SUCCESS, result="5")
    html = json.loads(operator.get("/admin/upkeep/live").content)["html"]
    assert "5 pictures sent" in html
    assert str(olga) in html
    operator.post("/admin/upkeep", {"name": "prewarm"})
    assert TaskResult.objects.count() == 2


def test_upkeep_that_beat_has_started_is_not_doubled(operator: Client) -> None:
    tell(report("all@left", Running("media.prewarm", "1", "maintenance", 1.0)))
    assert (
        "runs at this moment"
        in operator.post("/admin/upkeep", {"name": "prewarm"}, follow=True).content.decode()
    )
    assert not TaskResult.objects.exists()


def test_a_message_that_was_lost_holds_nothing_up(operator: Client) -> None:
    operator.post("/admin/upkeep", {"name": "prewarm"})
    TaskResult.objects.update(date_created=timezone.now() - upkeep.SURE * 2)
    assert "is not done" in operator.post("/admin/upkeep", {"name": "prewarm"}, follow=True).content.decode()
    dispatch.redis_client().flushdb()
    operator.post("/admin/upkeep", {"name": "prewarm"})
    assert sorted(TaskResult.objects.values_list("status", flat=True)) == [states.FAILURE, states.PENDING]


def test_upkeep_that_is_not_there(operator: Client) -> None:
    assert "no such upkeep" in operator.post("/admin/upkeep", {"name": "rm"}, follow=True).content.decode()


def test_a_failure_is_told(operator: Client) -> None:
    operator.post("/admin/upkeep", {"name": "sweep-blobs", "sure": "yes"})
    failure = {"exc_type": "StoreError", "exc_message": ["The disk is <full>."]}
    TaskResult.objects.update(status=states.FAILURE, result=json.dumps(failure))
    html = json.loads(operator.get("/admin/upkeep/live").content)["html"]
    assert "The disk is &lt;full&gt;." in html
    assert "failed" in html


def test_upkeep_that_destroys_asks_on_the_server(operator: Client) -> None:
    for work in upkeep.TABLE:
        if work.asks:
            shown = operator.post("/admin/upkeep", {"name": work.name}, follow=True).content.decode()
            assert "Say that you are sure" in shown, work.name
    assert not AuditEntry.objects.filter(action=upkeep.ACTION).exists()
    assert not TaskResult.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_sent_is_not_noted_as_started(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("Connection refused.")

    monkeypatch.setattr(current_app, "send_task", refuse, raising=False)
    shown = operator.post("/admin/upkeep", {"name": "prewarm"}, follow=True).content.decode()
    assert "Redis does not answer, so nothing was started" in shown
    assert not AuditEntry.objects.exists()
    assert not TaskResult.objects.exists()
