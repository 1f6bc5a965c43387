"""The nearest vectors among those somebody may see: exactly where they are few, by the index where they are many.

An index (HNSW, one for each length of vectors, see the migrations) holds the vectors of the whole installation. So a
search through it goes on until enough of them are of the libraries asked for (iterative scan), and where it gives up
before that, all vectors of these libraries are compared. Where it would have to go far, they are compared at once
(`ml.walking`). A list never comes back short for the sake of the index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db.models import Exists, Func, IntegerField, OuterRef, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact
from pgvector import HalfVector
from pgvector.django import CosineDistance, HalfVectorField

from media.models import File
from ml import walking
from ml.models import PictureEmbedding
from ml.registry.specs import ModelSpec
from ml.search.encoders import Vector

EXACT_MOST: Final = 10_000
"""Vectors that are compared one by one: some 10 ms."""
EF_LEAST, EF_MOST = 100, 1000
"""Candidates that a search in the index keeps; pgvector takes no more than the latter."""
INDEXED: Final = (512, 640, 768, 1024, 1152)
"""Lengths with an index of their own. Vectors of another length are found too, one by one."""
INDEX: Final = "embedding_nearest_{}"
MOST_SCANNED: Final = 20_000
"""Entries of the index that one search may walk through before all vectors are compared."""


@dataclass(frozen=True, slots=True)
class Near:
    """A vector that was found. `score` is its cosine, at most 1."""

    id: UUID
    original_id: UUID
    library_id: UUID
    second: float | None
    fingerprint: int | None
    score: float


class Dimensions(Func):
    function = "vector_dims"
    output_field = IntegerField()


def rows_of(spec: ModelSpec, libraries: Iterable[UUID]) -> Any:
    """What this model has seen in these libraries."""
    return PictureEmbedding.objects.filter(library__in=list(libraries), model=spec.id)


def shown(rows: Any) -> Any:
    """Of these what a live file shows."""
    return rows.filter(Exists(File.objects.live().filter(original=OuterRef("original_id"))))


def nearest(rows: Any, scope: Any, vector: Vector, count: int) -> list[Near]:
    """At most so many of `rows`, the nearest first. `scope` are the same rows before any finer filter."""
    if len(vector) in INDEXED and not is_quicker_one_by_one(scope, len(vector), count):
        found = through_index(rows, vector, count)
        if len(found) == count:
            return found
    return read(rows.annotate(distance=CosineDistance("embedding", HalfVector(vector))), count)


def is_quicker_one_by_one(scope: Any, length: int, count: int) -> bool:
    """Of few, and of what is little among much of other libraries."""
    mine = size_of(scope)
    if mine <= EXACT_MOST:
        return True
    return walking.is_quicker_one_by_one(mine, INDEX.format(length), searched(count))


def size_of(scope: Any) -> int:
    """By an index alone, without a look at the rows."""
    some = scope.order_by().values("model")[: walking.MOST_COUNTED]
    try:
        about = some.query.sql_with_params()
    except EmptyResultSet:
        return 0
    return walking.counted(about, some.count)


def searched(count: int) -> int:
    return min(EF_MOST, max(EF_LEAST, count))


def through_index(rows: Any, vector: Vector, count: int) -> list[Near]:
    """May come back short, where most of what lies near is not wanted."""
    with walking.searching(searched(count), MOST_SCANNED):
        return read(indexed(rows, vector), count)


def indexed(rows: Any, vector: Vector) -> Any:
    """With the distance written as the index of this length has it."""
    length = len(vector)
    cast = Cast("embedding", HalfVectorField(dimensions=length))
    of_this_length = rows.filter(Exact(Dimensions("embedding"), Value(length)))
    return of_this_length.annotate(distance=CosineDistance(cast, HalfVector(vector)))


def read(rows: Any, count: int) -> list[Near]:
    columns = ("id", "original_id", "library_id", "second", "fingerprint", "distance")
    found = rows.order_by("distance").values_list(*columns)[:count]
    return [
        Near(key, original, library, second, fingerprint, 1 - distance)
        for key, original, library, second, fingerprint, distance in found
    ]
