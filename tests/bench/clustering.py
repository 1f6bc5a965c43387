"""`clustering`: a crowd of made-up people finds its people, as faces come in; and again in other orders.

All faces are decided about in memory, by vectors that are compared exactly, once for each order; so that takes minutes
and not hours. Some of them also go the whole way: rows in Postgres, look-ups, batches of `ml.faces.assigning`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from media.models import Library, Original
from ml.faces import assigning
from ml.faces.clustering import Known, Placing, Rules
from ml.models import Face
from tests.bench import machines
from tests.bench.identities import Agreement, Crowd, Vectors, agreement, crowd, same_person_cosines
from tests.bench.measuring import Result
from tests.ml.people.galleries import MemoryGallery

MODEL = "bench"
LEAST_F1 = 0.98
MOST_DIFFERENCE = 0.02


@dataclass(frozen=True, slots=True)
class Size:
    people: int = 1000
    faces: int = 100_000
    stored: int = 20_000
    """Faces that also go the whole way, of so many people that each has as many faces as in the crowd."""
    batch: int = 256
    seed: int = 1


QUICK = Size(people=100, faces=10_000, stored=3000)


def run(size: Size, folder: Path) -> list[Result]:
    of = crowd(size.people, size.faces, size.seed)
    orders = {
        "as_they_come": np.arange(size.faces),
        "shuffled": np.random.default_rng(size.seed + 1).permutation(size.faces),
        "one_person_after_the_other": np.argsort(of.identities, kind="stable"),
    }
    began = time.monotonic()
    found = {name: in_memory(of, order, size.batch) for name, order in orders.items()}
    seconds = time.monotonic() - began
    stored, stored_seconds = in_database(size)
    f1 = {name: one.f1 for name, one in found.items()}
    told = {
        "people": size.people,
        "faces": size.faces,
        "cosines_of_one_person": same_person_cosines(of),
        **{name: one.told() for name, one in found.items()},
        "seconds_for_each_order": round(seconds / len(orders), 1),
        "through_the_database": {
            "faces": size.stored,
            "seconds": round(stored_seconds, 1),
            "faces_per_second": round(size.stored / stored_seconds, 1),
            **stored.told(),
        },
    }
    worst, difference = min(stored.f1, *f1.values()), max(f1.values()) - min(f1.values())
    return [
        Result("clustering", worst, LEAST_F1, higher_is_better=True, raw=told),
        Result("clustering-order", difference, MOST_DIFFERENCE, higher_is_better=False, raw={"f1": f1}),
    ]


def in_memory(of: Crowd, order: NDArray[np.int64], batch: int) -> Agreement:
    """The faces in this order, a batch at a time; each batch knows only those before it."""
    rules = Rules()
    gallery = MemoryGallery(of.vectors[order], rules.neighbours)
    keys = [UUID(int=number + 1) for number in range(len(order))]
    for start in range(0, len(order), batch):
        some = range(start, min(start + batch, len(order)))
        gallery.add([Known(keys[n], UUID(int=10**12 + int(of.pictures[order[n]]))) for n in some])
        Placing(gallery, rules).place(keys[some.start : some.stop])
    return agreement(of.identities[order].tolist(), [face.person for face in gallery.known])


def in_database(size: Size) -> tuple[Agreement, float]:
    """As a worker does it: faces are written, and then wait for their people. With the seconds that took."""
    of = crowd(max(1, size.people * size.stored // size.faces), size.stored, size.seed)
    library = machines.library()
    began = time.monotonic()
    keys: list[UUID] = []
    for start in range(0, size.stored, size.batch):
        part = slice(start, min(start + size.batch, size.stored))
        keys += write(library, of.vectors[part], of.pictures[part].tolist())
        while assigning.assign_waiting(library.pk):
            pass
    seconds = time.monotonic() - began
    people = dict(Face.objects.filter(library=library).values_list("pk", "person_id"))
    return agreement(of.identities.tolist(), [people[key] for key in keys]), seconds


def write(library: Library, vectors: Vectors, pictures: Sequence[int]) -> list[UUID]:
    """Rows as a run leaves them. Originals without bytes: nobody looks at them here."""
    names = {number: f"{library.pk}/bench/{number}" for number in pictures}
    missing = set(names.values()) - set(
        Original.objects.filter(key__in=names.values()).values_list("key", flat=True)
    )
    facts: dict[str, Any] = {"library": library, "size": 1, "mime": "image/jpeg", "kind": "image"}
    Original.objects.bulk_create(Original(key=name, **facts) for name in sorted(missing))
    originals = dict(Original.objects.filter(key__in=names.values()).values_list("key", "pk"))
    box = {"x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1, "quality": 0.5, "model": MODEL}
    rows = [
        Face(library=library, original_id=originals[names[number]], embedding=vector, **box)
        for number, vector in zip(pictures, vectors.astype(np.float16), strict=True)
    ]
    Face.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE ml_face")
    return [row.pk for row in rows]
