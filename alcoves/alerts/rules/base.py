"""What a rule finds: a trouble that has a key of its own, a sentence, and a link to where it is put right."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from alcoves import wording
from alcoves.alerts.models import Severity
from media.models import Derivative, Original

__all__ = [
    "MANY",
    "Rule",
    "Severity",
    "Trouble",
    "age",
    "ago",
    "bounded",
    "counted",
    "failed_with",
    "page",
    "rows",
    "used_since",
]

MANY: Final = 1000
"""Nobody counts further for a sentence."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """`key` names it for as long as it lasts; `link` is a path of this site, or empty."""

    key: str
    severity: Severity
    sentence: str
    link: str = ""


Rule: TypeAlias = Callable[[], Iterable[Trouble]]


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def age(since: datetime) -> str:
    """As people say it: 40 seconds, 3 minutes, 5 hours, 2 days."""
    seconds = max(0, int((timezone.now() - since).total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return wording.counted(count, unit)
    return wording.counted(seconds, "second")


def bounded(count: int, *, more: bool) -> str:
    """A count that was stopped says so."""
    return f"over {count}" if more else str(count)


def counted(count: int, noun: str) -> str:
    """In words, with its noun. Who counts stops after MANY, and says so."""
    if count > MANY:
        return f"over {wording.counted(MANY, noun)}"
    return wording.counted(count, noun)


def used_since(moment: datetime) -> bool:
    """A file has lain here for as long. Keys begin with their time, so the first one is the oldest."""
    first = Original.objects.order_by("pk").values_list("created_at", flat=True).first()
    return first is not None and first < moment


def failed_with(code: str) -> Any:
    """Failed jobs along the index of their codes: a range, for an equality leaves Postgres any order.

    Without those that operators have accepted: the index has the others alone.
    """
    found = Derivative.objects.filter(error_code__gte=code, error_code__lte=code)
    return found.filter(status="failed", accepted_at__isnull=True).order_by("error_code", "id")


def page(name: str) -> str:
    """The address of a page of the console."""
    return reverse(f"admin:{name}")


def rows(label: str, **filters: Any) -> str:
    """The console's list of a model, filtered."""
    model = apps.get_model(label)
    if not admin.site.is_registered(model):
        return page("index")
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address
