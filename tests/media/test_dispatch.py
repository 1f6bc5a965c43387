"""Messages: after commit, once where a queue de-duplicates, and never in the way when the broker is gone."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from alcoves import locks
from media import dispatch, ledger, reconcile
from media.models import Derivative, Library
from tests.derivers import TABLE
from tests.ingesting import take_in
from tests.workers import running_worker, wait_until

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture
def derivers(settings: Any) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}


@pytest.mark.usefixtures("derivers")
@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_when_the_transaction_fails(library: Library) -> None:
    with transaction.atomic():
        take_in(library, PNG, "a.png")
        transaction.set_rollback(True)
    assert dispatch.queue_lengths()["metadata"] == 0
    take_in(library, PNG, "a.png")
    assert dispatch.queue_lengths()["metadata"] == 1
    assert Derivative.objects.get().published_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_deduplicates_takes_one_message_and_the_next_after_the_work(
    library: Library, settings: Any, tmp_path: Path
) -> None:
    settings.DERIVERS = {"face": TABLE["face"]}
    take_in(library, PNG, "a.png")
    row = Derivative.objects.get()
    assert dispatch.publish([(row.pk, row.queue)]) == 0
    assert dispatch.queue_lengths()["face-detection"] == 1
    with running_worker(tmp_path):
        wait_until(lambda: Derivative.objects.filter(status="ready").exists())
        wait_until(lambda: not dispatch.redis_client().exists(locks.PREFIX + str(row.pk)))
    assert dispatch.publish([(row.pk, row.queue)]) == 1


@pytest.mark.usefixtures("derivers")
@pytest.mark.django_db(transaction=True)
def test_a_lost_message_is_sent_again_and_a_waiting_one_is_not(library: Library, settings: Any) -> None:
    settings.RECONCILE_SECONDS = 0
    take_in(library, PNG, "a.png")
    take_in(library, PNG + b"2", "b.png")
    assert reconcile.reconcile() == reconcile.Round()
    dispatch.redis_client().rpop("metadata")
    assert reconcile.reconcile() == reconcile.Round(resent=1)
    assert dispatch.queue_lengths()["metadata"] == 2
    dispatch.redis_client().flushdb()
    assert reconcile.reconcile() == reconcile.Round(resent=2)


@pytest.mark.usefixtures("derivers")
@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_not_due_gets_no_message(library: Library) -> None:
    take_in(library, PNG, "a.png")
    dispatch.redis_client().flushdb()
    Derivative.objects.update(published_at=None, not_before=ledger.after(60))
    assert reconcile.reconcile() == reconcile.Round()
    Derivative.objects.update(not_before=ledger.after(-1))
    assert reconcile.reconcile() == reconcile.Round(resent=1)


@pytest.mark.usefixtures("derivers")
@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_the_upload_nothing(library: Library, settings: Any) -> None:
    dispatch.redis_client.cache_clear()
    working, settings.REDIS_URL = settings.REDIS_URL, "unix:///nowhere/redis.sock"
    try:
        assert reconcile.reconcile() == reconcile.Round()
        with pytest.raises(Exception, match="nowhere"):
            dispatch.queue_lengths()
    finally:
        settings.REDIS_URL = working
        dispatch.redis_client.cache_clear()


def test_after_an_outage_of_postgres_leases_get_a_moment(db: None, library: Library, settings: Any) -> None:
    """Every lease has run out by then, and no worker has crashed."""
    settings.DERIVERS = {"echo": TABLE["echo"]}
    settings.LEASE_SECONDS = 0.001
    take_in(library, PNG, "a.png")
    row = Derivative.objects.get()
    assert ledger.claim(row.pk, owner="w", lease_seconds=-1) is not None
    assert reconcile.reconcile(rescue=False) == reconcile.Round()
    settings.LEASE_SECONDS = 1e9  # Postgres has not been up for that long.
    assert reconcile.reconcile() == reconcile.Round()
    settings.LEASE_SECONDS = 0.001
    assert reconcile.reconcile() == reconcile.Round(rescued=1, resent=1)


def test_scratch_of_dead_runs_is_swept_and_of_live_ones_kept(
    db: None, library: Library, settings: Any
) -> None:
    settings.DERIVERS = {"echo": TABLE["echo"]}
    take_in(library, PNG, "a.png")
    row = Derivative.objects.get()
    claim = ledger.claim(row.pk, owner="w", lease_seconds=20)
    assert claim is not None
    alive = settings.SCRATCH_PATH / f"{claim.id}-{claim.fence}"
    dead = [settings.SCRATCH_PATH / f"{claim.id}-0", settings.SCRATCH_PATH / f"{uuid4()}-3"]
    foreign = settings.SCRATCH_PATH / "not-ours"
    for folder in (alive, *dead, foreign):
        folder.mkdir(parents=True)
    assert reconcile.sweep_scratch() == 2
    assert alive.exists()
    assert foreign.exists()
