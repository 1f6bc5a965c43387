"""Every figure, against made-up rows whose answer is known."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alcoves import figures as scraped
from alcoves.alerts.rules import blobs, work
from alcoves.backup.models import Backup, Finding, Look
from alcoves.console.dashboard import figures, queues, tasks, warnings
from alcoves.console.dashboard.figures import FIGURES, Asked
from alcoves.queues import QUEUES
from media import backlog, controls, dispatch, grouping, tallies, workers
from media.audit import SYSTEM
from media.models import Control, Derivative, File, Folder, Library, Original, Tally
from media.workers import Report, Running
from ml.models import Download
from storage.registry import get_store
from tests.alcoves.console.dashboard import made_up
from tests.alcoves.console.test_long_lists import rows_read

pytestmark = pytest.mark.django_db


def taken(name: str, **asked: Any) -> Any:
    answer = figures.answer(name, Asked(**asked))
    assert answer.message == ""
    json.dumps(answer.data)
    return answer.data


def line(rows: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    return next(row for row in rows if row[key] == value)


def test_every_figure_answers_on_an_empty_installation(db: None) -> None:
    for figure in FIGURES:
        answer = figures.answer(figure.name)
        assert answer.message == "", figure.name
        assert json.dumps(answer.data)


def test_at_a_glance(library: Library) -> None:
    rows = made_up.files(library, 5, size=100)
    File.objects.filter(pk=rows[0].pk).update(trashed_at=timezone.now())
    Original.objects.filter(pk=rows[1].original_id).update(held_at=timezone.now(), held_reason="odd")
    of = [row.original for row in rows]
    made_up.derivatives(of, outputs=[{"name": "poster", "key": "k", "size": 7}])
    made_up.derivatives(of[:2], "hover", status="failed")
    Folder.objects.create(library=library, name="Trips")
    Folder.objects.create(library=library, name="Old trips", trashed_at=timezone.now())
    told = taken("overview")
    assert told["folders"] == 1
    assert told["files"] == {"live": 3, "trashed": 1, "held": 1}
    assert (told["originals"], told["libraries"], told["users"]) == (5, 1, 2)
    assert told["bytes"] == {"originals": 500, "derivatives": 35, "imageCache": 0}
    assert told["jobs"] == {"queued": 0, "processing": 0, "ready": 5, "not_needed": 0, "failed": 2}


def test_types(library: Library) -> None:
    made_up.files(library, 3)
    made_up.files(library, 2, mime="video/mp4", kind="video")
    gone = made_up.files(library, 1, mime="audio/flac", kind="audio")
    File.objects.filter(pk=gone[0].pk).update(trashed_at=timezone.now())
    told = taken("types")
    assert told["types"] == [
        {"type": "image/jpeg", "kind": "image", "files": 3},
        {"type": "video/mp4", "kind": "video", "files": 2},
    ]
    assert told["kinds"] == [{"kind": "image", "files": 3}, {"kind": "video", "files": 2}]
    assert line(told["states"], "state", "trashed")["files"] == 1


def test_many_types_end_in_others(library: Library) -> None:
    for number in range(33):
        made_up.files(library, 1, mime=f"image/x-{number}")
    told = taken("types")
    assert (len(told["types"]), told["others"]) == (30, 3)


def test_statuses(library: Library) -> None:
    of = made_up.originals(library, 4)
    made_up.derivatives(of[:1])
    made_up.derivatives(of[1:], status="queued")
    made_up.derivatives(of[:2], "hover", status="failed")
    told = taken("statuses")
    assert [row["deriver"] for row in told["derivers"]] == ["hover", "poster"]
    assert line(told["derivers"], "deriver", "poster") == {
        "deriver": "poster",
        "queued": 3,
        "processing": 0,
        "ready": 1,
        "not_needed": 0,
        "failed": 0,
        "total": 4,
    }
    assert told["statuses"]["failed"] == 2


def test_storage_by_library_part_and_kind(library: Library) -> None:
    other = Library.objects.create(name="Work")
    of = made_up.originals(library, 2, size=100)
    made_up.originals(other, 1, size=5000, kind="video", mime="video/mp4")
    made_up.derivatives(
        of, outputs=[{"name": "a", "key": "a", "size": 3}, {"name": "b", "key": "b", "size": 4}]
    )
    get_store("avatars").put("somebody/avatar.webp", [b"x" * 55])
    assert "not counted yet" in taken("storage")["notes"][0]
    assert tasks.count_avatars() == 55
    told = taken("storage")
    assert told["notes"] == []
    assert [(row["name"], row["total"]) for row in told["libraries"]] == [("Work", 5000), ("Family", 214)]
    assert told["libraries"][1] == {
        "id": str(library.pk),
        "name": "Family",
        "originals": 200,
        "derivatives": 14,
        "imageCache": 0,
        "total": 214,
        "kinds": [{"kind": "image", "bytes": 200}],
    }
    assert told["kinds"] == [{"kind": "video", "bytes": 5000}, {"kind": "image", "bytes": 200}]
    assert told["derivers"] == [{"deriver": "poster", "bytes": 14}]
    assert line(told["parts"], "part", "avatars")["bytes"] == 55


def test_many_libraries_end_in_others(library: Library) -> None:
    for number in range(23):
        made_up.originals(Library.objects.create(name=f"No {number}"), 1, size=100 + number)
    told = taken("storage")["libraries"]
    assert len(told) == 21
    assert told[-1]["name"] == "3 others"
    assert told[-1]["total"] == 100 + 101 + 102
    assert told[-1]["kinds"] == [{"kind": "image", "bytes": 100 + 101 + 102}]


def test_uploads_by_day_and_what_lay_there(library: Library) -> None:
    day = timezone.now() - timedelta(days=3)
    tallies.fold()
    of = made_up.files(library, 2, size=100)
    Tally.objects.create(topic="added", keys=[tallies.day_of(day)], number=4, amount=999)
    Tally.objects.create(topic="growth", keys=[tallies.day_of(day)], number=1, amount=40)
    told = taken("uploads", days=5)
    assert [row["files"] for row in told["days"]] == [0, 4, 0, 0, 2]
    assert [row["stored"] for row in told["days"]] == [0, 40, 0, 0, 200]
    assert [row["cumulative"] for row in told["days"]] == [-40, 0, 0, 0, 200]
    assert told["days"][1]["bytes"] == 999
    assert told["files"] == 6
    assert of[0].original.size * 2 == told["days"][-1]["cumulative"]


def test_throughput_by_hour(db: None) -> None:
    made_up.ended("poster", "ready", 10, seconds=2)
    made_up.ended("poster", "failed", 2, hours_ago=1)
    made_up.ended("hover", "not_needed", 1, hours_ago=23)
    made_up.ended("hover", "ready", 50, hours_ago=24)
    made_up.ended("hover", "retried", 7)
    told = taken("throughput")
    assert len(told["hours"]) == 24
    poster, hover = told["derivers"]
    assert (poster["deriver"], poster["total"], poster["counts"][-2:]) == ("poster", 12, [2, 10])
    assert poster["meanSeconds"] == round(22 / 12, 3)
    assert (hover["total"], hover["counts"][0]) == (1, 1)
    assert told["outcomes"] == {"ready": 10, "retried": 7, "failed": 2, "not_needed": 1}


def test_failure_rates_of_a_day_and_a_week(db: None) -> None:
    made_up.ended("poster", "failed", 1)
    made_up.ended("poster", "ready", 3)
    made_up.ended("poster", "cancelled", 9)
    made_up.ended("poster", "failed", 5, hours_ago=48)
    made_up.ended("poster", "lost", 2, hours_ago=48)
    made_up.ended("hover", "ready", 5, hours_ago=150)
    made_up.ended("hover", "failed", 5, hours_ago=200)
    first, second = taken("failures")["derivers"]
    assert first["deriver"] == "poster"
    assert first["day"] == {"ended": 4, "failed": 1, "sentBack": 0, "rate": 0.25}
    assert first["week"] == {"ended": 9, "failed": 6, "sentBack": 2, "rate": 0.6667}
    assert second["week"] == {"ended": 5, "failed": 0, "sentBack": 0, "rate": 0.0}


def test_queues_and_lanes(library: Library) -> None:
    of = [row.original for row in made_up.files(library, 4)]
    old = timezone.now() - timedelta(hours=2)
    made_up.derivatives(of[:3], status="queued", queued_at=old)
    made_up.derivatives(of[:1], "hover", status="processing")
    made_up.derivatives(
        *(of[:1], "preview"),
        status="queued",
        queued_at=old - timedelta(days=1),
        not_before=timezone.now() + timedelta(hours=1),
    )
    dispatch.redis_client().rpush("thumbnail", "a", "b")
    controls.pause("thumbnail", by=SYSTEM, reason="the disk is being moved")
    told = taken("queues")
    assert [row["queue"] for row in told["queues"]] == [queue.name for queue in QUEUES]
    found = line(told["queues"], "queue", "thumbnail")
    assert (found["waiting"], found["running"], found["messages"]) == (4, 1, 2)
    assert 7200 <= found["oldestSeconds"] < 7300
    assert (found["pause"]["reason"], found["pause"]["by"]) == ("the disk is being moved", "system")
    lane = line(told["lanes"], "lane", "interactive")
    assert (lane["waiting"], lane["messages"], lane["pause"]) == (4, 2, None)
    assert line(told["lanes"], "lane", "heavy")["oldestSeconds"] is None


def test_what_waits_for_a_file_in_the_trash_is_not_the_oldest(library: Library) -> None:
    (row,) = made_up.files(library, 1)
    made_up.derivatives([row.original], status="queued")
    File.objects.update(trashed_at=timezone.now())
    assert line(taken("queues")["queues"], "queue", "thumbnail")["oldestSeconds"] is None


def report(name: str, *, seen: float, running: tuple[Running, ...] = ()) -> Report:
    now = timezone.now().timestamp()
    return Report(
        name=name,
        lane="all",
        host="here",
        pid=7,
        version="1",
        slots=4,
        began=now - 900,
        seen=now - seen,
        running=running,
    )


def test_workers_and_what_they_do(library: Library) -> None:
    (row,) = made_up.derivatives(made_up.originals(library, 1), status="processing", progress=40)
    since = timezone.now().timestamp() - 12
    busy = report(
        "all@here", seen=1, running=(Running("media.derive", "t", "thumbnail", since, str(row.pk)),)
    )
    workers.tell(busy)
    workers.write(busy)
    workers.write(report("old@there", seen=900))
    told = taken("workers")
    assert told["alive"] == 1
    first, second = told["workers"]
    assert (first["name"], first["state"], second["state"]) == ("all@here", "alive", "offline")
    (doing,) = first["doing"]
    assert (doing["deriver"], doing["progress"], doing["queue"]) == ("poster", 40, "thumbnail")
    assert 11 < doing["seconds"] < 60
    assert str(row.pk) in doing["link"]
    assert taken("overview")["workers"] == 1


def test_slowest_now_and_of_the_day(library: Library) -> None:
    now = timezone.now()
    of = made_up.originals(library, 14)
    for number, original in enumerate(of[:12]):
        made_up.derivatives([original], started_at=now - timedelta(seconds=number + 1), finished_at=now)
    made_up.derivatives([of[12]], started_at=now - timedelta(days=3), finished_at=now - timedelta(hours=25))
    made_up.derivatives([of[13]], "proxy", status="processing", started_at=now - timedelta(hours=1))
    told = taken("slowest")
    assert [row["seconds"] for row in told["day"]] == [float(12 - place) for place in range(10)]
    (running,) = told["now"]
    assert running["deriver"] == "proxy"
    assert 3600 <= running["seconds"] < 3700


def test_this_machine(library: Library, settings: Any) -> None:
    settings.IMAGE_CACHE_MAX_BYTES = 1000
    (original,) = made_up.originals(library, 1)
    original.cached_images.create(key="k", size=250, variants_version=2, used_at=timezone.now())
    told = taken("machine")
    assert told["notes"] == []
    assert told["imageCache"] == {"images": 1, "bytes": 250, "kept": 250, "limit": 1000, "percent": 25.0}
    places = {place for disk in told["disks"] for place in disk["places"]}
    assert places >= {"scratch", "data", "models", "store files"}
    assert all(0 <= disk["freePercent"] <= 100 for disk in told["disks"])
    assert 0 < told["postgres"]["connections"] <= told["postgres"]["limit"]
    assert told["redis"]["bytes"] > 0
    assert told["parts"]["postgres"]["ok"]


def test_models_and_downloads(db: None, settings: Any, tmp_path: Path) -> None:
    settings.MODELS_PATH = tmp_path
    about = {"pipeline": "faces", "model": "m"}
    Download.objects.create(name="a", state="failed", error="The mirror is away.", **about)
    Download.objects.create(name="b", state="running", bytes_done=5, bytes_total=10, **about)
    Download.objects.create(name="c", state="ready", **about)
    told = taken("models")
    assert [row["name"] for row in told["downloads"]] == ["a", "b"]
    assert {row["pipeline"] for row in told["pipelines"]} == {
        "faces",
        "objects",
        "sounds",
        "speech",
        "search",
    }
    assert {row["state"] for row in told["pipelines"]} <= {"missing", "licence"}


def test_backups_and_verification(db: None) -> None:
    now = timezone.now()
    Backup.objects.create(
        name="one", target="t", state="done", finished_at=now - timedelta(days=2), size=5, files_size=7
    )
    Backup.objects.create(name="two", target="t", state="failed", finished_at=now, error="No room.")
    whole = {"state": "done", "whole": True, "found": 1}
    Look.objects.create(**whole, finished_at=now - timedelta(days=3), looked=10, deep=True)
    Look.objects.create(**whole, finished_at=now - timedelta(days=1), looked=11)
    Look.objects.create(state="done", finished_at=now, looked=2, deep=True)
    Look.objects.create(
        state="running", started_at=now - timedelta(minutes=1), total=10, looked=5, since=now, phase="named"
    )
    Finding.objects.create(kind="missing", what="original", store="files", key="k", seen_at=now)
    told = taken("backups")
    assert (told["lastGood"]["name"], told["lastGood"]["bytes"], told["last"]["error"]) == (
        "one",
        12,
        "No room.",
    )
    assert (told["lastVerification"]["looked"], told["lastSizes"]["looked"]) == (10, 11)
    assert (told["verifying"]["percent"], told["verifying"]["whole"]) == (50, False)
    assert 50 < told["verifying"]["secondsLeft"] < 90
    lost = {"kind": "missing", "what": "original", "more": False}
    assert told["findings"] == [{**lost, "count": 1, "repairing": 0}]
    Finding.objects.update(state="repairing")
    assert taken("backups")["findings"] == [{**lost, "count": 1, "repairing": 1}]


BUDGET = {
    "warnings": 70,
    "overview": 12,
    "types": 3,
    "statuses": 3,
    "storage": 7,
    "uploads": 5,
    "throughput": 3,
    "failures": 4,
    "queues": 6,
    "workers": 4,
    "slowest": 5,
    "machine": 5,
    "models": 20,
    "backups": 9,
}


@pytest.mark.parametrize("name", BUDGET)
def test_a_figure_asks_as_often_whatever_there_is(library: Library, name: str) -> None:
    def queries(count: int) -> int:
        rows = made_up.files(library, count)
        of = [row.original for row in rows]
        made_up.derivatives(of)
        made_up.derivatives(of, "hover", status="processing", queue="thumbnail")
        for number in range(count):
            made_up.originals(Library.objects.create(name=f"Library {count} {number}"), 1)
            workers.write(report(f"{count}-{number}@here", seen=1))
        with CaptureQueriesContext(
            connection,
        ) as captured:
            taken(name)
        return len(captured)

    taken(name)
    few = queries(2)
    assert queries(15) == few <= BUDGET[name]


def plan(query: str, values: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}", values)
        return "\n".join(row[0] for row in cursor.fetchall())


def test_what_is_looked_up_has_an_index(library: Library) -> None:
    from alcoves.console.dashboard import slowness

    made_up.derivatives(made_up.originals(library, 3))
    values = {"day": timezone.now().date(), "since": timezone.now(), "most": 10, "shown": 10}
    assert "derivative_slowest_of_day" in plan(slowness.SLOWEST, values)
    assert "Sort" not in plan(slowness.SLOWEST, values)
    text = plan(backlog.LOOK, {"names": ["thumbnail"], "looked": 10, "far": 10})
    assert "derivative_oldest_queued" in text
    running = Derivative.objects.filter(status="processing", parts_left__isnull=True).order_by("started_at")
    assert "derivative_leased" in running.explain() or "Index" in running.explain()


MANY_ROWS = 2500
READ = 600
"""Rows that one statement may look at while there are many more."""


@pytest.fixture
def many_rows(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each table that grows: a queue that stands still, old failures and new ones, a store that is lost.

    Limits are as much smaller.
    """
    monkeypatch.setattr(backlog, "LOOKED_AT", 20)
    for counting in (work, blobs):
        monkeypatch.setattr(counting, "MANY", 50)
    monkeypatch.setattr(grouping, "COUNTED", 50)
    monkeypatch.setattr(warnings, "MANY", 50)
    old = timezone.now() - timedelta(days=9)
    of = [row.original for row in made_up.files(library, MANY_ROWS)]
    made_up.derivatives(of, status="queued", queued_at=old)
    made_up.derivatives(of, "hover", started_at=old, finished_at=old)
    made_up.derivatives(of, "preview", status="failed", started_at=old, finished_at=old)
    Derivative.objects.update(updated_at=old)
    made_up.derivatives(of, "sprites")
    made_up.derivatives(of, "proxy", status="failed", error_code="source_missing")
    for outcome in ("ready", "failed"):
        made_up.ended("proxy", outcome, MANY_ROWS)
    Finding.objects.bulk_create(
        Finding(kind="missing", what="output", store="files", key=f"k{number}", seen_at=old)
        for number in range(MANY_ROWS)
    )
    tallies.fold()
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE media_file, media_original, media_derivative, media_cachedimage, media_tally, backup_finding"
        )


