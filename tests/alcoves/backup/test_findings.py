"""Findings that wait for workers: closed when it is made, open again when that failed, marked where it was sent."""

from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from alcoves.accounts import roles
from alcoves.backup import mending, tasks
from alcoves.backup.models import Finding
from media.models import AuditEntry, Derivative, Library
from storage.registry import get_store
from tests.alcoves.console.test_many import client_of, post
from tests.ingesting import take_in

pytestmark = pytest.mark.django_db(transaction=True)


def finding_of(row: Derivative, key: str) -> Finding:
    return Finding.objects.create(
        kind="missing", what="output", store="files", key=key, derivative=row.pk, seen_at=timezone.now()
    )


@pytest.fixture
def made(library: Library) -> Derivative:
    original = take_in(library, b"words", "a.bin").file.original
    key = f"{library.pk}/{original.pk}/poster/run/a.webp"
    outputs = [{"name": "a.webp", "key": key, "size": 4, "content_type": "image/webp", "sha256": "0" * 64}]
    row: Derivative = Derivative.objects.create(
        original=original,
        deriver="echo",
        queue="metadata",
        outputs=outputs,
        queued_at=timezone.now(),
        status="ready",
    )
    return row


def settled(finding: Finding) -> tuple[str, str]:
    tasks.tick()
    finding.refresh_from_db()
    return finding.state, finding.text


def test_what_is_made_anew_is_closed_when_it_is_there(made: Derivative, settings: Any) -> None:
    settings.BACKUP_SCHEDULE, settings.VERIFY_DAYS = "off", 0
    key = made.outputs[0]["key"]
    finding = finding_of(made, key)
    assert mending.mend(finding)
    assert settled(finding) == ("repairing", mending.ANEW)
    rows = Derivative.objects.filter(pk=made.pk)
    rows.update(status="failed", error_code="broken")
    state, text = settled(finding)
    assert (state, "failed (broken)" in text) == ("open", True)
    assert mending.mend(finding)
    rows.update(status="ready", error_code="")
    assert settled(finding)[0] == "repairing"  # It says that it is ready, and its bytes are not there.
    get_store("files").put(key, [b"made"])
    assert settled(finding) == ("repaired", "It was made anew.")


def test_what_nobody_makes_any_more_is_closed(made: Derivative, settings: Any) -> None:
    settings.BACKUP_SCHEDULE, settings.VERIFY_DAYS = "off", 0
    finding = finding_of(made, made.outputs[0]["key"])
    assert mending.mend(finding)
    made.delete()
    assert settled(finding)[0] == "repaired"


def test_a_repair_that_cannot_be_sent_marks_and_notes_nothing(
    made: Derivative, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles.bring_up_to_date()
    finding = finding_of(made, made.outputs[0]["key"])

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("Connection refused.")

    monkeypatch.setattr(tasks.mend, "apply_async", refuse)
    text = post(client_of("operator"), "backup_finding", "repair", [finding], sure="yes")
    assert "Redis does not answer, so nothing was begun" in text
    finding.refresh_from_db()
    assert (finding.state, finding.text) == ("open", "")
    assert not AuditEntry.objects.filter(action="findings.repair").exists()
