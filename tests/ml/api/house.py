"""A library with one of everything that the addresses of understanding name: rows without bytes, no model is run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from media.api.cursors import encode
from media.libraries import create_library
from media.models import Derivative, File, Library
from ml.models import (
    Face,
    FaceProposal,
    MergeProposal,
    ObjectDetection,
    Person,
    PictureEmbedding,
    SimilarPair,
    SoundEvent,
    Transcript,
    TranscriptSegment,
)
from tests.ml.people.making import direction, make_face, make_file, make_person

CURSORS = tuple(
    encode(text, UUID(int=1))
    for text in ("", "similar", "nan", "-inf", "1e999", "9" * 40, "0 99999999999 x", "1 0 ", "a b c d")
)
"""Well-made cursors of another list, or of nobody."""


@dataclass(frozen=True, slots=True)
class House:
    """The keys by which addresses and bodies name things."""

    library: Library
    file: File
    twin: File
    person: Person
    other: Person
    face: Face
    stray: Face
    merge: MergeProposal
    proposal: FaceProposal

    def keys(self) -> dict[str, str]:
        """What stands in addresses; the proposal is of people or of a face by the route."""
        return {
            "library_id": str(self.library.pk),
            "file_id": str(self.file.pk),
            "person_id": str(self.person.pk),
            "merge_id": str(self.merge.pk),
            "face_proposal_id": str(self.proposal.pk),
        }


def build(owner: Any, name: str) -> House:
    """A library of this owner, with everything on."""
    library = create_library(owner, name)
    for switch in ("faces", "objects_on", "audio_events", "transcripts", "semantic"):
        setattr(library, switch, True)
    library.save()
    return furnish(library)


def furnish(library: Library) -> House:
    """One more of everything."""
    file, twin = make_file(library, kind="video", duration=60.0), make_file(library)
    file.original.probe = {
        "audio": [{"index": 1, "codec": "aac", "language": "eng", "title": "Sound", "default": True}],
        "video": [],
    }
    file.original.save(update_fields=["probe"])
    first, second = sorted((make_person(library, 1), make_person(library, 2)), key=lambda row: row.pk)
    face = make_face(library, direction(1), file=file, person=first, waiting=False)
    stray = make_face(library, direction(3), file=file, waiting=False)
    for made in (find(library, file), hear(library, file), *embed(library, file, twin)):
        made.save()
    write_down(library, file)
    return House(
        library,
        file,
        twin,
        first,
        second,
        face,
        stray,
        MergeProposal.objects.create(library=library, first=first, second=second, distance=0.3),
        FaceProposal.objects.create(library=library, face=stray, person=first, distance=0.4),
    )


def ready(file: File, deriver: str, queue: str) -> Derivative:
    row: Derivative = Derivative.objects.create(
        original_id=file.original_id,
        deriver=deriver,
        queue=queue,
        status="ready",
        ready_version=1,
        made_by={"model": "some"},
        queued_at=timezone.now(),
    )
    return row


def find(library: Library, file: File) -> ObjectDetection:
    row = ready(file, "objects", "object-detection")
    return ObjectDetection(
        library=library,
        original=file.original,
        derivative=row,
        label="dog",
        class_index=16,
        score=0.9,
        x=0.1,
        y=0.1,
        width=0.2,
        height=0.2,
        second=1.0,
        start_seconds=0.0,
        end_seconds=2.0,
    )


def hear(library: Library, file: File) -> SoundEvent:
    row = ready(file, "sounds", "audio-detection")
    return SoundEvent(
        library=library,
        original=file.original,
        derivative=row,
        label="Speech",
        class_index=0,
        score=0.8,
        start_seconds=0.0,
        end_seconds=10.0,
    )


def embed(library: Library, file: File, twin: File) -> Iterator[Any]:
    rows = []
    for number, one in enumerate((file, twin)):
        row = PictureEmbedding(
            library=library,
            original=one.original,
            derivative=ready(one, "embedding", "object-detection"),
            model="some",
            fingerprint=number,
            embedding=direction(9),
        )
        rows.append(row)
        yield row
    first, second = sorted(rows, key=lambda row: row.pk)
    yield SimilarPair(library=library, first=first, second=second, distance=0.01, bits=1)


def write_down(library: Library, file: File) -> None:
    row = ready(file, "transcript", "transcription")
    written = Transcript.objects.create(
        library=library,
        original=file.original,
        derivative=row,
        track=1,
        language="en",
        model="some",
        text="Hello dog.",
    )
    TranscriptSegment.objects.create(
        transcript=written, position=0, start_seconds=0.0, end_seconds=1.0, text="Hello dog."
    )