def test_no_figure_and_no_scrape_reads_a_big_table(many_rows: None) -> None:
    """Rows that are read are counted, so that a sum over an index is seen as well.

    In a scrape a statement that is slow is given up, and its figure is missing just when it is needed.
    """
    acts: dict[str, Callable[[], Any]] = {one.name: partial(taken, one.name) for one in FIGURES}
    acts["failures by what was said"] = grouping.find_groups
    acts |= {f"scrape {one.name}": partial(told_by, one) for one in scraped.FIGURES}
    found = {}
    for name, act in acts.items():
        act()  # What is kept for a while is taken now.
        found[name] = dear_statements(act)
    assert {name: dear for name, dear in found.items() if dear} == {}


def test_what_is_told_of_many_rows_is_told_as_a_bound(many_rows: None) -> None:
    told = {one["key"]: one["sentence"] for one in taken("warnings")["warnings"]}
    assert told["blobs:missing:output"].startswith("over 50 outputs are missing in the store.")
    assert told["blobs:source"].startswith("The bytes of at least 51 originals are missing")
    assert "of late most often with source_missing" in told["failing:proxy"]
    assert taken("backups")["findings"] == [
        {"kind": "missing", "what": "output", "count": 50, "more": True, "repairing": 0}
    ]
    first, second = grouping.find_groups().groups
    assert (first.more, second.more, first.jobs, second.files) == (True, True, 51, 51)


