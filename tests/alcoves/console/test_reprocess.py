"""The page that makes many things anew: a choice, a look, a question, and what was looked at is what is acted on."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from alcoves.accounts.models import User
from media import selecting
from media.models import AuditEntry, Derivative, Library
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in
from tests.staffing import client_of_role

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
staff = client_of_role


@pytest.fixture
def page() -> str:
    return reverse("admin:reprocess")


@pytest.fixture
def rows(library: Library, settings: Any) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}
    for number in range(3):
        take_in(library, PNG + bytes([number]), f"{number}.png")
    run_queued()


@pytest.fixture
def operator(db: None) -> Client:
    return staff("operator")


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_choice_is_counted_asked_and_done(rows: None, operator: Client, page: str) -> None:
    looked = operator.get(page, {"deriver": "echo", "act": "reprocess"})
    assert "3 jobs: deriver echo" in text(looked)
    assert not AuditEntry.objects.filter(action="derivatives.reprocess").exists()
    done = operator.post(page, {"deriver": "echo", "act": "reprocess", "seen": "3"}, follow=True)
    assert "3 jobs are queued again." in text(done)
    assert Derivative.objects.filter(requested_version=2, deriver="echo").count() == 3
    assert not Derivative.objects.filter(requested_version=2).exclude(deriver="echo").exists()
    entry = AuditEntry.objects.get(action="derivatives.reprocess")
    assert (entry.count, str(entry.actor)) == (3, "operator@example.org")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"deriver": "ecko"}, "no deriver named ecko"),
        ({"derivr": "echo"}, "no choice named derivr"),
        ({"status": "fialed"}, "no state named fialed"),
        ({"library": "Family"}, "not the id of a library"),
        ({"library": str(uuid4())}, "no library with this id"),
        ({"older_than": "two"}, "whole number"),
        ({"act": "delete", "everything": "yes"}, "nothing else was done"),
        ({"everything": "yes", "deriver": "echo"}, "Take one of them away"),
        ({"deriver": ""}, "Choose something"),
    ],
)
def test_what_is_not_understood_never_means_everything(
    rows: None, operator: Client, page: str, given: dict[str, str], sentence: str
) -> None:
    assert sentence in text(operator.get(page, given))
    assert sentence in text(operator.post(page, {**given, "seen": "6"}))
    assert not Derivative.objects.exclude(requested_version=1).exists()


def test_a_set_that_has_grown_is_looked_at_again(
    rows: None, operator: Client, page: str, library: Library
) -> None:
    row = Derivative.objects.filter(deriver="echo")[0]
    Derivative.objects.bulk_create(
        Derivative(
            original=row.original,
            deriver="echo",
            variant=f"v{number}",
            queue=row.queue,
            queued_at=row.queued_at,
        )
        for number in range(20)
    )
    again = operator.post(page, {"deriver": "echo", "seen": "3"})
    assert "They were 3 when you looked and are 23 now." in text(again)
    assert 'name="seen" value="23"' in text(again)
    assert not Derivative.objects.exclude(requested_version=1).exists()
    operator.post(page, {"deriver": "echo", "seen": "23"})
    assert Derivative.objects.filter(requested_version=2).count() == 23


def test_nothing_is_done_unseen(rows: None, operator: Client, page: str) -> None:
    assert "Look first" in text(operator.post(page, {"everything": "yes"}))
    assert not Derivative.objects.exclude(requested_version=1).exists()


def test_many_are_done_by_a_task_whose_progress_is_shown(
    rows: None, operator: Client, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "BATCH", 2)
    done = operator.post(page, {"everything": "yes", "seen": "6"})
    assert done.status_code == 302
    assert "It waits for a worker" in text(operator.get(done["Location"]))
    live = operator.get(done["Location"] + "/live").json()
    assert "It waits for a worker" in live["html"]
    assert operator.get(reverse("admin:reprocess-task", args=(uuid4(),))).status_code == 404


def test_what_waits_is_stopped(rows: None, operator: Client, page: str) -> None:
    operator.post(page, {"deriver": "echo", "seen": "3"})
    looked = operator.get(page, {"act": "cancel", "deriver": "echo"})
    assert "Yes, stop 3" in text(looked)
    done = operator.post(page, {"act": "cancel", "deriver": "echo", "seen": "3"}, follow=True)
    assert "3 jobs are stopped." in text(done)
    assert AuditEntry.objects.filter(action="derivatives.cancel").count() == 1


def test_who_may(rows: None, page: str, as_alice: Client, client: Client, alice: User) -> None:
    auditor = staff("auditor")
    looked = auditor.get(page, {"deriver": "echo"})
    assert "You may look" in text(looked)
    assert auditor.post(page, {"deriver": "echo", "seen": "3"}).status_code == 403
    client.force_login(alice)
    assert client.get(page).status_code == 302
    assert client.post(page, {"everything": "yes", "seen": "6"}).status_code == 302
    assert not Derivative.objects.exclude(requested_version=1).exists()


@pytest.mark.parametrize("seen", ["\u00b2", "\u0663", "9" * 5000, "-1"])
def test_a_number_that_is_none_is_refused(rows: None, operator: Client, page: str, seen: str) -> None:
    answer = operator.post(page, {"deriver": "echo", "seen": seen})
    assert answer.status_code == 200
    assert "Look first at how many are meant." in text(answer)
    assert not Derivative.objects.filter(requested_version=2).exists()
