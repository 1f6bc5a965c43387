"""The faces of a library that are nearest to a face, by cosine distance, through pgvector.

A small library is compared with every one of its faces, and so is one that has few among many of others: that is exact,
and quicker than to search the index of all libraries for its few (`ml.walking`). Others are looked up in the index
(HNSW), which goes on searching until it has found enough of this library (`hnsw.iterative_scan`); where it gives up
before that, the faces are compared one by one after all. So an answer is never shorter than what there is. Vectors of
different models are never compared.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection
from numpy.typing import NDArray
from pgvector import HalfVector

from ml import walking

EXACT_BELOW: Final = 3000
"""Faces with an embedding. Measured: docs/understanding.md, "How faces are looked up"."""
MOST: Final = 1000
"""The largest `hnsw.ef_search` that pgvector takes, so no look-up asks for more."""
SEARCH_FACTOR: Final = 2
"""So many times the faces that are asked for are searched: the graph is an approximation, and this is its price."""
LEAST_SEARCHED: Final = 100
"""Enough among a million: docs/understanding.md, "How good it is"."""
MOST_SCANNED: Final = 200_000
"""Entries of the index that one look-up may walk through for its library before it compares one by one."""

Vector = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face that is like another one. `distance` is the cosine's, 0 to 2."""

    face: UUID
    person: UUID | None
    distance: float


COMPARABLE: Final = "library_id = %(library)s AND NOT removed AND embedding IS NOT NULL"
NEAREST: Final = """
SELECT asked.id, near.id, near.person_id, near.distance
FROM ({asked}) asked CROSS JOIN LATERAL (
    SELECT id, person_id, embedding <=> asked.embedding AS distance FROM ml_face
    WHERE library_id = %(library)s AND model = asked.model AND NOT removed AND embedding IS NOT NULL
    ORDER BY {order} LIMIT %(count)s) near
"""
NEAREST_OF_OTHERS: Final = NEAREST.replace(
    "ORDER BY", "AND person_id IS NOT NULL AND person_id <> asked.person_id ORDER BY"
)
BY_INDEX: Final = "embedding <=> asked.embedding"
ONE_BY_ONE: Final = "(embedding <=> asked.embedding) + 0"
"""The same order, in words that the index does not know."""
OF_FACES: Final = (
    "SELECT id, embedding, model, person_id FROM ml_face WHERE id = ANY(%(faces)s) AND embedding IS NOT NULL"
)
OF_A_VECTOR: Final = "SELECT NULL::uuid AS id, %(vector)s::halfvec AS embedding, %(model)s AS model"


def nearest(library_id: UUID, vector: Vector, count: int, *, model: str) -> list[Neighbour]:
    """The faces nearest to a vector (512 numbers), nearest first, with the person of each."""
    asked = {"vector": HalfVector(vector).to_text(), "model": model}
    return look_up(library_id, OF_A_VECTOR, asked, count)[None][:count]


def around(library_id: UUID, faces: Collection[UUID], count: int) -> dict[UUID, list[Neighbour]]:
    """For each of these faces of the library the others that are nearest to it. Without an embedding: none."""
    found = look_up(library_id, OF_FACES, {"faces": list(faces)}, count + 1)
    return {key: [one for one in found[key] if one.face != key][:count] for key in faces}


def of_other_people(library_id: UUID, faces: Collection[UUID], count: int) -> dict[UUID, list[Neighbour]]:
    """For each of these faces of people the nearest of other people, however many faces their own person has."""
    found = look_up(library_id, OF_FACES, {"faces": list(faces)}, count, NEAREST_OF_OTHERS)
    return {key: found[key] for key in faces}


def look_up(
    library_id: UUID, asked: str, values: dict[str, Any], count: int, nearest: str = NEAREST
) -> "defaultdict[UUID | None, list[Neighbour]]":
    """By the index or one by one, whichever suits the library."""
    given = {**values, "library": library_id, "count": min(count, MOST)}
    searched = min(MOST, max(LEAST_SEARCHED, SEARCH_FACTOR * given["count"]))
    if is_quicker_one_by_one(library_id, searched):
        return read(nearest.format(asked=asked, order=ONE_BY_ONE), given)
    with walking.searching(searched, MOST_SCANNED):
        found = read(nearest.format(asked=asked, order=BY_INDEX), given)
    if all(len(found[key]) == given["count"] for key in values.get("faces", [None])):
        return found
    return read(nearest.format(asked=asked, order=ONE_BY_ONE), given)


def is_quicker_one_by_one(library_id: UUID, searched: int) -> bool:
    mine = size_of(library_id)
    return mine <= EXACT_BELOW or walking.is_quicker_one_by_one(mine, "ml_face", searched)


def size_of(library_id: UUID) -> int:
    """Faces with an embedding."""
    return walking.counted(("faces", library_id), lambda: count_faces(library_id))


def count_faces(library_id: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM ml_face WHERE {COMPARABLE} LIMIT %(most)s) few",  # noqa: S608
            {"library": library_id, "most": walking.MOST_COUNTED},
        )
        return int(cursor.fetchone()[0])


def read(statement: str, values: dict[str, Any]) -> "defaultdict[UUID | None, list[Neighbour]]":
    """Sorted here: an order of the whole answer would tempt the planner away from that of the index."""
    found: defaultdict[UUID | None, list[Neighbour]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for asked, face, person, distance in cursor.fetchall():
            found[asked].append(Neighbour(face, person, distance))
    for near in found.values():
        near.sort(key=lambda one: (one.distance, str(one.face)))
    return found
