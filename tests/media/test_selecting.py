"""Which jobs are meant by a selection, and one act on all of them: few at once, many in batches, noted either way."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from alcoves.accounts.models import User
from media import audit, bulk, reprocess, selecting
from media.errors import RequestError
from media.models import AuditEntry, Derivative, Library
from media.models.audit import Via
from media.selecting import Selection
from tests.afresh import afresh
from tests.alcoves.console.filling import fill, libraries
from tests.alcoves.console.test_long_lists import rows_read
from tests.conftest import client_of
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
ADDRESS = "/api/admin/reprocess"


@pytest.fixture(autouse=True)
def derivers(settings: Any) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}


@pytest.fixture
def rows(library: Library) -> None:
    """Three files: each has a copy that is ready; one has failed at the other job."""
    for number in range(3):
        take_in(library, PNG + bytes([number]), f"{number}.png")
    run_queued()
    broken = Derivative.objects.filter(deriver="fussy").order_by("pk")[0]
    Derivative.objects.filter(pk=broken.pk).update(
        status="failed", error_code="broken", error_message="It is broken.", finished_at=broken.finished_at
    )


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two."""
    monkeypatch.setattr(selecting, "BATCH", 2)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(), 6),
        (Selection(deriver="echo"), 3),
        (Selection(status="failed"), 1),
        (Selection(error_code="broken"), 1),
        (Selection(failure="It is broken."), 1),
        (Selection(failure="It is fine."), 0),
        (Selection(error_code="brocken"), 0),
        (Selection(deriver="echo", older_than=2), 3),
        (Selection(deriver="echo", older_than=1), 0),
        (Selection(queue="thumbnail"), 3),
        (Selection(deriver="echo", status="failed"), 0),
    ],
)
def test_all_that_is_given_must_hold(rows: None, selection: Selection, count: int) -> None:
    assert selecting.count("reprocess", selection) == count
    assert bulk.act_on("reprocess", selection, audit.SYSTEM).count == count
    assert Derivative.objects.filter(requested_version=2).count() == count
    assert Selection.from_json(selection.as_json()) == selection


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        (Selection(deriver="ecko"), "deriver_unknown"),
        (Selection(status="fialed"), "status_unknown"),
        (Selection(library=uuid4()), "library_unknown"),
        (Selection(file=uuid4()), "file_unknown"),
        (Selection(older_than=0), "version_unknown"),
    ],
)
def test_a_misspelt_name_never_means_everything(rows: None, selection: Selection, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        bulk.act_on("reprocess", selection, audit.SYSTEM)
    assert refused.value.code == code
    assert not Derivative.objects.exclude(requested_version=1).exists()
    assert not AuditEntry.objects.exists()


def test_few_are_noted_with_what_was_done(rows: None, alice: User) -> None:
    by = audit.Actor(Via.CONSOLE, alice)
    assert bulk.act_on("reprocess", Selection(status="failed"), by) == bulk.Acted(1)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.count, entry.actor) == ("derivatives.reprocess", 1, alice)
    assert entry.text == "1 job was queued again: status failed."
    assert entry.detail == {"selection": {"status": "failed"}}


def test_what_waits_or_runs_can_be_stopped(rows: None) -> None:
    reprocess.reprocess(Selection(deriver="echo"))
    assert selecting.count("cancel", Selection()) == 3
    assert bulk.act_on("cancel", Selection(), audit.SYSTEM).count == 3
    assert Derivative.objects.filter(error_code="cancelled").count() == 3
    assert AuditEntry.objects.get().action == "derivatives.cancel"


def test_counting_ends(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "COUNTED", 4)
    assert selecting.count("reprocess", Selection()) == 5
    assert selecting.told(5) == "4+"


