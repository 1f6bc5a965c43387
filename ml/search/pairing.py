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

from media.models import Original, uuid7
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
    others = others.exclude(original__in=decided_with(row.original_id))
    vector = vector_of(row)
    twins = twins_among(row, vectors.nearest(others, there, vector, NEIGHBOURS))
    if len(twins) == NEIGHBOURS:
        # There are more copies than are looked at. All of these may be in the trash, so some that are not as well.
        twins |= twins_among(row, vectors.nearest(vectors.shown(others), there, vector, NEIGHBOURS))
    SimilarPair.objects.bulk_create([pair_of(row, one) for one in twins], ignore_conflicts=True)
    return len(twins)


def twins_among(row: PictureEmbedding, near: Iterable[Near]) -> set[Near]:
    return {one for one in near if is_twin(row, one)}


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
        model=row.model,
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


def hand_over_decisions(original: Original, twin: Original) -> None:
    """Both are the same bytes: what was said of the one and others is said of the twin, which stays."""
    about = SimilarDecision.objects.filter(Q(first=original) | Q(second=original))
    said = list(about.exclude(first=twin).exclude(second=twin))
    if not said:
        return
    hold(original.library_id)
    others = {one.second_id if one.first_id == original.pk else one.first_id: one for one in said}
    for key, one in others.items():
        one.pk = uuid7()
        one.first_id, one.second_id = sorted((twin.pk, key))
    SimilarDecision.objects.bulk_create(others.values(), ignore_conflicts=True)
    keys = [twin.pk, *others]
    pairs = SimilarPair.objects.filter(first__original__in=keys, second__original__in=keys)
    pairs.filter(Q(first__original=twin) | Q(second__original=twin)).delete()
