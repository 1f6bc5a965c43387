"""Repairs are asked for in a request and done by a worker, in batches, each finding once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from alcoves.backup import mending, tasks
from alcoves.backup.models import Finding
from media import audit
from media.models import AuditEntry

pytestmark = pytest.mark.django_db


def orphans(count: int) -> QuerySet[Finding]:
    Finding.objects.bulk_create(
        Finding(kind="orphaned", what="blob", store="files", key=f"a/{number}", seen_at=timezone.now())
        for number in range(count)
    )
    return Finding.objects.all()


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Finding.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def test_one_entry_for_each_batch() -> None:
    keys = mending.ask(orphans(45), by=audit.COMMAND)
    assert states() == {"repairing": 45}
    tasks.mend(keys, "")
    assert states() == {"repaired": 45}
    told = AuditEntry.objects.filter(action="findings.repaired").order_by("pk")
    assert [entry.count for entry in told] == [20, 20, 5]


def test_a_slice_hands_on_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.mend, "apply_async", lambda args, **_: sent.append(args))
    monkeypatch.setattr(tasks, "SLICE", 0.0)
    keys = mending.ask(orphans(3), by=audit.COMMAND)
    tasks.mend(keys, "")
    assert sent == [(keys, "")]


def test_one_that_breaks_off_is_open_again_and_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = mending.ask(orphans(2), by=audit.COMMAND)
    mend = mending.mend

    def break_off(finding: Finding) -> bool:
        if finding.key == "a/0":
            raise OSError("no such disk")
        return mend(finding)

    monkeypatch.setattr(mending, "mend", break_off)
    tasks.mend(keys, "")
    assert dict(Finding.objects.values_list("key", "state")) == {"a/0": "open", "a/1": "repaired"}
    assert "broke off" in Finding.objects.get(key="a/0").text


def test_what_no_worker_took_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.mend, "apply_async", lambda args, **_: sent.append(args))
    keys = mending.ask(orphans(2), by=audit.COMMAND)
    now = timezone.now()
    tasks.send_again(now)
    assert sent == []
    tasks.send_again(now + timedelta(minutes=20))
    assert sent == [(keys, "")]
