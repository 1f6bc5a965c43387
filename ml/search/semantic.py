"""Search by meaning: a text or a picture against what pictures and films mean. `ml.api` asks here.

It never fails and never waits long: where the model is not here, is switched off, or is late to read the text, the
answer says so and has no hits, and the search goes on by words alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from uuid import UUID

import numpy as np

from media.models import File, Library
from ml.models import PictureEmbedding
from ml.registry.specs import ModelSpec
from ml.search import changing, encoders, queries, vectors
from ml.search.encoders import Vector, unit
from ml.search.vectors import Near

Status: TypeAlias = Literal["used", "late", "off"]
"""`off`: no model here, or no library with the switch on. `late`: the text was not read in time."""
MOST: Final = 1000
FAR: Final = 0.6
"""Share of the best score under which a hit is none: families of models spread their cosines differently, and of one
text too. With the floor of the model it keeps what has nothing to do with the text out of the list."""
OVER: Final = 4
"""Vectors looked for in place of each hit at first: films have many."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An original that fits, by its best picture. `second` is of a film; `score` a cosine."""

    original_id: UUID
    library_id: UUID
    second: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """The best first."""

    status: Status
    hits: tuple[Hit, ...] = ()


OFF: Final = Found("off")
LATE: Final = Found("late")
NONE: Final = Found("used")


def find(
    libraries: Collection[UUID], text: str, *, limit: int, seconds: float = queries.WAIT_SECONDS
) -> Found:
    """What in these libraries fits a text. The caller has seen that the asker is a member of each."""
    spec, seeing = usable(libraries)
    if spec is None or not text.strip():
        return OFF
    vector = queries.vector_of(spec, text, seconds)
    if vector is None:
        return LATE
    hits = best(spec, seeing, vector, limit)
    return Found("used", among_the_best(hits, encoders.floor_of(spec)))


def like(libraries: Collection[UUID], file_id: UUID, *, limit: int) -> Found:
    """What in these libraries looks like this file. A file that is not in one of them is like nothing."""
    spec, seeing = usable(libraries)
    if spec is None:
        return OFF
    file = (
        File.objects.live()
        .filter(pk=file_id, library__in=seeing, original__held_at=None)
        .only("original_id")
        .first()
    )
    if file is None:
        return NONE
    vector = mean_of(spec, file.original_id)
    if vector is None:
        return NONE
    floor = encoders.like_floor_of(spec)
    hits = best(spec, seeing, vector, limit + 1)
    others = [hit for hit in hits if hit.original_id != file.original_id and hit.score >= floor]
    return Found("used", tuple(others[:limit]))


def usable(libraries: Collection[UUID]) -> tuple[ModelSpec | None, list[UUID]]:
    """The model that answers, where its files are here, and those of the libraries that have the switch on. Three
    queries."""
    seeing = list(Library.objects.filter(pk__in=list(libraries), semantic=True).values_list("pk", flat=True))
    if not seeing:
        return None, []
    return changing.answering(), seeing


def mean_of(spec: ModelSpec, original_id: UUID) -> Vector | None:
    """Of a film the mean of its scenes; None for what this model has not seen."""
    rows = PictureEmbedding.objects.filter(original=original_id, model=spec.id)
    found = list(rows.values_list("embedding", flat=True))
    return unit(np.mean(np.asarray(found, dtype=np.float32), axis=0)) if found else None


def best(spec: ModelSpec, libraries: Collection[UUID], vector: Vector, limit: int) -> list[Hit]:
    """The nearest originals, each once. Looks for more vectors until there are enough originals, or no more vectors."""
    scope = vectors.rows_of(spec, libraries)
    rows = vectors.shown(scope)
    count = min(MOST, OVER * limit)
    while True:
        found = vectors.nearest(rows, scope, vector, count)
        hits = by_original(found)
        if len(hits) >= limit or len(found) < count or count == MOST:
            return hits[:limit]
        count = min(MOST, OVER * count)


def by_original(found: list[Near]) -> list[Hit]:
    """Of several vectors of one original the nearest."""
    hits: dict[UUID, Hit] = {}
    for one in found:
        hits.setdefault(one.original_id, Hit(one.original_id, one.library_id, one.second, one.score))
    return list(hits.values())


def among_the_best(hits: list[Hit], floor: float) -> tuple[Hit, ...]:
    """Without those that only are the nearest of what there is."""
    if not hits:
        return ()
    least = max(floor, FAR * hits[0].score)
    return tuple(hit for hit in hits if hit.score >= least)
