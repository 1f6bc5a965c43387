"""Failures that operators leave at that: by key and by selection, noted, taken back, and forgotten by the next run."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import User
from alcoves.alerts.rules import work
from alcoves.console.dashboard import files, warnings
from media import audit, bulk, ledger, selecting, tallies
from media.errors import RequestError
from media.models import AuditEntry, Bulk, Derivative, Library, tally
from media.models.bulk import BulkState
from media.selecting import ACCEPT, REPROCESS, UNACCEPT, Selection
from tests.alcoves.console.dashboard import made_up
from tests.conftest import client_of

pytestmark = pytest.mark.django_db
ADDRESS = "/api/admin/reprocess"


@pytest.fixture
def failed(library: Library, settings: Any) -> list[Derivative]:
    of = made_up.originals(library, 3)
    made_up.derivatives(of, "preview")
    return made_up.derivatives(of, "hover", status="failed", error_code="damaged_file")


def accepted() -> dict[str, int]:
    return {one.keys[0]: one.number for one in tallies.told(tally.ACCEPTED, 0)}


def keys(rows: list[Derivative]) -> list[Any]:
    return [row.pk for row in rows]


def test_failures_are_accepted_and_taken_back(failed: list[Derivative]) -> None:
    chosen = Selection(deriver="hover")
    assert bulk.act_on(ACCEPT, chosen, audit.COMMAND).count == 3
    assert Derivative.objects.filter(accepted_at__isnull=False, status="failed").count() == 3
    assert accepted() == {"hover": 3}
    assert selecting.count(ACCEPT, chosen) == 0
    assert selecting.count(REPROCESS, Selection(accepted="yes")) == 3
    assert selecting.count(REPROCESS, Selection(status="failed", accepted="no")) == 0
    assert selecting.act_on_keys(UNACCEPT, keys(failed[:1]), audit.COMMAND) == 1
    assert accepted() == {"hover": 2}
    texts = list(AuditEntry.objects.order_by("pk").values_list("action", "count", "text"))
    assert texts == [
        ("derivatives.accept", 3, "3 jobs were accepted: deriver hover."),
        ("derivatives.unaccept", 1, "1 job was counted as failures again, one by one."),
    ]
    assert set(tallies.recount().values()) == {0}


def test_what_has_not_failed_cannot_be_accepted(failed: list[Derivative]) -> None:
    assert (
        selecting.act_on_keys(ACCEPT, keys(list(Derivative.objects.filter(deriver="preview"))), audit.COMMAND)
        == 0
    )
    Derivative.objects.filter(deriver="preview").update(accepted_at=timezone.now())
    assert not Derivative.objects.filter(accepted_at__isnull=False).exists()
    with pytest.raises(RequestError, match="yes or no"):
        selecting.check(Selection(accepted="perhaps"))


def test_whatever_runs_again_is_accepted_no_more(failed: list[Derivative]) -> None:
    selecting.act_on_keys(ACCEPT, keys(failed), audit.COMMAND)
    ledger.request_again(Derivative.objects.filter(pk=failed[0].pk))
    Derivative.objects.filter(pk=failed[1].pk).update(status="ready")
    failed[2].delete()
    assert not Derivative.objects.filter(accepted_at__isnull=False).exists()
    assert accepted() == {}
    Derivative.objects.filter(pk=failed[0].pk).update(status="failed", error_code="damaged_file")
    assert Derivative.objects.get(pk=failed[0].pk).accepted_at is None, "A new failure is a new one."
    assert set(tallies.recount().values()) == {0}


def test_parts_go_with_their_parent(failed: list[Derivative]) -> None:
    parent, part, other = failed
    Derivative.objects.filter(pk=part.pk).update(parent=parent)
    assert selecting.act_on_keys(ACCEPT, [parent.pk, part.pk], audit.COMMAND) == 1
    assert set(Derivative.objects.filter(accepted_at__isnull=False).values_list("pk", flat=True)) == {
        parent.pk,
        part.pk,
    }
    assert selecting.act_on_keys(UNACCEPT, [part.pk], audit.COMMAND) == 0
    assert selecting.act_on_keys(UNACCEPT, [parent.pk], audit.COMMAND) == 1
    assert not Derivative.objects.filter(accepted_at__isnull=False).exists()
    assert other.accepted_at is None


def test_many_are_accepted_in_batches(failed: list[Derivative], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "BATCH", 2)
    monkeypatch.setattr(bulk, "send", lambda row: None)
    acted = bulk.act_on(ACCEPT, Selection(status="failed"), audit.COMMAND)
    bulk.go_on(Bulk.objects.get(pk=acted.task).pk)
    row = Bulk.objects.get(pk=acted.task)
    assert (row.state, row.done, row.total) == (BulkState.DONE, 3, 3)
    assert accepted() == {"hover": 3}
    assert AuditEntry.objects.filter(action="derivatives.accept", count=3).count() == 2


def test_programs_do_the_same(failed: list[Derivative], client: Client, as_alice: Client) -> None:
    boss = client_of(User.objects.create_superuser("root@example.org", "root-password-1"))
    given = {"act": "accept", "deriver": "hover"}
    assert as_alice.post(ADDRESS, given, "application/json").status_code == 404
    assert boss.post(ADDRESS, {**given, "accepted": "perhaps"}, "application/json").status_code == 400
    assert boss.post(ADDRESS, given, "application/json").json()["count"] == 3
    again = boss.post(ADDRESS, {"act": "unaccept", "accepted": "yes"}, "application/json")
    assert (again.status_code, again.json()["count"]) == (202, 3)
    assert accepted() == {}
    assert {entry.via for entry in AuditEntry.objects.all()} == {"api"}


def test_warnings_and_rules_count_the_others(failed: list[Derivative]) -> None:
    (told,) = warnings.failed()
    assert told.sentence.startswith("3 jobs have failed")
    selecting.act_on_keys(ACCEPT, keys(failed[:2]), audit.COMMAND)
    (told,) = warnings.failed()
    assert told.sentence.startswith("1 job has failed, the largest group is hover (1).")
    assert told.sentence.endswith("2 more are accepted.")
    at_a_glance = files.overview()
    assert (at_a_glance["jobs"]["failed"], at_a_glance["accepted"]) == (3, 2)
    Derivative.objects.filter(pk__in=keys(failed)).update(error_code="quarantined")
    (told,) = work.quarantined()
    assert told.sentence.startswith("1 job was set aside")
    selecting.act_on_keys(ACCEPT, keys(failed), audit.COMMAND)
    assert list(warnings.failed()) == []
    assert list(work.quarantined()) == []


def test_a_deriver_whose_failures_are_accepted_fails_no_more(failed: list[Derivative], settings: Any) -> None:
    settings.ALERT_FAILURE_COUNT = 3
    made_up.ended("hover", "failed", 3)
    (told,) = work.failing()
    assert told.sentence.startswith("3 of 3 runs of hover failed")
    Derivative.objects.filter(pk__in=keys(failed)).update(finished_at=timezone.now())
    selecting.act_on_keys(ACCEPT, keys(failed[:1]), audit.COMMAND)
    assert list(work.failing()) == []
