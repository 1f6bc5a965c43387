"""Signs of life that outlast an emptied Redis: of beat, of the check, and how far each job had come."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models.functions import Now
from django.utils import timezone

from alcoves.alerts.models import Pulse

BEAT: Final = "beat"
CHECK: Final = "check"
PROGRESS: Final = "progress:"
VERSION: Final = "version:"
WEB: Final = "web"


def beat(*names: str) -> None:
    """These live now."""
    Pulse.objects.bulk_create(
        [Pulse(name=name, at=Now()) for name in sorted(set(names))],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at"],
    )


def heard(name: str) -> datetime | None:
    """When it last gave a sign."""
    found: datetime | None = Pulse.objects.filter(name=name).values_list("at", flat=True).first()
    return found


def silent(name: str, seconds: float) -> bool:
    """It has been heard, and not for so long."""
    found: bool = Pulse.objects.filter(name=name, at__lt=timezone.now() - timedelta(seconds=seconds)).exists()
    return found


def family(prefix: str) -> dict[str, tuple[datetime, str]]:
    """All of a kind: what follows the prefix, with time and value."""
    rows = Pulse.objects.filter(name__startswith=prefix).values_list("name", "at", "value")
    return {name.removeprefix(prefix): (at, value) for name, at, value in rows}


def forget(names: Iterable[str]) -> None:
    Pulse.objects.filter(name__in=list(names)).delete()


def remember(prefix: str, values: Mapping[str, str]) -> None:
    """The figures of a kind as they are now. One that is what it was keeps its time; what is gone is forgotten."""
    known = family(prefix)
    forget(prefix + name for name in known.keys() - values.keys())
    changed = [name for name, value in values.items() if name not in known or known[name][1] != value]
    Pulse.objects.bulk_create(
        [Pulse(name=prefix + name, at=Now(), value=values[name]) for name in sorted(changed)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "value"],
    )
