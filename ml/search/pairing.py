"""Finds pictures that are nearly the same, when a picture's embedding is written down: then, and not in the night.

Only the newer of two looks for the older, among its nearest neighbours, so a library of 100,000 is never compared with
itself. Both signs must agree: the embedding says that two pictures mean the same, the fingerprint that they look the
same. One library writes one picture at a time (a lock to the end of the transaction), so that of two copies which come
at once the later one sees the other.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import Q

from ml.models import PictureEmbedding, SimilarDecision, SimilarPair
from ml.search import vectors
from ml.search.encoders import Vector
from ml.search.fingerprints import difference
from ml.search.vectors import Near

LOOSEST: Final = 0.1
"""Cosine distance up to which pairs are kept, and what may be asked for."""
MOST_BITS: Final = 16
NEIGHBOURS: Final = 20
"""That a picture is compared with. Of more copies each still has a pair with some, and all are in one group."""
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('alcoves:similar:' || %s, 0))"


def hold(library_id: UUID) -> None:
    """Until the transaction ends nobody else writes pairs of this library, or decides about them."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [str(library_id)])


def pair(row: PictureEmbedding) -> int:
    """Write down whose twin this picture is; returns of how many. Inside the transaction that writes the picture."""
    if row.fingerprint is None:
        return 0
    hold(row.library_id)
    there = PictureEmbedding.objects.filter(library=row.library_id, model=row.model)
    others = there.filter(fingerprint__isnull=False).exclude(original=row.original_id)
    near = vectors.nearest(others, there, vector_of(row), NEIGHBOURS)
    decided = decided_with(row.original_id)
    made = [pair_of(row, one) for one in near if is_twin(row, one) and one.original_id not in decided]
    SimilarPair.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


def vector_of(row: PictureEmbedding) -> Vector:
    """The vector as it is kept: half of the precision it came with."""
    return np.asarray(row.embedding, dtype=np.float32)


def is_twin(row: PictureEmbedding, other: Near) -> bool:
    return 1 - other.score <= LOOSEST and bits(row, other) <= MOST_BITS


def bits(row: PictureEmbedding, other: Near) -> int:
    return difference(row.fingerprint or 0, other.fingerprint or 0)


def pair_of(row: PictureEmbedding, other: Near) -> SimilarPair:
    first, second = sorted((row.pk, other.id))
    return SimilarPair(
        library_id=row.library_id,
        first_id=first,
        second_id=second,
        distance=max(0.0, 1 - other.score),
        bits=bits(row, other),
    )


def decided_with(original_id: UUID) -> set[UUID]:
    """Originals of which a user has said that they and this one are both to be kept."""
    about = SimilarDecision.objects.filter(Q(first=original_id) | Q(second=original_id))
    return {one for pair in about.values_list("first_id", "second_id") for one in pair} - {original_id}


def pair_again(rows: Iterable[PictureEmbedding]) -> int:
    """After a decision was taken back."""
    return sum(pair(row) for row in rows)
