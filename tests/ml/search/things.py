"""Things to be found: files and what models would have said of them, written straight into the tables."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.test import Client
from django.utils import timezone

from media.models import Derivative, File, Folder, Library, Moment, Original, Tag
from ml.models import Face, ObjectDetection, Person, SoundEvent, Transcript, TranscriptSegment

SWITCHES = ("faces", "objects_on", "audio_events", "transcripts")


def switch_on(library: Library, *names: str) -> None:
    for name in names or SWITCHES:
        setattr(library, name, True)
    library.save()


def put(
    library: Library,
    name: str,
    *,
    folder: Folder | None = None,
    kind: str = "image",
    at: datetime | None = None,
    **told: Any,
) -> File:
    """A file of an original of its own; `told` are columns of the original."""
    mime = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mpeg"}.get(kind, "text/plain")
    original = Original(library=library, size=1, mime=mime, kind=kind, captured_at=at, **told)
    original.key = f"{library.pk}/{original.pk}"
    original.save()
    file: File = File.objects.create(
        library=library, original=original, name=name, folder=folder, effective_at=at or timezone.now()
    )
    return file


def derived(file: File, deriver: str, variant: str = "") -> Derivative:
    row, _ = Derivative.objects.get_or_create(
        original_id=file.original_id,
        deriver=deriver,
        variant=variant,
        defaults={"queue": "thumbnail", "queued_at": timezone.now()},
    )
    return row


def seen(file: File, person: Person, second: float | None = None) -> Face:
    face: Face = Face.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        person=person,
        assigned_by="user",
        second=second,
        x=0.1,
        y=0.1,
        width=0.2,
        height=0.2,
    )
    return face


def person(library: Library, name: str, **options: Any) -> Person:
    made: Person = Person.objects.create(library=library, name=name, **options)
    return made


def holds(file: File, label: str, second: float | None = None, score: float = 0.9) -> None:
    ObjectDetection.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        derivative=derived(file, "objects"),
        label=label,
        class_index=0,
        score=score,
        second=second,
        x=0.1,
        y=0.1,
        width=0.2,
        height=0.2,
    )


def sounds_of(file: File, label: str, start: float) -> None:
    SoundEvent.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        derivative=derived(file, "sounds"),
        label=label,
        class_index=0,
        score=0.8,
        start_seconds=start,
        end_seconds=start + 10,
    )


def says(file: File, language: str, *texts: str, track: int = 0) -> Transcript:
    """A segment every ten seconds."""
    made: Transcript = Transcript.objects.create(
        library_id=file.library_id,
        original_id=file.original_id,
        derivative=derived(file, "transcript", str(track)),
        language=language,
        track=track,
        model="test",
        text=" ".join(texts),
    )
    TranscriptSegment.objects.bulk_create(
        TranscriptSegment(
            transcript=made, position=place, start_seconds=place * 10, end_seconds=place * 10 + 9, text=text
        )
        for place, text in enumerate(texts)
    )
    return made


def marked(file: File, name: str, start: float, *tags: Tag) -> Moment:
    moment: Moment = Moment.objects.create(file=file, name=name, start=start, end=start + 5)
    moment.tags.set(tags)
    return moment


def search(client: Client, q: str, **more: Any) -> dict[str, Any]:
    answer = client.get("/api/search", {"q": q, **more})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [(entry["file"] or entry["folder"])["name"] for entry in found["entries"]]


def counts(found: dict[str, Any], facet: str) -> dict[str, int]:
    return {one["name"]: one["count"] for one in found["facets"][facet]}


def parts(where: dict[str, Any]) -> list[str]:
    """What is highlighted."""
    spans: Sequence[Sequence[int]] = where["ranges"]
    return [where["text"][start:end] for start, end in spans]
