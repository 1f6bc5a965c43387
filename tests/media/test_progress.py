"""Counting and waiting for what is made of some originals."""

import pytest
from celery import Celery
from django.db import connection
from django.test.utils import CaptureQueriesContext

from media.management import progress
from media.management.progress import Tally
from media.models import Derivative, File, Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG, finish


@pytest.fixture
def files(library: Library) -> list[File]:
    return [take_in(library, PNG + bytes([number]), f"{number}.png").file for number in range(5)]


def test_counts_in_one_query(files: list[File]) -> None:
    finish(files[0], "metadata", {})
    failed = Derivative.objects.filter(original=files[1].original_id, deriver="metadata")
    failed.update(status="failed", error_code="damaged_file")
    with CaptureQueriesContext(connection) as asked:
        tallies = {tally.deriver: tally for tally in progress.count({file.original_id for file in files})}
    assert len(asked) == 1
    found = tallies["metadata"]
    assert (found.ready, found.not_needed, found.failed, found.unfinished) == (1, 0, 1, 3)
    assert progress.count([files[1].original_id]) == [
        Tally("metadata", 0, 0, 1, 0, 0.0),
        Tally("preview", 0, 0, 0, 1, 0.0),
    ]
    assert progress.count([]) == []


def test_a_phrase_for_each_file(files: list[File]) -> None:
    finish(files[0], "metadata", {})
    finish(files[1], "preview", {})
    Derivative.objects.filter(deriver="preview", original=files[1].original_id).update(
        status="failed", error_code="damaged_file"
    )
    assert progress.phrases({file.original_id for file in files[:3]}) == {
        files[0].original_id: "metadata ready; preview queued",
        files[1].original_id: "metadata queued; preview failed",
        files[2].original_id: "metadata, preview queued",
    }


def test_waiting_ends_at_once_where_nothing_is_left(files: list[File]) -> None:
    Derivative.objects.update(status="not_needed")
    tallies, sentence = progress.wait([file.original_id for file in files])
    assert [tally.not_needed for tally in tallies] == [5, 5]
    assert "is done after 0 s" in sentence


def test_waiting_has_a_limit(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LIMIT_SECONDS", 0.0)
    tallies, sentence = progress.wait([file.original_id for file in files])
    assert [tally.unfinished for tally in tallies] == [5, 5]
    assert sentence == "10 are unfinished after 0 s. They go on without this command."


def test_without_redis_no_worker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Celery("dead", broker="redis+socket:///nowhere/redis.sock", set_as_current=False)
    monkeypatch.setattr(progress, "current_app", dead)
    assert not progress.worker_answers()
