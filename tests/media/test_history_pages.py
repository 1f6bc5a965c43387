"""The history in the console: on the pages of jobs and files, in a list that is searched, for those who may see it."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from media import selecting
from media.admin import acting
from media.models import Attempt, AuditEntry, Derivative, File, Library, Original
from media.selecting import BATCH
from tests.alcoves.console.test_reprocess import staff, text
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
LIST = "admin:media_attempt_changelist"


@pytest.fixture
def file(library: Library, settings: Any) -> File:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}
    made = take_in(library, PNG, "a.png").file
    run_queued()
    return made


def failed(file: File, detail: str = "[mov @ 0x1] moov atom not found") -> Attempt:
    row = Derivative.objects.filter(deriver="echo").get()
    made: Attempt = Attempt.objects.create(
        original_id=file.original_id,
        derivative_id=row.pk,
        deriver="echo",
        queue="metadata",
        version=1,
        number=9,
        worker="heavy@box",
        finished_at=timezone.now(),
        outcome="failed",
        error_code="damaged_file",
        error_message="The file is damaged.",
        error_detail=detail,
    )
    return made


def test_pages_of_jobs_and_files_show_their_tries(file: File) -> None:
    failed(file)
    operator = staff("operator")
    row = Derivative.objects.get(deriver="echo")
    for model, key, count in ((Derivative, row.pk, 2), (File, file.pk, 3), (Original, file.original_id, 3)):
        shown = text(operator.get(reverse(f"admin:media_{model._meta.model_name}_change", args=(key,))))
        assert "heavy@box" in shown
        assert shown.count(reverse(LIST)[:-1] + "/0") == count


def test_what_programs_said_is_for_those_who_may_see_it(file: File) -> None:
    made = failed(file)
    address = reverse("admin:media_attempt_change", args=(made.pk,))
    auditor, librarian = staff("auditor"), staff("librarian")
    assert "moov atom not found" in text(auditor.get(address))
    shut = text(librarian.get(address))
    assert "The file is damaged." in shut
    assert "moov atom" not in shut
    assert str(made.pk) in text(auditor.get(reverse(LIST), {"q": "MOOV atom"}))
    assert str(made.pk) not in text(librarian.get(reverse(LIST), {"q": "moov"}))
    assert str(made.pk) in text(librarian.get(reverse(LIST), {"q": "damaged"}))
    Derivative.objects.update(error_detail="moov atom not found", status="failed", error_code="x")
    job = reverse("admin:media_derivative_change", args=(made.derivative_id,))
    assert "moov atom" in text(auditor.get(job))
    assert "moov atom" not in text(librarian.get(job))
    assert librarian.get(reverse("admin:failures")).status_code == 403


def test_the_list_is_filtered(file: File) -> None:
    made = failed(file)
    operator = staff("operator")
    for given, there in (
        ({"outcome": "failed"}, True),
        ({"outcome": "ready"}, False),
        ({"worker": "heavy@box"}, True),
        ({"deriver": "fussy"}, False),
        ({"q": "nothing like it"}, False),
        ({"q": str(made.pk)}, True),
    ):
        assert (str(made.pk) in text(operator.get(reverse(LIST), given))) is there, given


def test_the_search_reads_an_index(file: File) -> None:
    failed(file)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
    page: Any = admin.site.get_model_admin(Attempt)
    rows = page.named(Attempt.objects.all(), "moov atom", ["error_message", "error_detail"])
    assert "attempt_by_words_said" in rows.explain()


def test_the_list_costs_the_same_whatever_its_length(file: File) -> None:
    operator = staff("operator")
    costs = []
    for _ in range(2):
        for _ in range(5):
            failed(file)
        operator.get(reverse(LIST))
        with CaptureQueriesContext(connection) as queries:
            operator.get(reverse(LIST))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def act(client: Client, model: Any, action: str, keys: Any, query: str = "", **given: Any) -> Any:
    address = reverse(f"admin:media_{model._meta.model_name}_changelist") + query
    return client.post(address, {"action": action, ACTION_CHECKBOX_NAME: [str(key) for key in keys], **given})


def test_jobs_are_reprocessed_and_stopped_with_an_entry(file: File) -> None:
    operator = staff("operator")
    keys = list(Derivative.objects.values_list("pk", flat=True))
    act(operator, Derivative, "reprocess", keys)
    assert set(Derivative.objects.values_list("status", flat=True)) == {"queued"}
    asked = act(operator, Derivative, "cancel", keys)
    assert "Stop 2 jobs?" in text(asked)
    assert not Derivative.objects.filter(status="failed").exists()
    act(operator, Derivative, "cancel", keys, sure="yes")
    assert set(Derivative.objects.values_list("error_code", flat=True)) == {"cancelled"}
    told = AuditEntry.objects.filter(action__startswith="derivatives.").order_by("id")
    assert list(told.values_list("action", "count")) == [
        ("derivatives.reprocess", 2),
        ("derivatives.cancel", 2),
    ]


def test_many_jobs_are_handed_to_the_page_for_many(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "BATCH", 1)
    operator = staff("operator")
    keys = list(Derivative.objects.values_list("pk", flat=True))
    sent = act(operator, Derivative, "reprocess", keys, "?status__exact=ready", select_across="1")
    assert sent["Location"] == reverse("admin:reprocess") + "?status=ready&act=reprocess"
    everything = act(operator, Derivative, "cancel", keys, select_across="1")
    assert "everything=yes" in everything["Location"]
    act(operator, Derivative, "reprocess", keys, "?part=no", select_across="1")
    assert not Derivative.objects.exclude(requested_version=1).exists()
    assert not AuditEntry.objects.filter(action__startswith="derivatives.").exists()


def test_the_answer_about_a_thousand_rows_is_taken(file: File) -> None:
    keys = [*Derivative.objects.values_list("pk", flat=True), *(uuid4() for _ in range(BATCH - 2))]
    assert len(keys) == BATCH
    Derivative.objects.update(status="queued")
    assert act(staff("operator"), Derivative, "cancel", keys, sure="yes").status_code == 302
    assert set(Derivative.objects.values_list("error_code", flat=True)) == {"cancelled"}


@pytest.mark.parametrize("model", [File, Original])
def test_files_are_set_aside_and_released(file: File, model: Any) -> None:
    operator, key = staff("operator"), file.pk if model is File else file.original_id
    asked = act(operator, model, "hold", [key])
    assert "Set 1 aside?" in text(asked)
    assert not Original.objects.filter(held_at__isnull=False).exists()
    act(operator, model, "hold", [key], sure="yes", reason="")
    assert not Original.objects.filter(held_at__isnull=False).exists()
    act(operator, model, "hold", [key], sure="yes", reason="Somebody complained.")
    assert Original.objects.get().held_reason == "Somebody complained."
    shown = text(operator.get(reverse(f"admin:media_{model._meta.model_name}_change", args=(key,))))
    assert "by operator@example.org: Somebody complained." in shown
    act(operator, model, "release", [key])
    assert Original.objects.get().held_at is None
    told = (
        AuditEntry.objects.filter(action__startswith="files.").order_by("id").values_list("action", flat=True)
    )
    assert list(told) == ["files.hold", "files.release"]


def test_auditors_may_not_act(file: File) -> None:
    auditor = staff("auditor")
    act(auditor, Original, "hold", [file.original_id], sure="yes", reason="x")
    act(auditor, Derivative, "reprocess", Derivative.objects.values_list("pk", flat=True))
    assert not Original.objects.filter(held_at__isnull=False).exists()
    assert not Derivative.objects.exclude(requested_version=1).exists()


def test_what_killed_five_workers_is_shown_and_released_by_reprocessing(file: File) -> None:
    Derivative.objects.filter(deriver="echo").update(
        status="failed",
        error_code="quarantined",
        error_message="The worker died 5 times.",
        finished_at=timezone.now(),
    )
    operator = staff("operator")
    assert "quarantined" in text(operator.get(reverse("admin:failures")))
    assert admin.site.is_registered(Derivative)
    assert selecting.count("reprocess", selecting.Selection(error_code="quarantined")) == 1
    operator.post(reverse("admin:reprocess"), {"error_code": "quarantined", "seen": "1"})
    row = Derivative.objects.get(deriver="echo")
    assert (row.status, row.lost_claims, row.error_code) == ("queued", 0, "")
