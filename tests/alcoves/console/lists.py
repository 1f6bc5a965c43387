"""Everything that a list of the console offers, as addresses."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.test import RequestFactory
from django.urls import reverse

from alcoves.accounts.models import User

SEVENTIETH: Final = "7cbbc409ec990f19c78c75bd1e06f215"
"""What the name of a row has: md5 of 70."""
"""A count of 500 and a page of 50 with what belongs to it."""


def changelist(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def list_of(model: Any, root: User, query: str = "") -> ChangeList:
    request = RequestFactory().get(changelist(model) + query)
    request.user = root
    found: ChangeList = admin.site.get_model_admin(model).get_changelist_instance(request)
    return found


def addresses(model: Any, root: User) -> Iterator[str]:
    """Everything that the list offers: itself, each choice of each filter, searches, orders, its last page."""
    shown = list_of(model, root)
    yield ""
    yield "?p=" + str(shown.paginator.num_pages)
    for one in shown.filter_specs:
        yield from (str(choice["query_string"]) for choice in one.choices(shown) if "query_string" in choice)
    site = admin.site.get_model_admin(model)
    if site.search_fields:
        words = (
            "Rarity",
            "Common",
            "ra",
            "nowhere",
            f"Common {SEVENTIETH}",
            "0" * 8 + "-0000-7000-8000-00000000000f",
        )
        yield from ("?" + urlencode({"q": word}) for word in words)
    yield from ("?o=1", "?o=-2")
