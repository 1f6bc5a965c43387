"""Search for what is said, where segments are larger than any that are written today."""

import pytest

from alcoves.accounts.models import User
from media.models import File
from ml.models import Transcript, TranscriptSegment
from tests.conftest import client_of
from tests.ml.transcription.conftest import transcript_of

pytestmark = pytest.mark.django_db


def many_words(begin: int) -> str:
    """About 700,000 bytes as a vector."""
    return " ".join(f"w{number:07}" for number in range(begin, begin + 45_000))


def test_a_quotation_is_found_beside_segments_that_no_vector_of_both_can_hold(
    recording: File, alice: User
) -> None:
    written = transcript_of(recording)
    texts = [f"{many_words(0)} blue", f"whale {many_words(50_000)}", "A blue whale swims."]
    TranscriptSegment.objects.filter(transcript=written).delete()
    TranscriptSegment.objects.bulk_create(
        TranscriptSegment(
            transcript=written, position=number, start_seconds=number, end_seconds=number + 1, text=text
        )
        for number, text in enumerate(texts)
    )
    Transcript.objects.filter(pk=written.pk).update(text="blue whale swims")
    answer = client_of(alice).get("/api/search", {"q": '"blue whale"'})
    assert answer.status_code == 200, answer.content
    found = answer.content.decode()
    assert str(recording.pk) in found
    assert "swims" in found
