"""The history of jobs: each way in which a try ends leaves one row, and rows go when their time is over."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from media import history, ledger, parts, reprocess, runs, trash
from media.errors import DamagedFileError
from media.models import Attempt, Derivative, Library, Original
from tests.derivers import TABLE, FussyDeriver
from tests.ingesting import run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
STDERR = "[mov,mp4 @ 0x55d0] moov atom not found\n/var/scratch/a.mp4: Invalid data found"


@pytest.fixture
def only(settings: Any) -> Any:
    def choose(*names: str) -> None:
        settings.DERIVERS = {name: TABLE[name] for name in names}

    return choose


@pytest.fixture
def row(library: Library, only: Any) -> Derivative:
    only("fussy")
    take_in(library, PNG, "a.png")
    found: Derivative = Derivative.objects.get()
    return found


def mood(row: Derivative, value: str) -> Any:
    Derivative.objects.filter(pk=row.pk).update(parameters={"mood": value})
    runs.run(row.pk)
    return last()


def last() -> Any:
    return Attempt.objects.order_by("-id")[0]


def claimed(row: Derivative, owner: str = "all@host:12") -> ledger.Claim:
    claim = ledger.claim(row.pk, owner=owner, lease_seconds=20)
    assert claim is not None
    return claim


def expire(row: Derivative) -> None:
    Derivative.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def test_a_success_tells_who_when_and_how_much(library: Library, only: Any) -> None:
    only("echo")
    file = take_in(library, PNG, "a.png").file
    run_queued()
    row, tried = Derivative.objects.get(), last()
    assert (tried.outcome, tried.deriver, tried.queue) == ("ready", "echo", "metadata")
    assert (tried.derivative_id, tried.original_id) == (row.pk, file.original_id)
    assert (tried.version, tried.number) == (1, 1)
    assert "@" in tried.worker
    assert tried.process
    assert tried.queued_at == row.queued_at
    assert tried.queued_at <= tried.started_at <= tried.finished_at
    assert tried.waited >= 0
    assert tried.ran >= 0
    assert tried.metrics == {"bytes_in": len(PNG), "bytes_out": len(PNG)}
    assert (tried.error_code, tried.error_message, tried.error_detail) == ("", "", "")


@pytest.mark.parametrize(
    ("mood_of_it", "outcome", "code"),
    [
        ("permanent", "failed", "broken"),
        ("transient", "retried", "try_again"),
        ("infrastructure", "deferred", "scratch_full"),
        ("unneeded", "not_needed", ""),
        ("crash", "retried", "crashed"),
    ],
)
def test_each_way_to_end_is_told_once(row: Derivative, mood_of_it: str, outcome: str, code: str) -> None:
    tried = mood(row, mood_of_it)
    assert (tried.outcome, tried.error_code) == (outcome, code)
    assert Attempt.objects.count() == 1
    assert bool(tried.error_message) == bool(code)


def test_tries_of_one_job_are_numbered(row: Derivative, settings: Any) -> None:
    settings.RETRY_SECONDS = 0
    for _ in range(3):
        mood(row, "transient")
    told = Attempt.objects.order_by("id").values_list("number", "outcome")
    assert list(told) == [(1, "retried"), (2, "retried"), (3, "failed")]


def test_a_failure_keeps_what_the_program_said(row: Derivative, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise DamagedFileError("The file is damaged.", detail="\0" + STDERR)

    monkeypatch.setattr(FussyDeriver, "derive", fail)
    runs.run(row.pk)
    assert last().error_detail == STDERR
    assert last().error_message == "The file is damaged."


def test_a_dead_worker_is_told_by_the_rescue(row: Derivative) -> None:
    claimed(row, "heavy@box:77")
    expire(row)
    ledger.rescue()
    tried = last()
    assert (tried.outcome, tried.error_code) == ("lost", "worker_lost")
    assert (tried.worker, tried.process, tried.number) == ("heavy@box", 77, 1)
    assert Attempt.objects.count() == 1


def test_a_run_that_was_taken_over_is_told_by_the_next_claim(row: Derivative) -> None:
    claimed(row, "heavy@box:77")
    expire(row)
    runs.run(row.pk)
    told = Attempt.objects.order_by("number").values_list("number", "outcome", "worker")
    first, second = told
    assert first == (1, "lost", "heavy@box")
    assert second[:2] == (2, "ready")


def test_a_released_row_is_told(row: Derivative, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> Any:
        raise SystemExit(0)

    monkeypatch.setattr(FussyDeriver, "derive", stop)
    with pytest.raises(SystemExit):
        runs.run(row.pk)
    assert last().outcome == "released"


def during(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """The act comes while the run is under way."""
    inner = FussyDeriver.derive

    def derive(self: FussyDeriver, context: Any) -> Any:
        act()
        return inner(self, context)

    monkeypatch.setattr(FussyDeriver, "derive", derive)


@pytest.mark.parametrize("mood_of_it", ["good", "permanent", "transient", "infrastructure"])
def test_a_cancelled_run_says_so_however_it_ends(
    row: Derivative, monkeypatch: pytest.MonkeyPatch, mood_of_it: str
) -> None:
    during(monkeypatch, lambda: ledger.cancel(Derivative.objects.all()))
    tried = mood(row, mood_of_it)
    assert (tried.outcome, tried.error_code) == ("abandoned", "cancelled")
    assert Attempt.objects.count() == 1


def test_a_run_that_was_asked_for_anew_says_so(row: Derivative, monkeypatch: pytest.MonkeyPatch) -> None:
    during(monkeypatch, lambda: reprocess.request([row.pk]))
    assert (mood(row, "good").outcome, last().error_code) == ("abandoned", "asked_anew")


def test_the_tries_of_parts_outlive_the_parts(library: Library, only: Any) -> None:
    only("split", "piece")
    take_in(library, PNG, "a.png")
    run_queued()
    told = Attempt.objects.order_by("id").values_list("deriver", "outcome")
    assert list(told) == [("split", "divided"), *[("piece", "ready")] * 3, ("split", "ready")]
    assert not Derivative.objects.filter(deriver="piece").exists()


def test_a_part_that_fails_is_told(library: Library, only: Any) -> None:
    only("split", "piece")
    take_in(library, PNG, "a.png")
    Derivative.objects.update(parameters={"p1": "permanent"})
    run_queued()
    assert Attempt.objects.get(outcome="failed").error_code == "broken_piece"
    assert parts.find_left_over().exists()


def test_the_history_goes_with_the_file(library: Library, row: Derivative) -> None:
    mood(row, "good")
    key = row.original.files.get().pk
    trash.trash(library, [key])
    trash.purge(library, [key], only=trash.IN_TRASH)
    assert not Original.objects.exists()
    assert not Attempt.objects.exists()


def test_a_try_whose_file_was_purged_meanwhile_leaves_nothing(
    library: Library, row: Derivative, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = row.original.files.get().pk

    def purge() -> None:
        trash.trash(library, [key])
        trash.purge(library, [key], only=trash.IN_TRASH)

    during(monkeypatch, purge)
    runs.run(row.pk)
    assert not Attempt.objects.exists()


def test_old_tries_are_forgotten_in_batches(row: Derivative) -> None:
    mood(row, "good")
    young = last()
    for days in range(40, 45):
        moment = timezone.now() - timedelta(days=days)
        key = history.key_of(moment).int | days
        Attempt.objects.create(
            id=UUID(int=key),
            original_id=row.original_id,
            derivative_id=row.pk,
            deriver="fussy",
            queue="thumbnail",
            version=1,
            number=1,
            finished_at=moment,
            outcome="ready",
        )
    assert history.prune(30, batch=2) == 5
    assert Attempt.objects.get() == young
    assert history.prune(30) == 0


def test_members_see_a_code_and_a_sentence_and_nothing_else(
    row: Derivative, library: Library, as_alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise DamagedFileError("The file is damaged.", code="moov_missing", detail=STDERR)

    monkeypatch.setattr(FussyDeriver, "derive", fail)
    runs.run(row.pk)
    file = row.original.files.get()
    base = f"/api/libraries/{library.pk}/files"
    for address in (
        base,
        f"{base}/{file.pk}",
        f"{base}/{file.pk}/derivatives",
        f"{base}/{file.pk}/derivatives/fussy",
    ):
        told = as_alice.get(address)
        assert told.status_code == 200
        assert b"moov atom" not in told.content
        assert b"/var/scratch" not in told.content
    told = as_alice.get(f"{base}/{file.pk}/derivatives/fussy").json()
    assert (told["errorCode"], told["errorMessage"]) == ("moov_missing", "The file is damaged.")


def test_what_postgres_refuses_in_a_text_does_not_lose_the_job(row: Derivative) -> None:
    """Programs and file names may say NUL: the job ends as failed, with the rest of what was said."""
    claim = claimed(row)
    said = {"code": "odd", "message": "a\x00b", "detail": "c\x00d"}
    assert ledger.fail(claim, **said)
    history.note(claim, "failed", said, metrics={"tool": {"says\x00": ["e\x00f", 3]}})
    row.refresh_from_db()
    assert (row.status, row.error_message, row.error_detail) == ("failed", "ab", "cd")
    assert (last().error_message, last().error_detail) == ("ab", "cd")
    assert last().metrics["tool"] == {"says": ["ef", 3]}


def test_what_is_tried_again_is_cleaned_too(row: Derivative) -> None:
    claim = claimed(row)
    assert ledger.try_later(claim, delay_seconds=1, burn=True, code="odd", message="a\x00b", detail="c\x00d")
    row.refresh_from_db()
    assert (row.status, row.error_message, row.error_detail) == ("queued", "ab", "cd")
