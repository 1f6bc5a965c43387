"""What the address of a list may ask: what its filters offer, and the rows of another row. Nothing else.

Django lets every lookup on every column of the table pass, shown or not: `?password__startswith=a` would tell letter
by letter what a page hides, and a regular expression would walk through all rows.
"""

import re
from typing import Any, Final

from django.contrib.admin import ListFilter
from django.core.exceptions import FieldDoesNotExist
from django.http import HttpRequest

OF_A_ROW: Final = re.compile(r"(\w+?)(__id|__pk)?(__exact)?\Z")
OF_A_FILTER: Final = ("", "__exact", "__isnull", "__isempty", "__id__exact", "__gte", "__lt", "__in")
"""How Django's own filters of a field name their parameters."""


class Narrowed:
    """Mixed into every page of a model by the site, so that none is forgotten."""

    model: Any
    addressed: tuple[str, ...]
    """Where a page has it: columns that pages of ours ask for by their whole value, beside what its filters offer."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Whether rows may be asked for by this parameter."""
        return lookup in self.parameters(request) or self.is_of_a_row(lookup)

    def parameters(self, request: HttpRequest | None) -> set[str]:
        """Those of the filters of this list."""
        found: set[str] = set(getattr(self, "addressed", ()))
        for entry in self.get_list_filter(request):  # type: ignore[attr-defined]  # It is a ModelAdmin beside this.
            if isinstance(entry, type) and issubclass(entry, ListFilter):
                found.add(str(getattr(entry, "parameter_name", "")))
            elif not callable(entry):
                name = entry[0] if isinstance(entry, tuple | list) else entry
                found |= {f"{name}{suffix}" for suffix in OF_A_FILTER}
        return found

    def is_of_a_row(self, lookup: str) -> bool:
        """By the key of the row itself, or of one that it belongs to: links between pages ask so."""
        matched = OF_A_ROW.match(lookup)
        if matched is None:
            return False
        try:
            field = self.model._meta.get_field(matched[1])
        except FieldDoesNotExist:
            return False
        return bool(field.is_relation or getattr(field, "primary_key", False))
