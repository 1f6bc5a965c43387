"""What is due, and since when: the page, the dashboard, the metrics and the doctor say the same."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alcoves import figures
from alcoves.alerts.rules import work
from alcoves.console.dashboard import queues
from alcoves.doctor import running
from alcoves.metrics import figures as families
from media import backlog, controls
from media.audit import SYSTEM
from media.models import Derivative, File, Library, Original
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.console.test_long_lists import rows_read

pytestmark = pytest.mark.django_db
OLD = timedelta(days=40)


def queued(library: Library, count: int = 1, **about: Any) -> list[Derivative]:
    of = [row.original for row in made_up.files(library, count)]
    return made_up.derivatives(of, status="queued", **{"queued_at": timezone.now() - OLD, **about})


def in_the_trash(library: Library) -> None:
    (row,) = queued(library)
    File.objects.filter(original=row.original_id).update(trashed_at=timezone.now())


def set_aside(library: Library) -> None:
    (row,) = queued(library)
    Original.objects.filter(pk=row.original_id).update(held_at=timezone.now(), held_reason="odd")


def later(library: Library) -> None:
    queued(library, not_before=timezone.now() + timedelta(hours=1))


def of_a_parent_that_ended(library: Library) -> None:
    (row,) = queued(library)
    (parent,) = made_up.derivatives([row.original], "hover")
    Derivative.objects.filter(pk=row.pk).update(parent=parent)


def measured(name: str, **labels: str) -> float:
    found = [
        value
        for family, keys, value in figures.ledger()
        if family.name == name and dict(zip(family.labels, keys, strict=True)) == labels
    ]
    (value,) = found
    return value


def on_the_dashboard() -> dict[str, Any]:
    found = [one for one in queues.report()["queues"] if one["queue"] == "thumbnail"]
    json.dumps(found)
    line: dict[str, Any] = found[0]
    return line


@pytest.mark.parametrize("rest", [in_the_trash, set_aside, later, of_a_parent_that_ended])
def test_what_nobody_shall_do_now_is_not_due_anywhere(
    library: Library, rest: Callable[[Library], None]
) -> None:
    rest(library)
    state = "delayed" if rest is later else "asleep"
    (found,) = [one for one in backlog.find().queues if one.name == "thumbnail"]
    assert (found.rows, found.due, found.oldest) == (1, 0, None)
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="due") == 0
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state=state) == 1
    assert measured(families.QUEUE_OLDEST.name, queue="thumbnail") == 0
    assert (on_the_dashboard()["due"], on_the_dashboard()["oldestSeconds"]) == (0, None)
    assert not any("oldest job" in one.sentence for one in running.check_queues())
    queued(library, 2, queued_at=timezone.now() - timedelta(hours=3))
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="due") == 2
    assert 10_800 <= measured(families.QUEUE_OLDEST.name, queue="thumbnail") < 10_900
    assert on_the_dashboard()["due"] == 2
    assert 10_800 <= on_the_dashboard()["oldestSeconds"] < 10_900
    assert any("the oldest job since 3 hours" in one.sentence for one in running.check_queues())


def test_a_paused_queue_is_not_late(library: Library) -> None:
    queued(library, 3)
    controls.pause("thumbnail", by=SYSTEM, reason="the disk is moved")
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="due") == 0
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="paused") == 3
    assert measured(families.QUEUE_OLDEST.name, queue="thumbnail") == 0
    told = on_the_dashboard()
    assert (told["waiting"], told["due"], told["pause"]["reason"]) == (3, 0, "the disk is moved")
    assert told["oldestSeconds"] > OLD.total_seconds() - 5
    assert not any("oldest job" in one.sentence for one in running.check_queues())


def test_work_that_waits_for_its_parts_does_not_run(library: Library) -> None:
    of = made_up.originals(library, 2)
    made_up.derivatives(
        of[:1], "proxy", status="processing", parts_left=4, lease_owner="", lease_expires_at=None
    )
    made_up.derivatives(of[1:], "proxy", status="processing")
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="divided") == 1
    assert measured(families.JOBS_ACTIVE.name, queue="thumbnail") == 1
    assert on_the_dashboard()["running"] == 1


def test_one_that_is_due_is_found_behind_many_that_are_not(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 5)
    queued(library, 20, not_before=timezone.now() + timedelta(hours=1))
    assert on_the_dashboard()["due"] == 0
    queued(library, 1, queued_at=timezone.now() - timedelta(hours=3))
    assert (on_the_dashboard()["due"], on_the_dashboard()["dueExact"]) == (16, False), (
        "A bound, and it says so."
    )
    assert 10_800 <= on_the_dashboard()["oldestSeconds"] < 10_900
    (told,) = work.waiting()
    assert told.sentence.startswith("up to 16 jobs are due in queue thumbnail, the oldest for 3 hours")
    monkeypatch.setattr(backlog, "LOOKED_AT", 50)
    assert (on_the_dashboard()["due"], on_the_dashboard()["dueExact"]) == (1, True)
    (told,) = work.waiting()
    assert told.sentence.startswith("1 job is due in queue thumbnail")


@pytest.fixture
def many_asleep(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before those that are due lie more than anybody passes over."""
    monkeypatch.setattr(backlog, "LOOKED_AT", 2)
    monkeypatch.setattr(backlog, "LOOKED_FOR", 5)
    rows = queued(library, 10)
    File.objects.filter(original__in=[row.original_id for row in rows]).update(trashed_at=timezone.now())


def test_due_work_is_found_behind_more_than_are_passed_over(library: Library, many_asleep: None) -> None:
    assert (on_the_dashboard()["due"], on_the_dashboard()["dueExact"]) == (0, True)
    assert list(work.waiting()) == []
    queued(library, 3, queued_at=timezone.now() - timedelta(hours=30))
    told = on_the_dashboard()
    assert (told["due"], told["dueExact"]) == (3, True)
    assert 108_000 <= told["oldestSeconds"] < 108_100
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="due") == 3
    assert measured(families.QUEUE_TASKS.name, queue="thumbnail", state="asleep") == 10
    (trouble,) = work.waiting()
    assert trouble.sentence.startswith("3 jobs are due in queue thumbnail, the oldest for 1 day, and none")


def test_what_could_not_be_seen_is_told_as_unknown(
    library: Library, many_asleep: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(library, 3, queued_at=timezone.now() - timedelta(hours=30))
    monkeypatch.setattr(backlog, "SEARCH", "SELECT pg_sleep(20), %(names)s::text[]")
    monkeypatch.setattr(backlog, "SEARCH_MILLISECONDS", 50)
    told = on_the_dashboard()
    assert (told["due"], told["dueExact"], told["oldestSeconds"]) == (11, False, None)
    (trouble,) = work.waiting()
    assert trouble.sentence == (
        "up to 11 jobs are due in queue thumbnail, it took too long to see whether any is, and none is started. "
        "Look whether its worker is there and takes work."
    )
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_a_long_queue_is_not_read_from_end_to_end(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LOOKED_AT", 20)
    monkeypatch.setattr(work, "MANY", 20)
    queued(library, 4000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE media_derivative, media_file, media_original")
    with CaptureQueriesContext(connection) as captured:
        list(figures.ledger())
        list(running.check_queues())
    asked = [one["sql"] for one in captured if "media_derivative" in one["sql"]]
    assert asked
    assert max((rows_read(sql), sql) for sql in asked)[0] < 200
