"""What a rule finds: a trouble that has a key of its own, a sentence, and a link to where it is put right."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from alcoves.alerts.models import Severity

__all__ = ["Rule", "Severity", "Trouble", "age", "ago", "page", "rows"]


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
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def page(name: str, fallback: str = "index") -> str:
    """The address of a page of the console, or of its first one where there is none of that name."""
    for one in (name, fallback):
        try:
            return reverse(f"admin:{one}")
        except NoReverseMatch:
            continue
    return ""


def rows(label: str, **filters: Any) -> str:
    """The console's list of a model, filtered."""
    model = apps.get_model(label)
    if not admin.site.is_registered(model):
        return page("index")
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(filters)}" if filters else address
