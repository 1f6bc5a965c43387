"""Corrections go by the word of a person, for one request; and they stay with the track that was corrected."""

from collections.abc import Callable
from typing import Any

import pytest
from django.http import Http404

from alcoves.accounts.models import User
from media import ledger, reprocess
from media.api.describing import with_all
from media.models import Derivative, File, Original
from media.models.derivative import LOST_CLAIMS_LIMIT
from ml.models import Transcript
from ml.transcription import asking, editing
from tests.conftest import client_of
from tests.ingesting import run_queued
from tests.ml.transcription.conftest import row_of, transcript_of

pytestmark = pytest.mark.django_db
HELLO = "Hello small world."
WRONG = {"code": "wrong", "message": "It went wrong.", "detail": ""}


def whole(file: File) -> File:
    """As the API loads it."""
    found: File = with_all(File.objects.filter(pk=file.pk), probe=True).get()
    return found


@pytest.fixture
def corrected(recording: File, alice: User) -> File:
    written = transcript_of(recording)
    first = written.segments.first()
    assert first is not None
    change = {"op": "change", "id": first.pk, "text": "What Alice wrote."}
    editing.edit(whole(recording), written, alice, written.revision, [change])
    return recording


def claimed(row: Derivative, lease: float = 60.0) -> ledger.Claim:
    claim = ledger.claim(row.pk, owner="test", lease_seconds=lease)
    assert claim is not None
    return claim


def cancel(row: Derivative) -> None:
    ledger.cancel(Derivative.objects.filter(pk=row.pk))


def fail(row: Derivative) -> None:
    assert ledger.fail(claimed(row), **WRONG)


def quarantine(row: Derivative) -> None:
    for _ in range(LOST_CLAIMS_LIMIT):
        claimed(row, lease=-1.0)
        ledger.rescue()
    row.refresh_from_db()
    assert (row.status, row.error_code) == ("failed", "quarantined")


def overtake(row: Derivative) -> None:
    """It still waits when a whole library is asked for anew."""
    assert row.status == "queued"


@pytest.mark.parametrize("ended", [cancel, fail, quarantine, overtake])
def test_the_word_of_a_request_that_came_to_nothing_is_not_that_of_the_next(
    corrected: File, ended: Callable[[Derivative], None]
) -> None:
    before = transcript_of(corrected)
    ended(asking.ask(whole(corrected), 0, replace=True))
    assert reprocess.reprocess(reprocess.Selection(deriver="transcript", library=corrected.library_id))
    run_queued()
    after, row = transcript_of(corrected), row_of(corrected)
    assert (row.status, row.ready_version) == ("ready", row.requested_version)
    assert (after.text, after.revision) == (before.text, before.revision)
    assert row_of(corrected, f"own-0-r{before.revision}").outputs


def test_a_run_that_is_tried_again_for_the_same_request_keeps_its_word(corrected: File) -> None:
    row = asking.ask(whole(corrected), 0, replace=True)
    assert ledger.try_later(claimed(row), delay_seconds=0, burn=True, **WRONG)
    run_queued()
    assert transcript_of(corrected).text == f"{HELLO} {HELLO}"


def test_what_is_corrected_after_the_request_stays(corrected: File, alice: User) -> None:
    asking.ask(whole(corrected), 0, replace=True)
    written = transcript_of(corrected)
    editing.edit(whole(corrected), written, alice, written.revision, [], "de")
    run_queued()
    assert transcript_of(corrected).language == "de"


@pytest.fixture
def another_default(corrected: File) -> File:
    """A later probe finds a second track, and that it is the default one."""
    original = Original.objects.get(pk=corrected.original_id)
    facts: dict[str, Any] = dict(original.probe or {})
    (first,) = facts["audio"]
    tracks = [{**first, "default": False}, {**first, "index": 1, "default": True}]
    original.probe = {**facts, "audio": tracks}
    original.save(update_fields=["probe"])
    assert asking.default_of(whole(corrected)) == 1
    return corrected


def test_a_transcript_stays_with_its_track_when_another_is_the_default(
    another_default: File, alice: User
) -> None:
    client = client_of(alice)
    base = f"/api/libraries/{another_default.library_id}/files/{another_default.pk}/transcripts"
    assert client.get(f"{base}/default").status_code == 404
    assert client.get(f"{base}/default/transcript.vtt").status_code == 404
    old = client.get(f"{base}/0").json()
    assert "What Alice wrote." in old["text"]
    body = {"revision": old["transcript"]["revision"], "language": "de"}
    for track, status in (("default", 404), ("0", 200)):
        answer = client.patch(f"{base}/{track}", body, content_type="application/json")
        assert answer.status_code == status, answer.content
    listed = {one["track"]: one["transcript"] for one in client.get(base).json()}
    assert listed[1] is None
    assert listed[0]["language"] == "de"


def test_corrections_of_a_track_stay_when_another_job_hears_it_anew(another_default: File) -> None:
    before = transcript_of(another_default)
    asking.ask(whole(another_default), 0)
    run_queued()
    after = transcript_of(another_default, "track-0")
    assert (after.pk, after.text, after.revision) == (before.pk, before.text, before.revision)
    assert row_of(another_default, f"own-0-r{before.revision}").outputs


def test_replacing_the_default_track_takes_no_corrections_of_another(another_default: File) -> None:
    before = transcript_of(another_default)
    with pytest.raises(Http404):
        asking.find_transcript(whole(another_default), 1)
    asking.ask(whole(another_default), 1, replace=True)
    # This recording has one track, whatever its row says: what is heard does not matter here.
    run_queued()
    assert Transcript.objects.get(pk=before.pk).text == before.text