def told_by(figure: scraped.Figure) -> None:
    assert list(figure.ask()), figure.name


def dear_statements(act: Callable[[], Any]) -> dict[str, int]:
    with CaptureQueriesContext(connection) as captured:
        act()
    asked = [one["sql"] for one in captured if one["sql"].lstrip().upper().startswith(("SELECT", "WITH"))]
    read = {sql: rows_read(sql) for sql in asked if "_config" not in sql and "advisory" not in sql}
    return {sql: count for sql, count in read.items() if count > READ}


def test_a_sum_over_an_index_is_seen(many_rows: None) -> None:
    assert rows_read("SELECT count(*) FROM media_derivative") >= 5 * MANY_ROWS


def test_pages_that_are_open_ask_once_in_a_few_seconds(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[bool, int]:
        failed = "failed" in {one["key"] for one in taken("warnings")["warnings"]}
        return failed, line(taken("queues")["queues"], "queue", "thumbnail")["waiting"]

    for kept in (warnings.kept, queues.lately):
        monkeypatch.setattr(kept, "seconds", 600.0)
    assert told() == (False, 0)
    of = made_up.originals(library, 1)
    made_up.derivatives(of, status="failed")
    made_up.derivatives(of, "hover", status="queued")
    assert told() == (False, 0)
    warnings.kept.forget()
    queues.lately.forget()
    assert told() == (True, 1)


def test_paused_by_everything(db: None) -> None:
    Control.objects.create(kind="all", name="all", paused=True, set_by="ann", set_at=timezone.now())
    assert all(row["pause"]["what"] == "all" for row in taken("queues")["queues"])
