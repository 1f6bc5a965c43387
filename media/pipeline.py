"""From what is known of an original to the list of what shall be made of it. Planning itself is pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from media.derivers.base import Deriver, takes
from media.derivers.registry import all_derivers
from media.models import Derivative, Original
from media.subject import Subject


@dataclass(frozen=True, slots=True)
class Planned:
    """One derivative to make: the same triple is never made twice."""

    deriver: str
    queue: str
    variant: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


def plan(subject: Subject, derivers: Iterable[Deriver]) -> list[Planned]:
    """What to make now. Derivers that need the probe wait until there is one; then planning runs again."""
    return [
        Planned(deriver.name, deriver.queue)
        for deriver in derivers
        if deriver.planned
        and (subject.probe is not None or not deriver.needs_probe)
        and takes(deriver, subject)
    ]


def create_rows(original: Original, planned: Iterable[Planned]) -> list[Derivative]:
    """Rows for what is planned and not there yet. Returns all of this original that wait for a message."""
    create_all([(original, planned)])
    return list(Derivative.objects.filter(original=original, status="queued", published_at__isnull=True))


def create_all(pairs: Iterable[tuple[Original, Iterable[Planned]]]) -> None:
    """Rows for what is planned of many originals and not there yet, in one statement."""
    now = timezone.now()
    Derivative.objects.bulk_create(
        [
            Derivative(
                original=original,
                deriver=one.deriver,
                queue=one.queue,
                variant=one.variant,
                parameters=one.parameters,
                queued_at=now,
            )
            for original, planned in pairs
            for one in planned
        ],
        ignore_conflicts=True,
    )


def plan_original(original: Original, switches: frozenset[str]) -> list[Derivative]:
    """Plan from the row as it is now and create what is missing; the caller publishes after commit."""
    return create_rows(original, plan(original.subject(switches), all_derivers()))