def test_a_count_that_takes_too_long_says_what_to_choose(rows: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: Any) -> Any:
        return Derivative.objects.extra(where=["pg_sleep(5) IS NOT NULL"])

    monkeypatch.setattr(selecting, "meant", slow)
    monkeypatch.setattr(selecting, "COUNT_MILLISECONDS", 50)
    with pytest.raises(RequestError, match="Choose a deriver") as refused, transaction.atomic():
        selecting.count("reprocess", Selection())
    assert refused.value.code == "too_slow"
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_versions_have_an_index(db: None) -> None:
    afresh((Library,))
    libraries()
    fill(Derivative, 20_000)
    Derivative.objects.filter(deriver="sprites").update(made_by={"version": 1})
    Derivative.objects.filter(deriver="preview").update(made_by={"version": 7})
    selection = Selection(deriver="preview", older_than=7)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_derivative")
    with CaptureQueriesContext(connection) as queries:
        assert selecting.count("reprocess", selection) == 0
    asked = next(one["sql"] for one in queries if "COUNT" in one["sql"])
    assert rows_read(asked) == 0


@pytest.mark.parametrize(
    ("seen", "now", "grown"), [(5, 15, False), (5, 16, True), (1000, 1100, False), (1000, 1101, True)]
)
def test_what_has_grown_is_said(seen: int, now: int, grown: bool) -> None:
    assert selecting.has_grown(seen, now) is grown


def test_the_command_is_noted(rows: None, capsys: Any) -> None:
    call_command("reprocess", "--status", "failed")
    assert "1 are queued again" in capsys.readouterr().out
    assert AuditEntry.objects.get().via == "command"
    with pytest.raises(CommandError, match="There is no deriver named ecko"):
        call_command("reprocess", "--deriver", "ecko")
    with pytest.raises(CommandError, match="Say which"):
        call_command("reprocess")


@pytest.fixture
def as_staff(db: None) -> Client:
    return client_of(User.objects.create_superuser("root@example.org", "root-password"))


def post(client: Client, **given: Any) -> Any:
    return client.post(ADDRESS, given, "application/json")


def test_staff_reprocess_by_the_api(rows: None, as_staff: Client) -> None:
    assert post(as_staff, status="failed", preview=True).json() == {"count": 1, "task": None}
    assert not AuditEntry.objects.exists()
    answer = post(as_staff, status="failed", expected=1)
    assert (answer.status_code, answer.json()) == (202, {"count": 1, "task": None})
    entry = AuditEntry.objects.get()
    assert (entry.via, str(entry.actor)) == ("api", "root@example.org")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"all": False},
        {"all": True, "status": "failed"},
        {"status": "fialed"},
        {"derivr": "echo"},
        {"deriver": "ecko"},
        {"olderThan": 0},
        {"act": "delete", "all": True},
        {"library": "x"},
    ],
)
def test_nothing_is_done_where_it_is_not_said_which(
    rows: None, as_staff: Client, given: dict[str, Any]
) -> None:
    answer = post(as_staff, **given)
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert not Derivative.objects.exclude(requested_version=1).exists()


def test_everything_must_be_said(rows: None, as_staff: Client) -> None:
    assert post(as_staff, all=True).json()["count"] == 6


def test_a_set_that_has_grown_is_looked_at_again(
    rows: None, as_staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "GROWN_BY", 1)
    answer = post(as_staff, all=True, expected=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "has_grown")
    assert not AuditEntry.objects.exists()


def test_others_may_not(rows: None, as_alice: Client, as_charlie: Client, charlie: User) -> None:
    for client in (as_alice, as_charlie):
        assert post(client, all=True).status_code == 404
        assert client.get(f"{ADDRESS}/{uuid4()}").status_code == 404
    assert post(Client(), all=True).status_code == 401
    charlie.is_staff = True
    charlie.save()
    assert post(as_charlie, all=True).status_code == 404
    assert not Derivative.objects.exclude(requested_version=1).exists()


def test_the_state_of_a_task(rows: None, few: None, as_staff: Client) -> None:
    task = post(as_staff, all=True).json()["task"]
    told = {"state": "waiting", "done": 0, "total": None, "secondsLeft": None, "message": ""}
    assert as_staff.get(f"{ADDRESS}/{task}").json() == told
    assert as_staff.get(f"{ADDRESS}/{uuid4()}").status_code == 404


def test_a_batch_costs_the_same_whatever_its_size(rows: None) -> None:
    with CaptureQueriesContext(connection) as one:
        bulk.act_on("reprocess", Selection(status="failed"), audit.SYSTEM)
    with CaptureQueriesContext(connection) as six:
        bulk.act_on("reprocess", Selection(), audit.SYSTEM)
    assert len(six) == len(one)
