"""From what a run has heard to rows, in the transaction that names its result: the new ones instead of the old."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from media.models import Derivative, Original
from ml.models import SoundEvent

DERIVER: Final = "sounds"
BATCH: Final = 5000


def record(original: Original, heard: Sequence[Mapping[str, Any]]) -> None:
    """`heard` are the columns of each."""
    SoundEvent.objects.filter(original=original).delete()
    made_by = Derivative.objects.get(original=original, deriver=DERIVER, variant="")
    rows = [
        SoundEvent(library_id=original.library_id, original=original, derivative=made_by, **columns)
        for columns in heard
    ]
    SoundEvent.objects.bulk_create(rows, batch_size=BATCH)


def holdings(library_id: UUID) -> dict[str, int]:
    return {"sounds": SoundEvent.objects.filter(library=library_id).count()}


def hand_over(original: Original, twin: Original) -> None:
    """To the same bytes, where nothing was found in them yet."""
    if original.hand_over_result(twin, DERIVER):
        SoundEvent.objects.filter(original=original).update(original=twin)
