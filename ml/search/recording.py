"""Writes down what a run has seen, in the transaction that names its result: old vectors go, new ones come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from media.models import Original
from ml.models import PictureEmbedding
from ml.search import changing, pairing
from ml.search.encoders import Vector

DERIVER = "embedding"


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture (no second), or a frame of a film (no fingerprint)."""

    vector: Vector = field(repr=False)
    second: float | None
    fingerprint: int | None


def record(original: Original, model: str, seen: Sequence[Seen]) -> None:
    """Replaces the vectors that this model has made of the original; finds its twins.

    Those of another model stay the first time, which is when this one was chosen (`ml.search.changing`). When it looks
    again they are as outdated as its own, and only those by which is searched meanwhile stay.
    """
    row = original.derivatives.only("pk").get(deriver=DERIVER, variant="")
    answering = changing.note(model)
    before = PictureEmbedding.objects.filter(original=original)
    if before.filter(model=model).exists():
        before.exclude(model__in={answering} - {model}).delete()
    written = PictureEmbedding.objects.bulk_create(
        PictureEmbedding(
            library_id=original.library_id,
            original=original,
            derivative=row,
            model=model,
            second=one.second,
            fingerprint=one.fingerprint,
            embedding=one.vector.tolist(),
        )
        for one in seen
    )
    for embedding in written:
        pairing.pair(embedding)


def holdings(library_id: UUID) -> dict[str, Any]:
    """What is lost when the library's switch goes off. What users have decided about twins is kept for another time."""
    return {"embeddings": PictureEmbedding.objects.filter(library=library_id).count()}


def hand_over(original: Original, twin: Original) -> None:
    """To the same bytes: what users have decided, and the vectors where those have none yet."""
    pairing.hand_over_decisions(original, twin)
    if original.hand_over_result(twin, DERIVER):
        PictureEmbedding.objects.filter(original=original).update(original=twin)
