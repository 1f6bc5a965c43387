"""Divided work in one process: the row that waits, its parts, the join, and everything that may come between."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from media import blobs, ledger, parts, reconcile, reprocess, runs, trash
from media.derivers.registry import get_deriver
from media.errors import ConflictError, RunAbandonedError
from media.models import Derivative, File, Library, Original, UnnamedBlob
from media.statements import JOIN_FROM
from storage.registry import get_store
from tests.conftest import client_of
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
WHOLE = b"[p0][p1][p2]"


@pytest.fixture
def divided(library: Library, settings: Any) -> Derivative:
    """A row that waits for three parts."""
    settings.DERIVERS = {name: TABLE[name] for name in ("split", "piece")}
    settings.RETRY_SECONDS = 0
    take_in(library, PNG, "a.png")
    return divide()


def divide(**parameters: Any) -> Derivative:
    Derivative.objects.filter(parent=None).update(parameters=parameters)
    row = parent()
    runs.run(row.pk)
    return parent()


def divide_again(**parameters: Any) -> Derivative:
    reprocess.request([parent().pk])
    return divide(**parameters)


def parent() -> Derivative:
    row: Derivative = Derivative.objects.get(parent=None)
    return row


def pieces() -> list[Derivative]:
    return list(Derivative.objects.filter(parent__isnull=False).order_by("variant"))


def take(row: Derivative) -> ledger.Claim:
    claim = ledger.claim(row.pk, owner="w1", lease_seconds=20)
    assert claim is not None
    return claim


def expire(row: Derivative) -> None:
    Derivative.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))


def whole() -> bytes:
    output = parent().output("whole")
    assert output is not None
    with get_store("files").open(output["key"]) as blob:
        return blob.read()


def in_store() -> set[str]:
    """What is left when everything due has been swept."""
    UnnamedBlob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    blobs.sweep()
    return {stat.key for stat in get_store("files").iterate()}


def make_without_telling(row: Derivative) -> None:
    """A part gets ready and its worker dies before the parent hears of it."""
    ledger.finish_ready(take(row), outputs=[], facts={"reason": "lost"}, made_by={})


def test_a_row_that_divides_its_work_waits_without_a_lease(divided: Derivative) -> None:
    assert (divided.status, divided.parts_left, divided.lease_expires_at) == ("processing", 3, None)
    assert [(row.deriver, row.variant, row.status, row.queue) for row in pieces()] == [
        ("piece", f"p{number}", "queued", "waveform") for number in range(3)
    ]
    assert ledger.claim(divided.pk, owner="w", lease_seconds=20) is None
    assert ledger.rescue() == []


def test_the_last_part_joins_and_nothing_of_the_parts_is_left(divided: Derivative) -> None:
    assert run_queued() == 3  # The third goes on with the join.
    row = parent()
    assert (row.status, row.progress, row.ready_version, row.parts_left) == ("ready", 100, 1, None)
    assert row.facts == {"pieces": 3}
    assert row.started_at == divided.started_at
    assert whole() == WHOLE
    assert pieces() == []
    assert in_store() == {row.original.key, row.outputs[0]["key"]}


def test_parts_count_down(divided: Derivative) -> None:
    for number, left in ((1, 2), (0, 1)):
        runs.run(pieces()[number].pk)
        assert (parent().status, parent().parts_left) == ("processing", left)


def test_a_part_that_ends_twice_counts_once(divided: Derivative) -> None:
    first = take(pieces()[0])
    expire(pieces()[0])
    second = take(pieces()[0])
    made = runs.make(get_deriver("piece"), second)
    runs.finish(get_deriver("piece"), second, made)
    with pytest.raises(RunAbandonedError):
        runs.finish(get_deriver("piece"), first, made)
    assert parent().parts_left == 2


def test_a_part_with_nothing_to_make_counts_too(divided: Derivative) -> None:
    divide_again(p1="unneeded")
    run_queued()
    assert whole() == b"[p0][p2]"


def test_a_part_that_fails_for_good_fails_all(divided: Derivative) -> None:
    divide_again(p1="permanent")
    made = pieces()[0]
    runs.run(made.pk)
    runs.run(pieces()[1].pk)
    row = parent()
    assert (row.status, row.error_code) == ("failed", "broken_piece")
    assert row.error_message == "This piece is broken. Upload it again."
    assert row.error_detail.startswith("part_failed: piece p1")
    assert ledger.claim(pieces()[2].pk, owner="w", lease_seconds=20) is None
    assert run_queued() == 0
    reconcile.reconcile()
    assert pieces() == []
    assert in_store() == {row.original.key}


def test_a_part_has_its_own_attempts(divided: Derivative) -> None:
    divide_again(p1="transient")
    piece = pieces()[1]
    for attempts in (1, 2):
        runs.run(piece.pk)
        piece.refresh_from_db()
        assert (piece.status, piece.attempts, parent().status) == ("queued", attempts, "processing")
    runs.run(piece.pk)
    assert (parent().status, parent().error_code, parent().attempts) == ("failed", "try_again", 0)


def test_a_join_that_fails_tries_again_with_the_same_parts(divided: Derivative) -> None:
    divide_again(join="fails")
    keys = {row.pk for row in pieces()}
    run_queued(3)
    row = parent()
    assert (row.status, row.error_code, row.attempts) == ("queued", "not_sticky", 1)
    assert {row.pk for row in pieces()} == keys
    Derivative.objects.filter(pk=row.pk).update(parameters={})
    assert run_queued() == 1
    assert whole() == WHOLE
    assert parent().started_at == row.started_at


def test_a_killed_join_is_rescued_and_joins_again(divided: Derivative) -> None:
    for row in pieces():
        make_without_telling(row)
    reconcile.reconcile()
    join = take(parent())
    assert join.joins
    assert ledger.renew(join, lease_seconds=20, progress=0, eta_seconds=None)
    assert parent().progress == JOIN_FROM
    expire(parent())
    assert ledger.rescue() == [(divided.pk, "queued")]
    reconcile.reconcile()
    assert len(pieces()) == 3  # A join that is to come needs them.
    run_queued()
    assert (parent().status, parent().facts) == ("ready", {"pieces": 3})


def test_a_join_that_is_given_back_keeps_its_progress(divided: Derivative) -> None:
    for row in pieces():
        make_without_telling(row)
    parts.take_up()
    ledger.release(take(parent()))
    assert (parent().status, parent().progress) == ("queued", JOIN_FROM)


def test_asked_for_again_while_it_waits_it_is_divided_anew(divided: Derivative) -> None:
    runs.run(pieces()[0].pk)
    running = take(pieces()[1])
    old = {row.pk for row in pieces()}
    reprocess.request([divided.pk])
    assert not ledger.renew(running, lease_seconds=20, progress=10, eta_seconds=None)
    assert {row.pk for row in ledger.waiting()} == {divided.pk}
    run_queued()
    assert not old & {row.pk for row in pieces()}
    row = parent()
    assert (row.status, row.requested_version, row.ready_version) == ("ready", 2, 2)
    assert in_store() == {row.original.key, row.outputs[0]["key"]}


def test_asked_for_again_before_the_join_older_parts_are_not_joined(divided: Derivative) -> None:
    for row in pieces():
        make_without_telling(row)
    parts.take_up()
    reprocess.request([divided.pk])
    assert not take(parent()).joins


def test_a_cancelled_row_stops_its_parts_and_they_go(divided: Derivative) -> None:
    runs.run(pieces()[0].pk)
    running = take(pieces()[1])
    made = runs.make(get_deriver("piece"), running)
    assert ledger.cancel(Derivative.objects.all()) == 1
    assert not ledger.renew(running, lease_seconds=20, progress=10, eta_seconds=None)
    with pytest.raises(RunAbandonedError):
        runs.finish(get_deriver("piece"), running, made)
    assert run_queued() == 0
    reconcile.reconcile()
    assert (parent().status, parent().error_code, pieces()) == ("failed", "cancelled", [])
    assert in_store() == {divided.original.key}
    reprocess.request([divided.pk])
    run_queued()
    assert whole() == WHOLE


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"names": []}, "badly_divided"),
        ({"names": ["a", "a"]}, "badly_divided"),
        ({"names": [""]}, "badly_divided"),
    ],
)
def test_a_division_that_would_wait_for_ever_fails(divided: Derivative, parameters: Any, code: str) -> None:
    divide_again(**parameters)
    assert (parent().status, parent().error_code) == ("failed", code)


def test_parts_are_not_divided_and_nothing_is_divided_twice(divided: Derivative) -> None:
    divide_again(p1="divides")
    run_queued()
    assert (parent().status, parent().error_code) == ("failed", "divided_twice")
    divide_again(join="divides")
    run_queued()
    assert (parent().status, parent().error_code) == ("failed", "divided_twice")


def test_two_parents_of_one_original_must_name_their_parts_apart(divided: Derivative) -> None:
    twin = Derivative.objects.create(
        original=divided.original,
        deriver="split",
        variant="other",
        queue="waveform",
        queued_at=timezone.now(),
    )
    runs.run(twin.pk)
    twin.refresh_from_db()
    assert (twin.status, twin.error_code) == ("failed", "parts_collide")
    assert twin.error_detail == "piece p0, piece p1, piece p2"
    assert Derivative.objects.filter(parent=divided).count() == 3


def test_in_the_trash_parts_wait_and_go_on_when_restored(library: Library, divided: Derivative) -> None:
    file = File.objects.get()
    runs.run(pieces()[0].pk)
    trash.trash(library, [file.pk])
    assert run_queued() == 0
    assert ledger.claim(pieces()[1].pk, owner="w", lease_seconds=20) is None
    reconcile.reconcile()
    assert (parent().status, parent().parts_left, len(pieces())) == ("processing", 2, 3)
    trash.restore(library, [file.pk])
    run_queued()
    assert whole() == WHOLE


def test_purging_the_last_file_takes_parts_and_their_blobs(library: Library, divided: Derivative) -> None:
    runs.run(pieces()[0].pk)
    trash.purge(library, [File.objects.get().pk])
    assert not Derivative.objects.exists()
    assert in_store() == set()


def test_a_late_hash_that_merges_takes_the_parts_of_the_merged_along(library: Library, settings: Any) -> None:
    settings.DERIVERS = {
        "split": TABLE["split"],
        "piece": TABLE["piece"],
        "hash": "media.derivers.hash.HashDeriver",
    }
    known = take_in(library, PNG, "a.png").file.original
    late = take_in(library, PNG, "b.png", hashed=False).file.original
    runs.run(late.derivatives.get(deriver="split").pk)
    runs.run(late.derivatives.get(variant="p0").pk)
    runs.run(late.derivatives.get(deriver="hash").pk)
    assert list(Original.objects.values_list("pk", flat=True)) == [known.pk]
    assert not Derivative.objects.filter(deriver="piece").exists()
    assert in_store() == {known.key}
    run_queued()
    assert Derivative.objects.get().status == "ready"


def test_parts_that_got_ready_unheard_are_taken_up(divided: Derivative) -> None:
    for row in pieces():
        make_without_telling(row)
    assert parent().status == "processing"
    result = reconcile.reconcile()
    assert result is not None
    assert result.taken_up == 1
    assert parent().status == "queued"
    assert parts.take_up() == 0


def test_a_part_set_aside_after_lost_workers_fails_all(divided: Derivative) -> None:
    piece = pieces()[0]
    for _ in range(5):
        take(piece)
        expire(piece)
        ledger.rescue()
    parts.take_up()
    assert (parent().status, parent().error_code) == ("failed", "quarantined")


def test_a_row_whose_parts_are_gone_divides_again(divided: Derivative) -> None:
    Derivative.objects.filter(parent__isnull=False).delete()
    parts.take_up()
    run_queued()
    assert whole() == WHOLE


def test_a_join_whose_part_is_not_in_the_store_says_so(divided: Derivative) -> None:
    runs.run(pieces()[0].pk)
    get_store("files").delete(pieces()[0].outputs[0]["key"])
    run_queued()
    assert (parent().status, parent().error_code) == ("failed", "part_missing")
    reprocess.request([divided.pk])
    run_queued()
    assert whole() == WHOLE


def test_progress_is_that_of_all_parts_and_never_falls(divided: Derivative) -> None:
    runs.run(pieces()[0].pk)
    assert parent().progress == 32  # A third of what comes before the join.
    running = take(pieces()[1])
    Derivative.objects.filter(parent__isnull=False).update(started_at=Now() - timedelta(seconds=100))
    ledger.renew(running, lease_seconds=20, progress=50, eta_seconds=1)
    assert parent().progress == 48
    assert parent().eta_seconds in {100, 101}  # Half took 100 s.
    ledger.try_later(running, delay_seconds=0, burn=True, code="x", message="x", detail="")
    again = take(pieces()[1])
    ledger.renew(again, lease_seconds=20, progress=0, eta_seconds=None)
    assert parent().progress == 48


def test_the_joining_run_tells_the_last_percent(divided: Derivative, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr("media.heartbeat.Pulse.tell", lambda self, percent, eta: told.append(percent))
    run_queued()
    assert told == [98.0]


def test_reprocessing_a_selection_leaves_parts_alone(divided: Derivative) -> None:
    assert reprocess.reprocess(reprocess.Selection(deriver="piece")) == 0
    assert reprocess.request([row.pk for row in pieces()]) == 0
    assert ledger.cancel(Derivative.objects.filter(parent=divided)) == 0
    assert reprocess.reprocess(reprocess.Selection()) == 1
    with pytest.raises(ConflictError):
        reprocess.reprocess_file(File.objects.get(), "piece")


def test_parts_are_not_told_as_what_was_made_of_a_file(
    alice: User, library: Library, divided: Derivative
) -> None:
    runs.run(pieces()[0].pk)
    client: Client = client_of(alice)
    address = f"/api/libraries/{library.pk}/files/{File.objects.get().pk}"
    listed = client.get(f"{address}/derivatives").json()
    assert [(row["deriver"], row["status"], row["progress"]) for row in listed] == [
        ("split", "processing", 32)
    ]
    assert "piece_status" not in client.get(address).json()
    assert client.get(f"{address}/derivatives/piece").status_code == 404


def test_the_admin_shows_parts_with_their_parent(client: Client, divided: Derivative) -> None:
    client.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    runs.run(pieces()[0].pk)
    shown = client.get(f"/admin/media/derivative/{divided.pk}/change/").text
    assert "piece p0 ready</a>: Ready, 100 %" in shown
    assert "piece p2 queued</a>: Queued, 0 %" in shown
    part = client.get(f"/admin/media/derivative/{pieces()[0].pk}/change/").text
    assert f"/admin/media/derivative/{divided.pk}/change/" in part
    only_wholes = client.get("/admin/media/derivative/?part=no").text
    assert "split" in only_wholes
    assert "p0" not in only_wholes


@pytest.mark.django_db(transaction=True)
def test_of_two_last_parts_at_the_same_moment_one_queues_the_join(
    library: Library, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DERIVERS = {name: TABLE[name] for name in ("split", "piece")}
    take_in(library, PNG, "a.png")
    monkeypatch.setattr("media.runs.join", lambda parent, queue: None)
    for _ in range(5):
        divide_again(pieces=2)
        together = threading.Barrier(2)
        deriver = get_deriver("piece")

        def end(claim: ledger.Claim, together: threading.Barrier = together, deriver: Any = deriver) -> None:
            made = runs.make(deriver, claim)
            together.wait(10)
            runs.finish(deriver, claim, made)
            connection.close()

        threads = [threading.Thread(target=end, args=(take(row),)) for row in pieces()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert {row.status for row in pieces()} == {"ready"}
        assert (parent().status, parent().parts_left) == ("queued", None)
