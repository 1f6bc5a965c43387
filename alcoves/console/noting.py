"""What is added, changed or deleted on the ordinary pages of models is in the audit log, too."""

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.http import HttpRequest

from media import audit

NAMED = 5
"""Rows whose names an entry for many tells."""


class Audited:
    """Mixed into every page of a model by the site. A page that notes what it does itself says so."""

    notes_itself = False
    model: Any

    def note(self, act: str, request: HttpRequest, text: str, target: Any = None, **more: Any) -> None:
        if not self.notes_itself:
            about = self.model._meta.label_lower
            audit.note(f"admin.{act}", by=audit.of(request), text=text, target=target, model=about, **more)

    def log_addition(self, request: HttpRequest, object: Any, message: Any) -> LogEntry:  # noqa: A002  Django's.
        self.note("add", request, f"{object} was added.", object)
        added: LogEntry = super().log_addition(request, object, message)  # type: ignore[misc]
        return added

    def log_change(self, request: HttpRequest, object: Any, message: Any) -> LogEntry:  # noqa: A002  Django's.
        fields = changed_fields(message)
        if fields:
            self.note("change", request, f"{object} was changed: {', '.join(fields)}.", object, fields=fields)
        changed: LogEntry = super().log_change(request, object, message)  # type: ignore[misc]
        return changed

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self.note("delete", request, f"{obj} was deleted.", obj)
            super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Of many at once: one entry, with their keys, of very many the first."""
        with transaction.atomic():
            rows = list(queryset)
            named = ", ".join(str(row) for row in rows[:NAMED]) + (" and others" if len(rows) > NAMED else "")
            keys = [str(row.pk) for row in rows]
            self.note("delete", request, f"{named} were deleted.", count=len(rows), keys=keys)
            super().delete_queryset(request, queryset)  # type: ignore[misc]


def changed_fields(message: Any) -> list[str]:
    """Labels of what a form changed; what was said, where it was no form. Never values: they may be secret."""
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except ValueError:
            return [message] if message else []
    found = []
    for one in message:
        for act, about in one.items():
            named = about.get("fields") or [
                f"{act} {about.get('name', '')} {about.get('object', '')}".strip()
            ]
            found += [str(name) for name in named]
    return found
