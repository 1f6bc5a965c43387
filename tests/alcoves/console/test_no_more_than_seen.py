"""What operators ask for many rows means those they saw: no later ones."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db.models.functions import Now
from django.test import RequestFactory
from django.utils import timezone

from alcoves.accounts.models import User
from media import audit, bulk, selecting, tasks, trash
from media.admin import libraries, many
from media.models import Derivative, File, Library
from media.selecting import Selection
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def rows(library: Library, settings: Any) -> list[File]:
    settings.DERIVERS = {"echo": TABLE["echo"]}
    made = [take_in(library, PNG + bytes([number]), f"{number}.png").file for number in range(3)]
    run_queued()
    return made


def test_what_came_after_the_asking_is_left_alone(
    rows: list[File], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane of upkeep may have been paused for hours."""
    sent: list[Any] = []
    monkeypatch.setattr(selecting, "BATCH", 2)
    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", lambda name, given, **_: sent.append(given))
        bulk.act_on("reprocess", Selection(deriver="echo"), audit.SYSTEM)
    take_in(library, PNG + b"late", "late.png")
    run_queued()
    tasks.act_on_many(*sent[0])
    assert Derivative.objects.filter(requested_version=2).count() == 3
    assert Derivative.objects.get(original__files__name="late.png").requested_version == 1


def test_a_clock_that_is_ahead_empties_no_more(
    rows: list[File], library: Library, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(many, "hand_over", lambda _, **given: sent.append(given))
    request = RequestFactory().post("/")
    request.user = alice
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    trash.trash(library, [rows[0].pk])
    ahead = timezone.now() + timedelta(hours=2)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: ahead)
        libraries.hand_over(request, [library])
    trash.trash(library, [rows[1].pk])
    database = Library.objects.values_list(Now(), flat=True)[0]
    before = datetime.fromisoformat(sent[0]["before"])
    assert before <= database
    assert trash.empty(library, before=before, by=audit.SYSTEM) == 1
    assert File.objects.filter(pk=rows[1].pk).exists()
