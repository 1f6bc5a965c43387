"""The engine in one process: what each way of ending does to the row, and who may finish it."""

import hashlib
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from media import blobs, ledger, reprocess, runs, trash
from media.errors import DamagedFileError, RunAbandonedError
from media.models import Derivative, File, Library, UnnamedBlob
from storage.registry import get_store
from tests.derivers import TABLE, EchoDeriver
from tests.ingesting import derivative, run_queued, take_in
from tests.meanwhile import Meanwhile, waits_for_a_lock
from tests.workers import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def only(settings: Any) -> Any:
    """Use just these derivers."""

    def choose(*names: str) -> None:
        settings.DERIVERS = {name: TABLE[name] for name in names}

    return choose


def the_row() -> Derivative:
    row: Derivative = Derivative.objects.get()
    return row


def start(row: Derivative, owner: str = "w1") -> ledger.Claim:
    claim = ledger.claim(row.pk, owner=owner, lease_seconds=20)
    assert claim is not None
    return claim


def expire(row: Derivative) -> None:
    Derivative.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


@pytest.fixture
def row(library: Library, only: Any) -> Derivative:
    only("fussy")
    take_in(library, PNG, "a.png")
    return the_row()


def mood(row: Derivative, value: str) -> Derivative:
    Derivative.objects.filter(pk=row.pk).update(parameters={"mood": value})
    runs.run(row.pk)
    row.refresh_from_db()
    return row


def test_a_file_becomes_a_derivative(library: Library, only: Any) -> None:
    only("echo")
    file = take_in(library, PNG, "a.png").file
    assert run_queued() == 1
    made = derivative(file.original_id, "echo")
    assert (made.status, made.progress, made.ready_version) == ("ready", 100, 1)
    assert made.facts == {"size": len(PNG)}
    assert made.made_by == {"deriver": "echo", "version": 1, "model": "none"}
    output = made.output("copy")
    assert output is not None
    with get_store("files").open(output["key"]) as blob:
        assert blob.read() == PNG
    assert not UnnamedBlob.objects.exists()


def test_no_deriver_that_needs_the_probe_is_planned_before_it(library: Library, only: Any) -> None:
    only("echo", "later")
    file = take_in(library, PNG, "a.png").file
    assert list(Derivative.objects.values_list("deriver", flat=True)) == ["echo"]
    file.original.record_probe({"kind": "image", "width": 1, "height": 1})
    from media import pipeline

    pipeline.plan_original(file.original, frozenset())
    assert set(Derivative.objects.values_list("deriver", flat=True)) == {"echo", "later"}


def test_a_permanent_failure_is_not_tried_again(row: Derivative) -> None:
    mood(row, "permanent")
    assert (row.status, row.error_code, row.attempts) == ("failed", "broken", 1)
    assert row.error_message == "This picture is broken. Upload it again."
    assert run_queued() == 0


def test_a_transient_failure_waits_and_counts(row: Derivative, settings: Any) -> None:
    settings.RETRY_SECONDS = 30
    mood(row, "transient")
    assert (row.status, row.attempts, row.error_code) == ("queued", 1, "try_again")
    assert row.not_before is not None
    assert run_queued() == 0  # Not due yet.


def test_the_third_failure_is_the_last(row: Derivative, settings: Any) -> None:
    settings.RETRY_SECONDS = 0
    for attempts, status in ((1, "queued"), (2, "queued"), (3, "failed")):
        mood(row, "transient")
        assert (row.attempts, row.status) == (attempts, status)


def test_a_fault_in_the_program_is_told_without_a_trace(row: Derivative) -> None:
    mood(row, "crash")
    assert (row.status, row.error_code) == ("queued", "crashed")
    assert "ZeroDivision" not in row.error_message
    assert "ZeroDivision" in row.error_detail


def test_after_any_number_of_outages_a_row_is_due_within_half_a_minute(
    row: Derivative, settings: Any
) -> None:
    settings.RETRY_SECONDS = 600
    Derivative.objects.update(deferrals=9)
    mood(row, "infrastructure")
    assert row.not_before is not None
    assert row.not_before - timezone.now() <= timedelta(seconds=30)


def test_trouble_of_the_house_never_costs_an_attempt(row: Derivative, settings: Any) -> None:
    settings.RETRY_SECONDS = 0
    for turn in range(1, 8):
        mood(row, "infrastructure")
        assert (row.status, row.attempts, row.deferrals) == ("queued", 0, turn)


