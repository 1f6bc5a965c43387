"""From what a run has found to rows, in the transaction that names its result: the new ones instead of the old."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from media.models import Derivative, Original
from ml.models import ObjectDetection

DERIVER: Final = "objects"


def record(original: Original, found: Sequence[Mapping[str, Any]]) -> None:
    """`found` are the columns of each."""
    ObjectDetection.objects.filter(original=original).delete()
    made_by = Derivative.objects.get(original=original, deriver=DERIVER, variant="")
    ObjectDetection.objects.bulk_create(
        ObjectDetection(library_id=original.library_id, original=original, derivative=made_by, **columns)
        for columns in found
    )


def holdings(library_id: UUID) -> dict[str, int]:
    return {"objects": ObjectDetection.objects.filter(library=library_id).count()}


def hand_over(original: Original, twin: Original) -> None:
    """To the same bytes, where nothing was found in them yet."""
    if original.hand_over_result(twin, DERIVER):
        ObjectDetection.objects.filter(original=original).update(original=twin)
