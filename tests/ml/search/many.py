"""A library as big as people's are, written straight into the tables: names, words, faces, labels, transcripts.

Words are invented, and spread so that a few are common and most are rare, as in a language.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from media.models import Derivative, File, Folder, Library, Original
from ml.models import Face, ObjectDetection, Person, SoundEvent, Transcript, TranscriptSegment

LABELS: Final = (
    *("person", "dog", "cat", "car", "bicycle", "bus", "boat", "bird", "horse", "chair", "bottle", "cup"),
    *("wine glass", "knife", "pizza", "cake", "bed", "book", "clock", "vase"),
)
SOUNDS: Final = ("Speech", "Music", "Laughter", "Vehicle horn, car horn, honking", "Dog", "Silence")
CAMERAS: Final = (("Canon", "Canon EOS R5"), ("SONY", "ILCE-7M4"), ("Apple", "iPhone 15 Pro"), ("", ""))
FILM: Final = 10
"""Every tenth file is one; something is said and heard in each."""
YEARS: Final = 20
BATCH: Final = 5000
BOX: Final = {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}


@dataclass(frozen=True, slots=True)
class Much:
    files: int
    people: int = 200
    folders: int = 500
    segments: int = 10
    words: int = 4000


class Author:
    """Writes with a small vocabulary; always the same."""

    def __init__(self, library: Library, much: Much) -> None:
        self.library, self.much = library, much
        self.chance = random.Random(1)
        self.words = [self.invented() for _ in range(much.words)]
        self.weights = [1 / (place + 3) for place in range(much.words)]

    def invented(self) -> str:
        parts = range(self.chance.randint(2, 4))
        return "".join(self.chance.choice("bdfghklmnprstvwz") + self.chance.choice("aeiou") for _ in parts)

    def some(self, count: int) -> str:
        return " ".join(self.chance.choices(self.words, self.weights, k=count))

    def original(self, number: int) -> Original:
        kind = "video" if number % FILM == 0 else "image"
        make, model = CAMERAS[number % len(CAMERAS)]
        row = Original(library=self.library, size=1, mime=f"{kind}/mp4", kind=kind, camera_make=make)
        row.key, row.camera_model, row.lens = f"many/{row.pk}", model, make and "24-70mm F2.8"
        if number % 3 == 0:
            row.title, row.caption, row.keywords = self.some(3), self.some(20), self.some(4).split()
        if number % 5 == 0:
            row.probe = {"raw": {"iptc": {"city": self.some(1), "country": "Austria"}}}
        return row

    def file(self, number: int, original: Original, folder: Folder) -> File:
        suffix = "mp4" if original.kind == "video" else "jpg"
        taken = timezone.now() - timedelta(days=self.chance.randrange(365 * YEARS))
        name = f"{self.some(1)}_IMG_{number:06}.{suffix}"
        return File(library=self.library, folder=folder, original=original, name=name, effective_at=taken)


def fill(library: Library, much: Much) -> Author:
    """So many files with all that is known of them; the planner knows the tables afterwards."""
    author = Author(library, much)
    chance = author.chance
    people = make(Person, (Person(library=library, name=author.some(2).title()) for _ in range(much.people)))
    folders = make(
        Folder, (Folder(library=library, name=f"{author.some(2)} {n}") for n in range(much.folders))
    )
    originals = make(Original, map(author.original, range(much.files)))
    make(File, (author.file(n, row, folders[n % len(folders)]) for n, row in enumerate(originals)))
    make(Face, (face(row, chance.choice(people)) for row in originals))
    rows = make(Derivative, (Derivative(original=row, deriver="objects", **QUEUED) for row in originals))
    make(ObjectDetection, (thing(row, chance.choice(LABELS)) for row in rows for _ in range(3)))
    films = [row for row in rows if row.original.kind == "video"]
    make(SoundEvent, (sound(row, chance.choice(SOUNDS)) for row in films for _ in range(3)))
    fill_transcripts(author, films)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return author


def fill_transcripts(author: Author, films: Iterable[Derivative]) -> None:
    said = {row: [author.some(8) for _ in range(author.much.segments)] for row in films}
    transcripts = make(Transcript, (spoken(row, " ".join(texts)) for row, texts in said.items()))
    make(
        TranscriptSegment,
        (
            TranscriptSegment(
                transcript=transcript, position=at, start_seconds=at * 5, end_seconds=at * 5 + 4, text=text
            )
            for transcript in transcripts
            for at, text in enumerate(said[transcript.derivative])
        ),
    )


QUEUED: Final[dict[str, Any]] = {"queue": "thumbnail", "status": "ready", "queued_at": timezone.now()}


def make(model: Callable[..., Any], rows: Iterable[Any]) -> list[Any]:
    objects: Any = model.objects  # type: ignore[attr-defined]  # Any of the models above.
    made: list[Any] = objects.bulk_create(list(rows), batch_size=BATCH)
    return made


def of(row: Original) -> dict[str, Any]:
    return {"library_id": row.library_id, "original": row}


def face(row: Original, person: Person) -> Face:
    return Face(person=person, assigned_by="model", **of(row), **BOX)


def thing(row: Derivative, label: str) -> ObjectDetection:
    return ObjectDetection(derivative=row, label=label, class_index=0, score=0.8, **of(row.original), **BOX)


def sound(row: Derivative, label: str) -> SoundEvent:
    span = {"start_seconds": 0, "end_seconds": 10}
    return SoundEvent(derivative=row, label=label, class_index=0, score=0.5, **of(row.original), **span)


def spoken(row: Derivative, text: str) -> Transcript:
    return Transcript(derivative=row, language="en", model="invented", text=text, **of(row.original))