def test_delays_double_up_to_an_hour(settings: Any) -> None:
    settings.RETRY_SECONDS = 30
    assert [runs.backoff(n) for n in (0, 1, 2, 3)] == [30, 60, 120, 240]
    assert runs.backoff(1000) == 3600


def test_a_fault_that_comes_every_time_ends_as_failed(row: Derivative, settings: Any) -> None:
    """Facts that Postgres cannot keep and a file that eats all memory are no outages: they cost attempts."""
    settings.RETRY_SECONDS = 0
    for fault, code in (("nul", "crashed"), ("memory", "out_of_memory")):
        ledger.request_again(Derivative.objects.all())
        for _ in range(3):
            mood(row, fault)
        assert (row.status, row.error_code, row.deferrals) == ("failed", code, 0)


@pytest.mark.parametrize(
    "taken", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1700-01-01T00:00:00+00:00"]
)
def test_a_time_no_camera_can_tell_is_not_kept(library: Library, only: Any, taken: str) -> None:
    only("echo")
    original = take_in(library, PNG, "a.png").file.original
    original.record_probe({"kind": "image", "taken_at": taken})
    original.refresh_from_db()
    assert original.captured_at is None
    assert original.probe == {"kind": "image", "taken_at": taken}


def test_not_needed_is_a_result(row: Derivative) -> None:
    mood(row, "unneeded")
    assert (row.status, row.facts, row.ready_version) == ("not_needed", {"reason": "fine_as_it_is"}, 1)


def test_a_deriver_this_build_lacks_waits_for_one_that_has_it(row: Derivative, only: Any) -> None:
    only("echo")
    runs.run(row.pk)
    row.refresh_from_db()
    assert (row.status, row.error_code, row.attempts) == ("queued", "deriver_unknown", 0)


def test_only_one_claims(row: Derivative) -> None:
    start(row)
    assert ledger.claim(row.pk, owner="w2", lease_seconds=20) is None


def test_an_expired_lease_is_taken_over_and_the_old_run_may_not_finish(row: Derivative) -> None:
    first = start(row, "w1")
    expire(row)
    second = start(row, "w2")
    assert second.fence == first.fence + 1
    assert not ledger.renew(first, lease_seconds=20, progress=50, eta_seconds=None)
    with pytest.raises(RunAbandonedError):
        ledger.finish_ready(first, outputs=[], facts={}, made_by={})
    assert not ledger.fail(first, code="x", message="x", detail="")
    ledger.finish_ready(second, outputs=[], facts={}, made_by={})
    assert the_row().lost_claims == 0  # A good end forgets the bad ones.


def test_a_lease_that_ran_out_is_kept_unless_somebody_took_it(row: Derivative) -> None:
    """Postgres was away for longer than a lease: nobody crashed."""
    claim = start(row)
    expire(row)
    assert ledger.renew(claim, lease_seconds=20, progress=1, eta_seconds=1)
    expire(row)
    ledger.rescue()
    assert not ledger.renew(claim, lease_seconds=20, progress=1, eta_seconds=1)


def test_five_lost_workers_set_the_file_aside(row: Derivative) -> None:
    for lost in range(1, 6):
        start(row)
        expire(row)
        ledger.rescue()
        assert the_row().lost_claims == lost
    assert (the_row().status, the_row().error_code, the_row().attempts) == ("failed", "quarantined", 0)


def test_a_stopping_worker_gives_the_row_back_for_free(row: Derivative) -> None:
    claim = start(row)
    assert ledger.release(claim)
    assert (the_row().status, the_row().lost_claims, the_row().attempts) == ("queued", 0, 0)


