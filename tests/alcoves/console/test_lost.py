"""Redis away, or emptied: nothing is said to be handed over that was not, and what was lost is told as lost."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import current_app, states
from django.urls import reverse
from django.utils import timezone
from django_celery_results.models import TaskResult
from kombu.exceptions import OperationalError

from alcoves.backup import tasks as backups
from alcoves.backup.models import Backup, Look
from alcoves.console import tasks, upkeep
from media import dispatch, trash
from media.admin import many
from media.models import AuditEntry, File, Library
from tests.alcoves.console.test_many import acts, client_of, files, post

pytestmark = pytest.mark.django_db
SENTENCE = "Redis does not answer, so nothing was begun"


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("Connection refused.")

    monkeypatch.setattr(many, "AT_ONCE", 1)
    monkeypatch.setattr(current_app, "send_task", refuse, raising=False)


@pytest.fixture
def handed(library: Library, monkeypatch: pytest.MonkeyPatch) -> TaskResult:
    """Two files that shall be purged; the message has left the page."""
    rows = files(library, 2)
    trash.trash(library, [row.pk for row in rows])
    monkeypatch.setattr(many, "AT_ONCE", 1)
    monkeypatch.setattr(current_app, "send_task", lambda *_, **__: None, raising=False)
    post(client_of("librarian"), "media_file", "purge", rows, sure="yes")
    row: TaskResult = TaskResult.objects.get(task_name=many.TASK, status=states.PENDING)
    return row


def old(row: TaskResult) -> None:
    TaskResult.objects.filter(pk=row.pk).update(date_created=timezone.now() - timedelta(minutes=10))


def put_into_redis(key: str, others: int = 0) -> None:
    """Its message, behind those of others."""
    for one in [key, *(str(uuid4()) for _ in range(others))]:
        dispatch.redis_client().rpush("maintenance", json.dumps({"headers": {"id": one}}))


@pytest.mark.django_db(transaction=True)
def test_a_purge_that_cannot_be_sent_is_not_noted(library: Library, away: None) -> None:
    rows = files(library, 2)
    trash.trash(library, [row.pk for row in rows])
    assert SENTENCE in post(client_of("librarian"), "media_file", "purge", rows, sure="yes")
    assert acts() == []
    assert not TaskResult.objects.exists()
    assert File.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_trash_that_cannot_be_sent_is_not_noted(library: Library, away: None) -> None:
    client = client_of("librarian")
    address = reverse("admin:media_library_empty_trash", args=(library.pk,))
    assert SENTENCE in client.post(address, {"sure": "yes"}, follow=True).content.decode()
    assert SENTENCE in post(client, "media_library", "empty_trashes", [library], sure="yes")
    assert acts() == []
    assert not TaskResult.objects.exists()


@pytest.mark.parametrize("others", [0, 3])
def test_a_message_that_nobody_has_is_told_as_lost(handed: TaskResult, others: int) -> None:
    """Also while others wait."""
    old(handed)
    put_into_redis(str(uuid4()), others)
    assert tasks.tell_lost() == 1
    handed.refresh_from_db()
    assert handed.status == states.FAILURE
    assert "ask for it again" in str(handed.result)
    entry = AuditEntry.objects.get(action="tasks.lost")
    assert entry.detail == {"task": handed.task_id}
    assert tasks.tell_lost() == 0
    assert File.objects.count() == 2


def test_a_message_that_waits_is_not_lost(handed: TaskResult) -> None:
    old(handed)
    put_into_redis(handed.task_id, 3)
    assert tasks.tell_lost() == 0
    handed.refresh_from_db()
    assert handed.status == states.PENDING


def test_a_message_that_a_worker_has_taken_is_not_lost(handed: TaskResult) -> None:
    """Which it has not told yet."""
    old(handed)
    message = [{"headers": {"id": handed.task_id}}, "alcoves", "maintenance"]
    dispatch.redis_client().hset("unacked", "tag", json.dumps(message))
    assert tasks.tell_lost() == 0


def test_nobody_says_so_where_it_cannot_be_known(handed: TaskResult, monkeypatch: pytest.MonkeyPatch) -> None:
    """More waits than anybody looks through; or Redis is away."""
    old(handed)
    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "LOOKED_THROUGH", 2)
        put_into_redis(str(uuid4()), 2)
        assert tasks.tell_lost() == 0

    def refuse(*_: Any, **__: Any) -> None:
        raise redis.ConnectionError("Connection refused.")

    monkeypatch.setattr(dispatch, "waiting_ids", refuse)
    assert tasks.tell_lost() == 0


def test_a_young_message_is_not_lost(handed: TaskResult) -> None:
    assert tasks.tell_lost() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("model", "given"), [(Backup, {"act": "make", "blobs": "none"}), (Look, {"act": "look"})]
)
def test_backups_and_looks_that_cannot_be_sent_wait(
    model: Any,
    given: dict[str, str],
    away: None,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Any,
) -> None:
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("Connection refused.")

    for task in (backups.make, backups.look):
        monkeypatch.setattr(task, "apply_async", refuse)
    page = reverse("admin:backups")
    target = {"target": "local"} if model is Backup else {}
    text = client_of("operator").post(page, {**given, **target}, follow=True).content.decode()
    assert "is sent as soon as it does" in text
    assert model.objects.get().state == "queued"
