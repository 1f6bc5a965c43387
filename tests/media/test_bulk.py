"""Acts on many jobs: the row is the truth. Nothing is lost with a message, and nothing is done twice."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.console import tasks
from media import audit, bulk, selecting
from media.errors import InfrastructureError
from media.models import AuditEntry, Bulk, Derivative, Library
from media.models.audit import Via
from media.selecting import Selection
from media.tasks import act_on_many, prune_attempts
from tests.alcoves.console.test_many import client_of
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in
from tests.media.api.conftest import PNG

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Five files with a job each, batches of two, and no worker."""
    settings.DERIVERS = {"echo": TABLE["echo"]}
    for number in range(5):
        take_in(library, PNG + bytes([number]), f"{number}.png")
    run_queued()
    monkeypatch.setattr(selecting, "BATCH", 2)
    messages: list[Any] = []
    monkeypatch.setattr(
        current_app,
        "send_task",
        lambda name, args, **more: messages.append((name, args, more)),
        raising=False,
    )
    return messages


def ask(user: User | None = None, act: str = "reprocess") -> Bulk:
    by = audit.Actor(Via.CONSOLE, user, "10.0.0.1", "r1")
    acted = bulk.act_on(act, Selection(deriver="echo"), by)
    row: Bulk = Bulk.objects.get(pk=UUID(acted.task))
    return row


def versions() -> list[int]:
    return sorted(Derivative.objects.values_list("requested_version", flat=True))


def test_it_is_noted_before_and_after(sent: list[Any], alice: User) -> None:
    row = ask(alice)
    assert sent == [(bulk.TASK, (str(row.pk),), {"task_id": str(row.pk), "queue": "maintenance"})]
    assert versions() == [1] * 5
    act_on_many(str(row.pk))
    assert versions() == [2] * 5
    before, after = AuditEntry.objects.order_by("id")
    assert before.detail["task"] == str(row.pk)
    assert (before.count, after.count) == (5, 5)
    assert {before.actor, after.actor} == {alice}
    assert (before.address, after.address) == ("10.0.0.1", None)
    assert {before.request_id, after.request_id} == {"r1"}


def test_a_message_that_comes_twice_does_nothing_twice(sent: list[Any]) -> None:
    row = ask()
    for _ in range(2):
        act_on_many(str(row.pk))
    assert versions() == [2] * 5
    assert AuditEntry.objects.count() == 2