def test_a_result_for_an_older_request_is_discarded(row: Derivative) -> None:
    claim = start(row)
    reprocess.request([row.pk])
    with pytest.raises(RunAbandonedError):
        ledger.finish_ready(claim, outputs=[], facts={"stale": True}, made_by={})
    runs.run(row.pk)
    assert (the_row().status, the_row().requested_version, the_row().ready_version) == ("ready", 2, 2)
    assert the_row().facts == {"mood": "good"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("finish", ["ready", "not_needed"])
def test_a_finish_that_waits_for_a_new_request_is_discarded(row: Derivative, finish: str) -> None:
    """It looked at the row before the request was committed, and is held up by its lock."""
    claim = start(row)
    ready = partial(ledger.finish_ready, claim, outputs=[], facts={"stale": True}, made_by={})
    ends = {"ready": ready, "not_needed": partial(ledger.finish_not_needed, claim, "stale")}

    def finishes() -> None:
        with pytest.raises(RunAbandonedError):
            ends[finish]()

    with transaction.atomic():
        ledger.request_again(Derivative.objects.all())
        late = Meanwhile(finishes)
        wait_until(waits_for_a_lock, 10, "the finish")
    late.end()
    assert (the_row().status, the_row().requested_version, the_row().facts) == ("queued", 2, {})


def test_nothing_to_make_leaves_what_made_the_last_result(row: Derivative) -> None:
    mood(row, "good")
    before = the_row()
    reprocess.request([row.pk])
    old = ledger.finish_not_needed(start(row), "no_longer")
    after = the_row()
    assert (after.status, after.ready_version, after.progress) == ("not_needed", 2, 100)
    assert (after.outputs, after.facts) == ([], {"reason": "no_longer"})
    assert (old, after.made_by) == (before.outputs, before.made_by)
    assert before.made_by


@pytest.mark.parametrize("finish", ["ready", "not_needed"])
def test_a_good_end_forgets_all_that_the_other_moves_forget(row: Derivative, finish: str) -> None:
    """It is a statement of its own, with these columns written out."""
    claim = start(row)
    assert ledger.renew(claim, lease_seconds=20, progress=50, eta_seconds=9)
    Derivative.objects.filter(pk=row.pk).update(
        error_code="x", error_message="x", error_detail="x", attempts=1, lost_claims=1, deferrals=1
    )
    if finish == "ready":
        ledger.finish_ready(claim, outputs=[], facts={}, made_by={})
    else:
        ledger.finish_not_needed(claim, "nothing")
    forgotten = {**ledger.NO_LEASE, **ledger.NO_ERROR, **ledger.FRESH}
    del forgotten["updated_at"]
    after = the_row()
    assert {name: getattr(after, name) for name in forgotten} == forgotten
    assert (after.claimed_version, after.ready_version) == (claim.version, claim.version)
    assert after.updated_at > row.updated_at


def test_the_old_output_is_served_until_the_new_one_is_named(
    library: Library, only: Any, settings: Any
) -> None:
    settings.SWEEP_GRACE_SECONDS = 0
    only("echo")
    take_in(library, PNG, "a.png")
    run_queued()
    old = the_row().outputs[0]["key"]
    reprocess.request([the_row().pk])
    assert the_row().outputs[0]["key"] == old
    blobs.sweep()
    assert get_store("files").stat(old).size == len(PNG)
    run_queued()
    new = the_row().outputs[0]["key"]
    assert new != old
    blobs.sweep()
    kept = {stat.key for stat in get_store("files").iterate()}
    assert new in kept
    assert old not in kept


def test_a_run_that_loses_its_row_leaves_its_blobs_for_the_sweeper(library: Library, only: Any) -> None:
    only("echo")
    take_in(library, PNG, "a.png")
    row = Derivative.objects.select_related("original__library").get()
    claim = start(row)
    reprocess.request([row.pk])
    from media.derivers.registry import get_deriver

    made = runs.make(get_deriver("echo"), claim)
    with pytest.raises(RunAbandonedError):
        runs.finish(get_deriver("echo"), claim, made)
    assert UnnamedBlob.objects.filter(key=made[1][0]["key"]).exists()


def test_a_cancelled_run_stops_and_keeps_the_old_result(row: Derivative) -> None:
    claim = start(row)
    assert ledger.cancel(Derivative.objects.all()) == 1
    assert not ledger.renew(claim, lease_seconds=20, progress=10, eta_seconds=None)
    assert (the_row().status, the_row().error_code) == ("failed", "cancelled")


@pytest.mark.parametrize("move", [ledger.cancel, ledger.request_again])
def test_many_rows_are_locked_in_the_order_of_their_keys(row: Derivative, move: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert move(Derivative.objects.order_by("-queued_at")) == 1
    told = [query["sql"] for query in queries]
    lock = next(sql for sql in told if "FOR NO KEY UPDATE" in sql)
    assert '"id" AS "pk"' in lock
    assert "ORDER BY 1 ASC" in lock
    assert told.index(lock) < next(at for at, sql in enumerate(told) if sql.startswith("UPDATE"))


def test_nothing_runs_for_a_file_in_the_trash(library: Library, row: Derivative) -> None:
    file = File.objects.get()
    trash.trash(library, [file.pk])
    assert run_queued() == 0
    assert ledger.claim(row.pk, owner="w", lease_seconds=20) is None
    trash.restore(library, [file.pk])
    assert run_queued() == 1


def test_what_the_library_does_not_want_any_more_is_not_made(row: Derivative) -> None:
    row.original.kind = "other"
    row.original.save()
    runs.run(row.pk)
    assert (the_row().status, the_row().facts) == ("not_needed", {"reason": "not_accepted"})


def test_a_missing_source_says_so(library: Library, only: Any) -> None:
    only("echo")
    file = take_in(library, PNG, "a.png").file
    get_store("files").delete(file.original.key)
    run_queued()
    assert (the_row().status, the_row().error_code) == ("failed", "source_missing")


@pytest.mark.parametrize(
    "blamed",
    [
        DamagedFileError("The file is damaged and cannot be read. Upload it again."),
        FileNotFoundError(2, "No such file or directory"),
    ],
    ids=["by its tool", "by itself"],
)
def test_a_source_that_goes_while_it_is_read_is_not_called_damaged(
    blamed: Exception, library: Library, only: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    only("echo")
    file = take_in(library, PNG, "a.png").file

    def derive(_: EchoDeriver, context: Any) -> Any:
        assert context.source_path().read_bytes() == PNG
        get_store("files").delete(file.original.key)
        raise blamed

    monkeypatch.setattr(EchoDeriver, "derive", derive)
    run_queued()
    assert (the_row().status, the_row().error_code) == ("failed", "source_missing")


def test_what_is_called_damaged_while_it_is_there_stays_so(
    library: Library, only: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    only("echo")
    take_in(library, PNG, "a.png")

    def derive(_: EchoDeriver, context: Any) -> Any:
        context.source_path()
        raise DamagedFileError("The file is damaged and cannot be read. Upload it again.")

    monkeypatch.setattr(EchoDeriver, "derive", derive)
    run_queued()
    assert (the_row().status, the_row().error_code) == ("failed", DamagedFileError.code)


def test_a_full_scratch_disk_defers(row: Derivative, settings: Any) -> None:
    settings.STORE_RESERVE_BYTES = 1 << 60
    runs.run(row.pk)
    assert (the_row().error_code, the_row().attempts) == ("scratch_full", 0)


def test_scratch_is_empty_afterwards(library: Library, only: Any, settings: Any) -> None:
    only("echo", "fussy")
    take_in(library, PNG, "a.png")
    run_queued()
    assert list(settings.SCRATCH_PATH.iterdir()) == []


def test_reprocess_by_version_takes_only_older_ones(library: Library, only: Any) -> None:
    only("echo")
    take_in(library, PNG, "a.png")
    run_queued()
    assert reprocess.reprocess(reprocess.Selection(deriver="echo", older_than=1)) == 0
    assert reprocess.reprocess(reprocess.Selection(deriver="echo", older_than=2)) == 1
    assert the_row().requested_version == 2


def test_bytes_nobody_hashed_are_read_once_by_the_hash_queue(library: Library, settings: Any) -> None:
    settings.DERIVERS = {"hash": "media.derivers.hash.HashDeriver", "echo": TABLE["echo"]}
    file = take_in(library, PNG, "a.png", hashed=False).file
    assert set(file.original.derivatives.values_list("deriver", "queue")) == {
        ("hash", "hash"),
        ("echo", "metadata"),
    }
    run_queued()
    file.original.refresh_from_db()
    assert file.original.sha256 == hashlib.sha256(PNG).hexdigest()


def test_bytes_hashed_late_that_are_known_already_are_merged_by_the_run(
    library: Library, settings: Any
) -> None:
    settings.DERIVERS = {"hash": "media.derivers.hash.HashDeriver"}
    known = take_in(library, PNG, "a.png").file
    late = take_in(library, PNG, "b.png", hashed=False).file
    assert run_queued() == 1
    late.refresh_from_db()
    assert late.original_id == known.original_id
    assert not Derivative.objects.exists()  # The ledger of the merged one went with it.
