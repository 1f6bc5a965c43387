"""What is looked at again and again: models that are fetched ahead, rows that wait although their model is here.

So nothing has to be told twice: a model that was brought by hand, a licence that was accepted in the admin, a row
that was parked in the moment in which its model came.
"""

import logging
from collections.abc import Mapping
from typing import Final

from media import live
from media.models import Library
from ml import selection
from ml.downloads import ordering, waking
from ml.errors import ModelMissingError
from ml.registry import places
from ml.registry.specs import Pipeline

logger = logging.getLogger(__name__)
AHEAD: Final[tuple[Pipeline, ...]] = ("faces", "objects")
"""Every photo asks for these; sounds and speech are fetched on first use."""
LATELY: Final = 2.0 * ModelMissingError.retry_after
"""Seconds. A row that has waited for longer was due again meanwhile."""
COLUMNS: Final[Mapping[Pipeline, str]] = {
    "faces": "faces",
    "objects": "objects_on",
    "sounds": "audio_events",
    "speech": "transcripts",
    "search": "semantic",
}
"""The switch of a library that wants it, by its column."""


def prefetch() -> list[str]:
    """Order what is fetched ahead; returns the ids of those models. Nothing whose licence nobody has accepted."""
    ordered = []
    for pipeline in AHEAD:
        spec = selection.chosen(pipeline)
        if not places.missing(spec) or not wanted_ahead(pipeline):
            continue
        if not selection.may_fetch(spec):
            logger.info("%s is not fetched: its licence %s is not accepted", spec.id, spec.licence)
            continue
        ordering.order(spec)
        ordered.append(spec.id)
    return ordered


def wanted_ahead(pipeline: Pipeline) -> bool:
    return live.value("MODEL_PREFETCH") or in_use(pipeline)


def in_use(pipeline: Pipeline) -> bool:
    """Whether a library has it switched on."""
    return Library.objects.filter(**{COLUMNS[pipeline]: True}).exists()


def tend() -> int:
    """Wake those who wait for a model that is here, order it for those for whom it is not; returns how many woke."""
    woken = 0
    for pipeline in waking.MADE_BY:
        spec = selection.chosen(pipeline)
        missing = places.missing(spec)
        if not missing and places.came_lately(spec, LATELY):
            woken += waking.wake(pipeline)
        elif missing and waking.waiting(pipeline).exists() and selection.may_fetch(spec):
            ordering.order(spec)
    ordering.send_lost()
    return woken
