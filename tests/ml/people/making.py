"""Pictures with faces, as a run of the models leaves them: rows without bytes."""

import hashlib
import itertools
from typing import Any
from uuid import UUID

import numpy as np

from media.models import File, Library, Original
from ml.models import Face, Person
from ml.models.faces import By
from tests.bench.identities import DIMENSIONS, Vectors, unit

NUMBERS = itertools.count(1)
MODEL = "test-model"


def direction(seed: int) -> Vectors:
    """The direction of a person: of another seed, nearly at a right angle."""
    found: Vectors = unit(np.random.default_rng(seed).standard_normal((1, DIMENSIONS), dtype=np.float32))[0]
    return found


def beside(of: Vectors, distance: float, seed: int = 0) -> Vectors:
    """A vector at exactly this cosine distance."""
    other = np.random.default_rng(10_000 + seed).standard_normal(DIMENSIONS).astype(np.float32)
    other -= (other @ of) * of
    cosine = 1 - distance
    found: Vectors = cosine * of + np.sqrt(max(0.0, 1 - cosine**2)) * unit(other[None])[0]
    return found


def make_file(library: Library, *, kind: str = "image", duration: float | None = None) -> File:
    number = next(NUMBERS)
    name = f"picture-{number}.jpg"
    original = Original.objects.create(
        library=library,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        size=number,
        mime="video/mp4" if kind == "video" else "image/jpeg",
        kind=kind,
        duration=duration,
        key=f"{library.pk}/{number}",
    )
    file: File = File.objects.create(library=library, original=original, name=name)
    return file


def make_face(
    library: Library,
    vector: Any = None,
    *,
    file: File | None = None,
    person: Person | None = None,
    **given: Any,
) -> Face:
    """In a picture of its own unless one is given."""
    seen_in = file or make_file(library)
    by = given.pop("assigned_by", By.MODEL if person else By.NOBODY)
    values = {"x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2, "quality": 0.5, "model": MODEL, **given}
    face: Face = Face.objects.create(
        library=library, original=seen_in.original, embedding=vector, person=person, assigned_by=by, **values
    )
    return face


def make_person(
    library: Library, seed: int, faces: int = 3, *, name: str = "", spread: float = 0.2
) -> Person:
    """With so many faces that are looked at already, each in a picture of its own."""
    person: Person = Person.objects.create(library=library, name=name)
    for number in range(faces):
        vector = beside(direction(seed), spread / 2, seed * 1000 + number)
        make_face(library, vector, person=person, waiting=False)
    return person


def people_of(faces: list[Face]) -> list[UUID | None]:
    """Whose they are now."""
    found = dict(Face.objects.filter(pk__in=[face.pk for face in faces]).values_list("pk", "person_id"))
    return [found[face.pk] for face in faces]