def test_a_worker_that_died_costs_nothing(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a batch, which is taken back; the next goes on behind what is done."""
    row = ask()
    assert bulk.one_batch(row.pk)
    with monkeypatch.context() as patch:
        patch.setattr(Bulk, "save", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bulk.one_batch(row.pk)
    assert versions() == [1, 1, 1, 2, 2]
    act_on_many(str(row.pk))
    assert versions() == [2] * 5
    row.refresh_from_db()
    assert (row.state, row.done, row.total) == ("done", 5, 5)


def test_what_nobody_has_any_more_is_sent_again(sent: list[Any]) -> None:
    row = ask()
    assert tasks.send_again(set()) == 0, "it is young"
    old = timezone.now() - timedelta(minutes=10)
    Bulk.objects.update(sent_at=old, updated_at=old)
    assert tasks.send_again({str(row.pk)}) == 0, "a worker has it"
    assert tasks.send_again(None) == 0, "it may wait there"
    tasks.tell_lost()
    assert len(sent) == 2
    assert tasks.send_again(set()) == 0, "it was sent a moment ago"
    act_on_many(str(row.pk))
    Bulk.objects.update(sent_at=old, updated_at=old)
    assert tasks.send_again(set()) == 0, "it is done"


def test_what_gets_no_further_is_told_as_failed(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    row = ask()
    with monkeypatch.context() as patch:
        patch.setattr(selecting, "done_to", lambda *_: 1 / 0)
        for _ in range(bulk.TRIES):
            with pytest.raises(ZeroDivisionError):
                act_on_many(str(row.pk))
    act_on_many(str(row.pk))
    told = bulk.progress(row.pk)
    assert told is not None
    assert told.state == "failed"
    assert "got no further" in told.text
    assert versions() == [1] * 5


def test_a_library_that_is_gone_ends_it_with_a_sentence(sent: list[Any]) -> None:
    row = ask()
    Bulk.objects.update(selection={"library": str(uuid4())})
    act_on_many(str(row.pk))
    told = bulk.progress(row.pk)
    assert told is not None
    assert (told.state, told.text) == ("failed", "There is no library with this id.")


def test_where_it_cannot_be_sent_there_is_no_row_and_no_entry(
    sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(current_app, "send_task", refuse, raising=False)
    with pytest.raises(InfrastructureError):
        ask()
    assert not AuditEntry.objects.exists()
    assert not Bulk.objects.exists()


def test_its_page_says_how_many_of_how_many_and_how_long(sent: list[Any]) -> None:
    client: Client = client_of("operator")
    row = ask()
    page = reverse("admin:reprocess-task", args=(row.pk,))
    assert "It waits for a worker" in client.get(page).content.decode()
    bulk.one_batch(row.pk)
    Bulk.objects.update(began_at=timezone.now() - timedelta(seconds=60))
    text = client.get(page).content.decode()
    assert "2 of 5 jobs by now, about 1 min" in text
    shown = client.get(reverse("admin:media_bulk_changelist")).content.decode()
    assert "deriver echo" in shown
    change = client.get(reverse("admin:media_bulk_change", args=(row.pk,))).content.decode()
    assert page in change
    act_on_many(str(row.pk))
    assert "Done: 5 jobs." in client.get(page).content.decode()
    assert client.get(reverse("admin:reprocess-task", args=(uuid4(),))).status_code == 404


def test_it_is_stopped_before_its_next_batch(sent: list[Any]) -> None:
    """Asked first; noted by whom; what is done stays done, and what is left is left alone."""
    client: Client = client_of("operator")
    row = ask()
    page = reverse("admin:reprocess-task", args=(row.pk,))
    bulk.one_batch(row.pk)
    assert 'id="stop"' in client.get(page).content.decode()
    asked = client.post(page)
    assert "2 jobs were done by now" in asked.content.decode()
    assert 'name="sure"' in asked.content.decode()
    assert bulk.one_batch(row.pk), "a question stops nothing"
    assert "Stopped." in client.post(page, {"sure": "yes"}, follow=True).content.decode()
    act_on_many(str(row.pk))
    assert versions() == [1, 2, 2, 2, 2]
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.count, entry.actor_name) == ("derivatives.stop", 4, "operator@example.org")
    text = client.get(page).content.decode()
    assert "It was stopped after 4 jobs" in text
    assert 'id="stop"' not in text
    assert "come to its end already" in client.post(page, {"sure": "yes"}, follow=True).content.decode()
    assert AuditEntry.objects.filter(action="derivatives.stop").count() == 1


def test_it_is_stopped_by_the_api(sent: list[Any]) -> None:
    row = ask()
    address = f"/api/admin/reprocess/{row.pk}"
    auditor, operator = client_of("auditor"), client_of("operator")
    assert auditor.delete(address).status_code == 404
    assert operator.delete(f"/api/admin/reprocess/{uuid4()}").status_code == 404
    told = operator.delete(address)
    assert (told.status_code, told.json()["state"]) == (200, "stopped")
    again = operator.delete(address)
    assert (again.status_code, again.json()["code"]) == (409, "ended")
    assert AuditEntry.objects.filter(action="derivatives.stop", via="api").count() == 1


def test_who_may_only_look_stops_nothing(sent: list[Any]) -> None:
    client, row = client_of("auditor"), ask()
    page = reverse("admin:reprocess-task", args=(row.pk,))
    assert 'id="stop"' not in client.get(page).content.decode()
    assert client.post(page, {"sure": "yes"}).status_code == 403
    assert bulk.one_batch(row.pk)


def test_old_ones_are_forgotten_once_they_have_ended(sent: list[Any], settings: Any) -> None:
    settings.ATTEMPTS_KEPT_DAYS = 30
    ended, young, going = ask(), ask(), ask()
    act_on_many(str(ended.pk))
    act_on_many(str(young.pk))
    old = timezone.now() - timedelta(days=31)
    Bulk.objects.filter(pk=ended.pk).update(ended_at=old)
    Bulk.objects.filter(pk=going.pk).update(created_at=old, updated_at=old)
    prune_attempts()
    assert set(Bulk.objects.all()) == {young, going}
