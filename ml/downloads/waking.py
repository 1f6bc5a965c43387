"""Rows of media that wait for a model, and that it has come."""

from collections.abc import Mapping
from typing import Final

from django.db.models import QuerySet

from media import ledger
from media.models import Derivative
from ml.errors import LicenceError, ModelMissingError
from ml.registry.specs import Pipeline

MADE_BY: Final[Mapping[Pipeline, str]] = {
    "faces": "faces",
    "objects": "objects",
    "sounds": "sounds",
    "speech": "transcript",
    "search": "embedding",
}
"""The deriver that uses the model of a pipeline."""
CODES: Final = (ModelMissingError.code, LicenceError.code)


def waiting(pipeline: Pipeline) -> QuerySet[Derivative]:
    """Parked for the model or its licence, and not due yet."""
    rows: QuerySet[Derivative] = Derivative.objects.filter(
        deriver=MADE_BY[pipeline], status="queued", error_code__in=CODES, not_before__isnull=False
    )
    return rows


def wake(pipeline: Pipeline) -> int:
    """All of them are due; the reconciler sends their messages with its next round."""
    return sum(ledger.wake(Derivative.objects.filter(deriver=MADE_BY[pipeline]), code) for code in CODES)
