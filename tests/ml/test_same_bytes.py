"""The same bytes twice, known to be so only when they were hashed: what models and users have said of both is one's."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from media import ledger
from media.models import Derivative, File, Library, Original
from ml.models import (
    ObjectDetection,
    PictureEmbedding,
    SimilarDecision,
    SimilarPair,
    SoundEvent,
    Transcript,
    TranscriptSegment,
)
from ml.transcription import recording
from tests.ml.search import things

pytestmark = pytest.mark.django_db
DIGEST = "ab" * 32


@pytest.fixture
def known(library: Library) -> File:
    return things.put(library, "known.mp4", kind="video", sha256=DIGEST)


@pytest.fixture
def late(library: Library) -> File:
    return things.put(library, "late.mp4", kind="video")


def found_out(late: File, known: File) -> None:
    before = late.original_id
    assert Original.objects.get(pk=before).adopt_digest(DIGEST).pk == known.original_id
    late.refresh_from_db()
    assert late.original_id == known.original_id
    assert not Original.objects.filter(pk=before).exists()


def ready(file: File, deriver: str, variant: str = "") -> Derivative:
    row = things.derived(file, deriver, variant)
    Derivative.objects.filter(pk=row.pk).update(status="ready", requested_version=1, ready_version=1)
    return row


def transcript(file: File, text: str, *, corrected: float | None = None, variant: str = "") -> Transcript:
    """`corrected`: hours ago."""
    row = ready(file, "transcript", variant)
    made: Transcript = Transcript.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        derivative=row,
        track=2 if variant else 1,
        model="m",
        text=text,
        edited_at=None if corrected is None else timezone.now() - timedelta(hours=corrected),
    )
    TranscriptSegment.objects.create(transcript=made, position=0, start_seconds=0, end_seconds=1, text=text)
    if corrected is not None:
        ready(file, "transcript", f"own-{made.track}-r2")
    return made


def texts_of(file: File) -> list[str]:
    """Of those that stand."""
    return [row.text for row in transcripts_of(file) if not recording.is_put_aside(row)]


def kept_of(file: File) -> list[str]:
    """Of those that lie beside them."""
    return sorted(row.text for row in transcripts_of(file) if recording.is_put_aside(row))


def transcripts_of(file: File) -> list[Transcript]:
    rows = list(Transcript.objects.filter(original=file.original_id).order_by("track"))
    for row in rows:
        assert row.derivative.original_id == file.original_id
        assert [one.text for one in row.segments.all()] == [row.text]
    return rows


@pytest.mark.parametrize(
    ("mine", "theirs", "left"),
    [
        (None, None, "known"),
        (1.0, None, "late"),
        (None, 1.0, "known"),
        (1.0, 2.0, "late"),
        (2.0, 1.0, "known"),
    ],
)
def test_the_correction_that_was_made_last_is_left(
    late: File, known: File, mine: float | None, theirs: float | None, left: str
) -> None:
    transcript(late, "late", corrected=mine)
    transcript(known, "known", corrected=theirs)
    found_out(late, known)
    assert texts_of(known) == [left]
    rows = Derivative.objects.filter(deriver="transcript").exclude(variant__startswith=recording.ASIDE)
    corrected = mine if left == "late" else theirs
    assert sorted(row.variant for row in rows) == ([""] if corrected is None else ["", "own-1-r2"])
    assert set(Derivative.objects.values_list("original_id", flat=True)) == {known.original_id}


@pytest.mark.parametrize("variant", ["", "track-2"])
@pytest.mark.parametrize(("mine", "theirs"), [(1.0, 2.0), (2.0, 1.0)])
def test_corrections_on_both_sides_are_both_kept(
    late: File, known: File, mine: float, theirs: float, variant: str
) -> None:
    """Also of a track that somebody has asked for."""
    transcript(late, "late", corrected=mine, variant=variant)
    transcript(known, "known", corrected=theirs, variant=variant)
    found_out(late, known)
    stands, aside = ("late", "known") if mine < theirs else ("known", "late")
    assert (texts_of(known), kept_of(known)) == ([stands], [aside])
    # And so they are where the bytes turn up once more, under a digest that is told late.
    Original.objects.filter(pk=known.original_id).update(sha256=None)
    third = things.put(known.library, "third.mp4", kind="video", sha256=DIGEST)
    transcript(third, "third", corrected=0.5, variant=variant)
    found_out(known, third)
    assert (texts_of(third), kept_of(third)) == (["third"], ["known", "late"])
    assert Derivative.objects.filter(deriver="transcript").count() == 4


def test_the_same_corrections_are_kept_once(late: File, known: File) -> None:
    for file in (late, known):
        transcript(file, "the same", corrected=1.0)
    found_out(late, known)
    assert (texts_of(known), kept_of(known)) == (["the same"], [])
    assert Derivative.objects.filter(deriver="transcript").count() == 2


def test_a_language_that_somebody_chose_is_no_less_than_one_that_was_found(late: File, known: File) -> None:
    for file, text in ((late, "chosen"), (known, "found")):
        transcript(file, text)
    Derivative.objects.filter(original=late.original_id).update(parameters={"language": "de"})
    found_out(late, known)
    assert texts_of(known) == ["chosen"]
    assert Derivative.objects.get().parameters == {"language": "de"}


def test_tracks_that_the_twin_has_not_go_over(late: File, known: File) -> None:
    transcript(late, "first")
    transcript(late, "second", variant="track-2", corrected=1.0)
    things.derived(known, "transcript")
    found_out(late, known)
    assert texts_of(known) == ["first", "second"]
    assert Derivative.objects.filter(original=known.original_id, variant="own-2-r2").exists()


@pytest.mark.parametrize("there", [False, True])
def test_objects_and_sounds_go_where_there_are_none_yet(late: File, known: File, there: bool) -> None:
    for file, label in ((late, "dog"), (known, "cat")):
        if file is late or there:
            ready(file, "objects")
            ready(file, "sounds")
            things.holds(file, label)
            things.sounds_of(file, label, 0.0)
    found_out(late, known)
    wanted = ["cat" if there else "dog"]
    for rows in (ObjectDetection.objects.all(), SoundEvent.objects.all()):
        assert list(rows.values_list("label", flat=True)) == wanted
        assert {row.original_id for row in rows} == {known.original_id}
        assert {row.derivative.original_id for row in rows} == {known.original_id}


def embedding(file: File) -> PictureEmbedding:
    made: PictureEmbedding = PictureEmbedding.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        derivative=ready(file, "embedding"),
        model="m",
        fingerprint=1,
        embedding=np.eye(1, 8)[0].tolist(),
    )
    return made


def pair(library: Library, one: PictureEmbedding, other: PictureEmbedding) -> SimilarPair:
    first, second = sorted((one.pk, other.pk))
    made: SimilarPair = SimilarPair.objects.create(
        library=library, first_id=first, second_id=second, distance=0.01, bits=1
    )
    return made


def decide(library: Library, one: File, other: File) -> None:
    first, second = sorted((one.original_id, other.original_id))
    SimilarDecision.objects.create(library=library, first_id=first, second_id=second)


def test_what_are_no_copies_of_each_other_stays_so(library: Library, late: File, known: File) -> None:
    third, fourth = (things.put(library, f"{number}.jpg") for number in range(2))
    vectors = {file.pk: embedding(file) for file in (late, known, third, fourth)}
    for file in (late, known):
        pair(library, vectors[file.pk], vectors[third.pk])
    kept = pair(library, vectors[known.pk], vectors[fourth.pk])
    decide(library, late, third)
    decide(library, late, known)
    found_out(late, known)
    (said,) = SimilarDecision.objects.all()
    assert {said.first_id, said.second_id} == {known.original_id, third.original_id}
    assert list(SimilarPair.objects.values_list("pk", flat=True)) == [kept.pk]
    assert set(PictureEmbedding.objects.values_list("pk", flat=True)) == {
        vectors[file.pk].pk for file in (known, third, fourth)
    }


def test_vectors_go_where_there_are_none_yet(late: File, known: File) -> None:
    vector = embedding(late)
    found_out(late, known)
    vector.refresh_from_db()
    assert (vector.original_id, vector.derivative.original_id) == (known.original_id, known.original_id)


def test_what_a_twin_had_under_way_is_given_up_for_what_is_ready(late: File, known: File) -> None:
    """Its run finds that its row is gone; the parts that it was divided into go with their blobs."""
    row = things.derived(known, "objects")
    claim = ledger.claim(row.pk, owner="elsewhere", lease_seconds=60)
    assert claim is not None
    Derivative.objects.create(
        original_id=known.original_id,
        deriver="transcript-part",
        variant="1",
        queue="transcription",
        parent=row,
        queued_at=timezone.now(),
    )
    ready(late, "objects")
    found_out(late, known)
    (left,) = Derivative.objects.all()
    assert (left.original_id, left.status) == (known.original_id, "ready")
    assert not ledger.held(claim).exists()
