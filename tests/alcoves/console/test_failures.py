"""Failures by what was said: one line for one trouble, whatever the names and numbers in it."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from alcoves.console.dashboard import figures
from media import grouping
from media.models import AuditEntry, Derivative, Library, Original
from media.selecting import Selection
from tests.alcoves.console.filling import fill, libraries
from tests.alcoves.console.test_reprocess import staff, text
from tests.derivers import TABLE
from tests.ingesting import take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture(autouse=True)
def derivers(settings: Any) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("echo", "fussy")}


@pytest.fixture
def original(library: Library) -> Original:
    return take_in(library, PNG, "a.png").file.original


def fail(original: Original, variant: str, message: str, detail: str = "", **more: Any) -> Derivative:
    row: Derivative = Derivative.objects.create(
        original=original,
        deriver=more.pop("deriver", "echo"),
        variant=variant,
        queue="metadata",
        status="failed",
        error_code=more.pop("error_code", "damaged_file"),
        error_message=message,
        error_detail=detail,
        queued_at=timezone.now(),
        finished_at=timezone.now(),
        **more,
    )
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    ("message", "detail", "key"),
    [
        ("The file is damaged.", "", "The file is damaged."),
        (
            "Damaged.",
            "[mov,mp4,m4a @ 0x55d0c1] moov atom not found\n/a/b.mp4: Invalid data",
            "moov atom not found",
        ),
        (
            "Damaged.",
            "frame= 12 fps=3\n[h264 @ 0x1] error while decoding MB 12 7",
            "error while decoding MB # #",
        ),
        ("It took 12.5 s, more than 10 s.", "", "It took # s, more than # s."),
        ("x", "KeyError('holiday 2019.jpg')", "KeyError(…)"),
        ("x", "file:/var/lib/alcoves/s-1/source: No such file", "…: No such file"),
        ("x", "key 0190f3a2-0000-7000-8000-000000000001 is missing", "key # is missing"),
        ("x", "digest deadbeef12345678 cannot be read", "digest # cannot be read"),
        ("x", "said\nnothing of use\n\n", "nothing of use"),
        ("", "", ""),
    ],
)
def test_names_and_numbers_are_taken_out(original: Original, message: str, detail: str, key: str) -> None:
    assert fail(original, "a", message, detail).failure == key


def test_the_key_goes_with_the_failure(original: Original) -> None:
    row = fail(original, "a", "It is broken.")
    Derivative.objects.filter(pk=row.pk).update(status="queued", error_code="", error_message="")
    row.refresh_from_db()
    assert row.failure == ""
    row.status, row.error_code, row.error_message = "failed", "broken", "It is broken anew."
    row.save()
    row.refresh_from_db()
    assert row.failure == "It is broken anew."


def test_groups_are_counted_with_an_example(original: Original) -> None:
    for number in range(3):
        fail(original, f"v{number}", "Damaged.", f"[mov @ 0x{number}] moov atom not found")
    fail(original, "other", "Damaged.", "something else failed")
    fail(original, "v0", "Damaged.", "moov atom not found", deriver="fussy0")
    first, *others = grouping.find_groups()
    assert (first.failure, first.error_code, first.deriver) == ("moov atom not found", "damaged_file", "echo")
    assert (first.jobs, first.files, first.file_name) == (3, 1, "a.png")
    assert first.first_at < first.last_at
    assert Derivative.objects.get(pk=first.example).variant == "v2"
    assert len(others) == 2
    assert len(grouping.find_groups(2)) == 2


def test_parts_are_told_through_their_parent(original: Original) -> None:
    parent = fail(original, "a", "Damaged.")
    fail(original, "p1", "Damaged.", parent=parent, deriver="fussy1")
    assert [group.deriver for group in grouping.find_groups()] == ["echo"]


def test_the_page_leads_to_rows_and_to_reprocessing(original: Original) -> None:
    operator = staff("operator")
    assert "Nothing has failed" in text(operator.get(reverse("admin:failures")))
    row = fail(original, "a", "Damaged.", "<b>moov</b> atom not found in '/x/y.mp4'")
    shown = text(operator.get(reverse("admin:failures")))
    assert "&lt;b&gt;moov&lt;/b&gt; atom not found in …" in shown
    links = [part.split('"')[0].replace("&amp;", "&") for part in shown.split('class="ops-button')[1:]]
    assert len(links) >= 1
    hrefs = [
        piece.split('"')[0].replace("&amp;", "&")
        for piece in shown.split('href="')
        if "failure=" in piece[:300]
    ]
    rows_at, again_at = hrefs[:2]
    assert str(row.pk) in text(operator.get(rows_at))
    assert "1 jobs:" in text(operator.get(again_at))


def test_it_costs_the_same_whatever_their_number(original: Original) -> None:
    operator = staff("operator")
    words = ["red", "green", "blue", "black", "white", "grey", "brown", "pink"]
    costs = []
    for some in (words[:2], words[2:]):
        for word in some:
            fail(original, word, f"The {word} is broken.")
        operator.get(reverse("admin:failures"))
        with CaptureQueriesContext(connection) as queries:
            operator.get(reverse("admin:failures"))
        costs.append(len(queries))
    assert costs[0] == costs[1]


def test_the_groups_come_from_the_index(db: None) -> None:
    libraries()
    fill(Derivative, 3000)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + grouping.GROUPS, {"limit": 100, "kinds": 100, "counted": 100})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "derivative_by_failure" in plan, plan


def test_a_large_group_is_told_as_a_bound(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "COUNTED", 3)
    for number in range(5):
        fail(original, f"v{number}", "Damaged.")
    fail(original, "other", "Something else.")
    shown = text(staff("operator").get(reverse("admin:failures")))
    assert "Over 4 jobs in 2 groups" in shown
    assert "1 or more <small>over 3 jobs</small>" in shown
    monkeypatch.setattr(grouping, "KINDS", 1)
    assert len(grouping.find_groups()) == 1


@pytest.mark.django_db(transaction=True)
def test_groups_that_take_too_long_are_told_in_a_sentence(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "GROUPS", "SELECT pg_sleep(20)")
    monkeypatch.setattr(figures, "LIMIT_SECONDS", 0.2)
    operator = staff("operator")
    assert "took longer than" in text(operator.get(reverse("admin:failures")))


def test_who_may_see_it(original: Original, client: Client, alice: Any) -> None:
    assert staff("auditor").get(reverse("admin:failures")).status_code == 200
    client.force_login(alice)
    assert client.get(reverse("admin:failures")).status_code == 302


def test_the_group_that_said_nothing_means_itself_alone(original: Original) -> None:
    silent = fail(original, "v0", "", failure="")
    fail(original, "v1", "Damaged.")
    Derivative.objects.filter(pk=silent.pk).update(failure="")
    client = staff("operator")
    groups = client.get(reverse("admin:failures")).context["groups"]
    address = next(one["again"] for one in groups if not one["group"].failure)
    looked = client.get(address + "&act=reprocess")
    chosen = looked.context["chosen"]
    assert chosen["count"] == 1
    client.post(reverse("admin:reprocess"), {**chosen["fields"], "seen": "1"})
    queued = Derivative.objects.filter(status="queued", requested_version=2)
    assert list(queued) == [silent]
    assert "(nothing was said)" in AuditEntry.objects.get().text
    selection = Selection(failure="")
    assert Selection.from_json(selection.as_json()) == selection != Selection()
    both = client.get(reverse("admin:reprocess"), {"silent": "yes", "failure": "Damaged."})
    assert "Choose either what was said" in text(both)
