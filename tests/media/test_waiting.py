"""Rows that wait for what somebody brings: parked for as long as the error says, at no cost, and woken at once."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from media import ledger, reconcile, runs
from media.derivers.base import Context, Result
from media.errors import InfrastructureError, WaitingError
from media.models import Derivative, Library
from tests.derivers import EchoDeriver
from tests.ingesting import take_in

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


class BroughtError(WaitingError):
    """Something has to be brought."""

    code = "not_brought"
    retry_after = 7200


class PatientDeriver(EchoDeriver):
    """Waits, until it has been brought."""

    name: ClassVar[str] = "patient"
    brought: ClassVar[bool] = False
    error: ClassVar[type[Exception]] = BroughtError

    def derive(self, context: Context) -> Result:
        if not self.brought:
            raise self.error("It is not here yet.")
        return super().derive(context)


@pytest.fixture
def row(library: Library, settings: Any) -> Derivative:
    settings.DERIVERS = {"patient": f"{__name__}.PatientDeriver"}
    take_in(library, PNG, "a.png")
    found: Derivative = Derivative.objects.get()
    return found


def run(row: Derivative) -> Derivative:
    runs.run(row.pk)
    row.refresh_from_db()
    return row


def test_a_row_is_parked_for_as_long_as_the_error_says_and_no_attempt_is_burnt(row: Derivative) -> None:
    for deferrals in range(1, 6):
        run(row)
        assert (row.status, row.error_code, row.attempts, row.deferrals) == (
            "queued",
            "not_brought",
            0,
            deferrals,
        )
        assert row.error_message == "It is not here yet."
        assert row.not_before is not None
        wait = row.not_before - timezone.now()
        assert timedelta(seconds=7100) < wait <= timedelta(seconds=7200)
        Derivative.objects.update(not_before=None)


def test_other_troubles_of_the_house_are_looked_at_soon(
    row: Derivative, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RETRY_SECONDS = 30
    monkeypatch.setattr(PatientDeriver, "error", InfrastructureError)
    run(row)
    assert row.not_before is not None
    assert row.not_before - timezone.now() <= timedelta(seconds=30)


def test_a_parked_row_is_neither_claimed_nor_sent(row: Derivative) -> None:
    run(row)
    assert not ledger.waiting().exists()
    assert ledger.claim(row.pk, owner="w", lease_seconds=20) is None
    assert reconcile.reconcile() == reconcile.Round()


@pytest.mark.django_db(transaction=True)
def test_who_is_woken_is_sent_with_the_next_round_and_made(
    row: Derivative, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(row)
    monkeypatch.setattr(PatientDeriver, "brought", True)
    assert ledger.wake(Derivative.objects.all(), "not_brought") == 1
    assert reconcile.reconcile() == reconcile.Round(resent=1)
    run(row)
    assert (row.status, row.error_code, row.deferrals) == ("ready", "", 0)


def test_waking_is_for_rows_that_wait_under_this_code_alone(row: Derivative) -> None:
    run(row)
    assert ledger.wake(Derivative.objects.all(), "another") == 0
    assert ledger.wake(Derivative.objects.none(), "not_brought") == 0
    Derivative.objects.update(status="failed")
    assert ledger.wake(Derivative.objects.all(), "not_brought") == 0
    Derivative.objects.update(status="queued")
    assert ledger.wake(Derivative.objects.all(), "not_brought") == 1
    assert ledger.wake(Derivative.objects.all(), "not_brought") == 0, "it is due already"


def test_a_waiting_row_may_be_asked_for_again_or_cancelled(row: Derivative) -> None:
    run(row)
    assert ledger.request_again(Derivative.objects.all()) == 1
    row.refresh_from_db()
    assert (row.not_before, row.error_code) == (None, "")
    run(row)
    assert ledger.cancel(Derivative.objects.all()) == 1
    row.refresh_from_db()
    assert (row.status, row.error_code) == ("failed", "cancelled")


def test_a_mediaerror_of_its_kind_is_told_as_503_with_its_time() -> None:
    from media.api.errors import tell

    told = tell(BroughtError("It is not here yet."))
    assert told == (503, {"code": "not_brought", "message": "It is not here yet."}, {"Retry-After": "7200"})
