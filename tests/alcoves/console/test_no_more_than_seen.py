"""What operators ask for many rows means those they saw: no later ones."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.messages.storage.fallback import FallbackStorage
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.backup.models import Finding
from alcoves.console import tasks as handed
from media import audit, bulk, epochs, selecting, tasks, trash
from media.admin import libraries, many
from media.epochs import StaleError
from media.models import AuditEntry, Derivative, File, Library
from media.selecting import Selection
from tests.alcoves.console.test_many import client_of
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


def question(client: Client, page: str, action: str, rows: list[Any], **more: str) -> dict[str, Any]:
    """What Yes sends: the hidden fields of the page that asks."""
    given = {"action": action, "_selected_action": [str(row.pk) for row in rows], **more}
    text = client.post(reverse(f"admin:{page}_changelist"), given).content.decode()
    assert "No, go back" in text
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text):
        fields.setdefault(name, []).append(value)
    return {name: values for name, values in fields.items() if name != "csrfmiddlewaretoken"}


def answer(client: Client, page: str, given: dict[str, Any], where: str = "") -> str:
    return client.post(reverse(f"admin:{page}_changelist") + where, given, follow=True).content.decode()


def test_a_purge_of_all_means_those_of_the_question(rows: list[File], library: Library) -> None:
    client = client_of("librarian")
    trash.trash(library, [rows[0].pk])
    yes = question(client, "media_file", "purge", rows[:1], select_across="1", index="0")
    trash.trash(library, [rows[1].pk])
    assert "1 file is gone for good" in answer(client, "media_file", yes)
    assert {row.pk for row in File.objects.all()} == {rows[1].pk, rows[2].pk}


def test_what_is_thrown_away_anew_is_not_purged(rows: list[File], library: Library) -> None:
    client = client_of("librarian")
    trash.trash(library, [rows[0].pk])
    yes = question(client, "media_file", "purge", rows[:1])
    trash.restore(library, [rows[0].pk])
    File.objects.filter(pk=rows[0].pk).update(trashed_at=timezone.now() + timedelta(minutes=1))
    assert "0 files are gone for good" in answer(client, "media_file", yes)
    assert File.objects.count() == 3


def test_a_purge_of_more_than_were_seen_is_refused(rows: list[File], library: Library) -> None:
    """As of a transaction that has noted its time before the question, and was committed after it."""
    client = client_of("librarian")
    trash.trash(library, [rows[0].pk])
    yes = question(client, "media_file", "purge", rows[:1], select_across="1", index="0")
    File.objects.filter(pk=rows[1].pk).update(trashed_at=timezone.now() - timedelta(hours=1))
    assert "They were 1 when you looked and are 2 now" in answer(client, "media_file", yes)
    assert "Look first at how many are meant" in answer(
        client, "media_file", {**yes, "asked_at": [], "seen": []}
    )
    assert "no answer to a question of ours" in answer(client, "media_file", {**yes, "asked_at": "x"})
    assert File.objects.count() == 3


def test_the_trash_is_emptied_of_what_the_question_was_about(
    rows: list[File], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(many, "hand_over", lambda _, **given: sent.append(given))
    client = client_of("librarian")
    trash.trash(library, [rows[0].pk])
    yes = question(client, "media_library", "empty_trashes", [library])
    File.objects.filter(pk=rows[1].pk).update(trashed_at=timezone.now() + timedelta(minutes=1))
    answer(client, "media_library", yes)
    handed.empty_trash(**sent[0])
    assert {row.pk for row in File.objects.all()} == {rows[1].pk, rows[2].pk}


@pytest.mark.parametrize("epoch", ["", "1.1"])
def test_what_was_asked_before_a_restore_is_not_done_after_it(
    rows: list[File], library: Library, alice: User, epoch: str
) -> None:
    trash.trash(library, [row.pk for row in rows])
    now = timezone.now().isoformat()
    with pytest.raises(StaleError):
        handed.empty_trash(str(library.pk), now, str(alice.pk), epoch)
    for what in ("purge", "restore"):
        with pytest.raises(StaleError):
            handed.act_on_files(what, [str(row.pk) for row in rows], str(alice.pk), epoch, now)
    assert File.objects.filter(trashed_at__isnull=False).count() == 3
    assert [row.action for row in AuditEntry.objects.all()] == ["tasks.stale"] * 3


def test_a_restore_between_two_batches_ends_the_act(
    rows: list[File], library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    trash.trash(library, [row.pk for row in rows])
    monkeypatch.setattr(trash, "BATCH", 1)
    told = iter([epochs.current(), epochs.current(), *["another"] * 9])
    monkeypatch.setattr(epochs, "current", lambda: next(told))
    with pytest.raises(StaleError):
        trash.empty(library, before=timezone.now(), by=audit.SYSTEM)
    assert File.objects.count() == 2


def test_an_answer_from_before_a_restore_does_nothing(rows: list[File], library: Library) -> None:
    client = client_of("librarian")
    trash.trash(library, [rows[0].pk])
    yes = question(client, "media_file", "purge", rows[:1])
    assert "A backup was restored since" in answer(client, "media_file", {**yes, "epoch": "1.1"})
    assert File.objects.count() == 3


def finding(key: str) -> Finding:
    about = {"kind": "missing", "what": "output", "store": "files", "seen_at": timezone.now()}
    return Finding.objects.create(key=key, **about)


def test_findings_that_came_after_the_question_are_left_alone(db: None) -> None:
    client = client_of("operator")
    seen = finding("a")
    yes = question(client, "backup_finding", "ignore", [seen], select_across="1", index="0")
    late = finding("b")
    assert "Set 1 finding to ignored" in answer(client, "backup_finding", yes)
    late.refresh_from_db()
    assert late.state == "open"
