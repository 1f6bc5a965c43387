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
from tests.afresh import afresh
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
    first, *others = grouping.find_groups().groups
    assert (first.failure, first.error_code, first.deriver) == ("moov atom not found", "damaged_file", "echo")
    assert (first.jobs, first.files, first.file_name) == (3, 1, "a.png")
    assert first.first_at < first.last_at
    assert Derivative.objects.get(pk=first.example).variant == "v2"
    assert len(others) == 2
    assert len(grouping.find_groups(2).groups) == 2


def test_parts_are_told_through_their_parent(original: Original) -> None:
    parent = fail(original, "a", "Damaged.")
    fail(original, "p1", "Damaged.", parent=parent, deriver="fussy1")
    assert [group.deriver for group in grouping.find_groups().groups] == ["echo"]


def links_of_groups(shown: str) -> list[str]:
    """Of each group: its rows, the question whether to accept it, the question whether to make it anew."""
    return [
        piece.split('"')[0].replace("&amp;", "&")
        for piece in shown.split('href="')
        if "failure=" in piece[:300]
    ]


def test_the_page_leads_to_rows_and_to_reprocessing(original: Original) -> None:
    operator = staff("operator")
    assert "Nothing has failed" in text(operator.get(reverse("admin:failures")))
    row = fail(original, "a", "Damaged.", "<b>moov</b> atom not found in '/x/y.mp4'")
    shown = text(operator.get(reverse("admin:failures")))
    assert "&lt;b&gt;moov&lt;/b&gt; atom not found in …" in shown
    links = [part.split('"')[0].replace("&amp;", "&") for part in shown.split('class="ops-button')[1:]]
    assert len(links) >= 1
    rows_at, accept_at, again_at = links_of_groups(shown)[:3]
    assert str(row.pk) in text(operator.get(rows_at))
    assert "Yes, accept 1" in text(operator.get(accept_at))
    assert "Yes, reprocess 1" in text(operator.get(again_at))


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
    afresh((Library,))
    libraries()
    fill(Derivative, 3000)
    given: dict[str, int | str] = {"limit": 100, "kinds": 100, "counted": 100, "deriver": "echo"}
    for kinds in (grouping.WALK, grouping.COUNT):
        for deriver in ("", "echo"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {grouping.statement(kinds, deriver)}", given)
                plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "derivative_by_trouble" in plan, plan


def test_a_large_group_is_told_as_a_bound(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "COUNTED", 3)
    for number in range(5):
        fail(original, f"v{number}", "Damaged.")
    fail(original, "other", "Something else.")
    shown = text(staff("operator").get(reverse("admin:failures")))
    assert "Over 4 jobs in 2 groups" in shown
    assert "1 or more <small>over 3 jobs</small>" in shown


@pytest.fixture
def many_kinds(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than are walked through; the largest is the last by its letters."""
    monkeypatch.setattr(grouping, "KINDS", 3)
    for number, word in enumerate(("alpha", "beta", "gamma", "delta")):
        fail(original, f"v{number}", f"{word}: an odd thing")
    for number in range(10):
        fail(original, f"z{number}", "zlib: incorrect header check")


def test_the_largest_of_many_kinds_are_the_largest(many_kinds: None) -> None:
    found = grouping.find_groups(2)
    assert not found.partly
    assert [group.jobs for group in found.groups] == [10, 1]
    assert found.groups[0].failure == "zlib: incorrect header check"
    page = text(staff("operator").get(reverse("admin:failures")))
    assert "14 jobs in 5 groups" in page
    assert 'id="partly"' not in page


def test_where_not_all_kinds_could_be_compared_the_page_says_so(
    many_kinds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = "kinds AS (SELECT '' AS deriver, '' AS failure, '' AS error_code, 0 AS place FROM pg_sleep(20))"
    monkeypatch.setattr(grouping, "COUNT", late)
    monkeypatch.setattr(grouping, "COUNT_MILLISECONDS", 50)
    page = text(staff("operator").get(reverse("admin:failures")))
    assert "these are the largest of the first 3 kinds, by deriver and by their letters" in page
    assert "Larger ones may be behind them." in page
    assert "zlib" not in page


def test_one_deriver_alone_is_shown(original: Original) -> None:
    fail(original, "a", "one odd thing")
    fail(original, "b", "another strange thing", deriver="fussy")
    client = staff("operator")
    page = text(client.get(reverse("admin:failures"), {"deriver": "fussy"}))
    assert "another strange thing" in page
    assert "one odd thing" not in page
    assert "Of the deriver fussy." in page
    assert "Nothing of hover has failed" in text(client.get(reverse("admin:failures"), {"deriver": "hover"}))
    assert client.get("/admin/failures?deriver=%00").status_code == 400


def test_a_group_is_accepted_and_taken_back(original: Original) -> None:
    for number in range(3):
        fail(original, f"v{number}", "moov atom not found")
    fail(original, "x", "Something else.")
    client = staff("operator")
    page = reverse("admin:failures")
    accept_at = next(
        one for one in links_of_groups(text(client.get(page))) if "act=accept" in one and "moov" in one
    )
    chosen = client.get(accept_at).context["chosen"]
    assert chosen["count"] == 3
    done = client.post(reverse("admin:reprocess"), {**chosen["fields"], "seen": "3"}, follow=True)
    assert "3 jobs are accepted." in text(done)
    assert AuditEntry.objects.get(action="derivatives.accept").count == 3
    shown = text(client.get(page))
    assert "1 job in 1 group" in shown
    assert "3 failures are accepted and not among these." in shown
    rows_at = shown.split('id="accepted"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    listed = client.get(rows_at).context["cl"].result_list
    assert {row.variant for row in listed} == {"v0", "v1", "v2"}
    others = client.get(reverse("admin:media_derivative_changelist"), {"accepted": "no", "status": "failed"})
    assert {row.variant for row in others.context["cl"].result_list} == {"x"}
    back = {"act": "unaccept", "accepted": "yes", "seen": "3"}
    assert "counted as failures again" in text(client.post(reverse("admin:reprocess"), back, follow=True))
    assert "4 jobs in 2 groups" in text(client.get(page))
    wrong = client.get(reverse("admin:reprocess"), {"act": "accept", "accepted": "perhaps"})
    assert "said by yes or no" in text(wrong)


def test_who_may_accept(original: Original, client: Client, alice: Any) -> None:
    row = fail(original, "a", "Damaged.")
    given = {"act": "accept", "status": "failed", "seen": "1"}
    auditor = staff("auditor")
    assert "act=accept" not in text(auditor.get(reverse("admin:failures")))
    assert auditor.post(reverse("admin:reprocess"), given).status_code == 403
    client.force_login(alice)
    assert client.post(reverse("admin:reprocess"), given).status_code == 302
    row.refresh_from_db()
    assert row.accepted_at is None


def test_one_job_is_accepted_on_its_page_after_a_question(original: Original) -> None:
    row = fail(original, "a", "Damaged.")
    client = staff("operator")
    page = reverse("admin:media_derivative_change", args=(row.pk,))
    rows = reverse("admin:media_derivative_changelist")
    for act, question, label in (
        ("accept", "Accept that 1 job failed?", "Count as a failure again"),
        ("unaccept", "Count 1 job as failures again?", "Accept"),
    ):
        given = {"action": act, "_selected_action": str(row.pk), "back": page}
        assert question in text(client.post(rows, given))
        assert client.post(rows, {**given, "sure": "yes"})["Location"] == page
        assert [
            one.label for one in client.get(page).context["offers"] if one.action in {"accept", "unaccept"}
        ] == [label]
        row.refresh_from_db()
        assert (row.accepted_at is not None) == (act == "accept")
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "derivatives.accept",
        "derivatives.unaccept",
    ]


@pytest.mark.django_db(transaction=True)
def test_groups_that_take_too_long_are_told_in_a_sentence(
    original: Original, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        grouping,
        "WALK",
        "kinds AS (SELECT '' AS deriver, '' AS failure, '' AS error_code, 0 AS place FROM pg_sleep(20))",
    )
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
