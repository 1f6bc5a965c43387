"""What can be done to one file, original or job, as buttons on its page: the actions of the lists, about one row.

A button sends what the list would send, so it is asked, permitted and noted as there. Then the page is shown again.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import Resolver404, resolve, reverse

from media import selecting
from media.admin.paging import page_name
from media.models import Derivative, File, Original
from media.models.derivative import GIVEN

PAGES: Final = {
    f"{model._meta.app_label}_{model._meta.model_name}_change": model
    for model in (Derivative, File, Original)
}
MOST: Final = 100
"""Files of the same bytes that one button means."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A button. `keys` go to the list at `address` with the action; without keys it is a link."""

    label: str
    address: str
    action: str = ""
    keys: tuple[str, ...] = ()
    danger: bool = False


def to_list(request: HttpRequest, label: str, action: str, *rows: Any, danger: bool = False) -> list[Offer]:
    """Nothing for who may not do it, and where there is no row that it could be done to."""
    if not rows or action not in admin.site.get_model_admin(type(rows[0])).get_actions(request):
        return []
    address = reverse(page_name(rows[0], "changelist"))
    return [Offer(label, address, action, tuple(str(row.pk) for row in rows), danger)]


def to_reprocess(request: HttpRequest, file: File | None) -> list[Offer]:
    """The page for many, with this file chosen: it says how many jobs these are, and asks."""
    if file is None or not request.user.has_perm("media.change_derivative"):
        return []
    labels = {selecting.REPROCESS: "Reprocess all that is made of it", selecting.CANCEL: "Stop its jobs"}
    address = reverse("admin:reprocess")
    return [
        Offer(label, f"{address}?{urlencode({'file': str(file.pk), 'act': act})}")
        for act, label in labels.items()
    ]


def of_file(request: HttpRequest, row: File) -> list[Offer]:
    trashed = row.trashed_at is not None
    return [
        *to_reprocess(request, row),
        *aside(request, row, held=row.original.held_at is not None),
        *([] if trashed else to_list(request, "Move to the trash", "to_trash", row)),
        *(to_list(request, "Restore from the trash", "restore", row) if trashed else []),
        *(to_list(request, "Delete for good", "purge", row, danger=True) if trashed else []),
    ]


def of_original(request: HttpRequest, row: Original) -> list[Offer]:
    """Only what is in the trash can be deleted for good, so that is offered for those files of it."""
    files = list(row.files.order_by("-trashed_at", "pk")[:MOST])
    trashed = [file for file in files if file.trashed_at is not None]
    return [
        *to_reprocess(request, files[0] if files else None),
        *aside(request, row, held=row.held_at is not None),
        *to_list(request, "Warm again", "warm_again", row),
        *to_list(request, "Delete its files in the trash for good", "purge", *trashed, danger=True),
    ]


def of_derivative(request: HttpRequest, row: Derivative) -> list[Offer]:
    """Parts go with the job that they are parts of; what people have brought along is not made."""
    whole = row.parent_id is None
    waits = whole and row.status in {"queued", "processing"}
    failed = whole and row.status == "failed"
    makeable = whole and not row.variant.startswith(GIVEN)
    return [
        *(to_list(request, "Reprocess", "reprocess", row) if makeable else []),
        *(to_list(request, "Cancel", "cancel", row) if waits else []),
        *(to_list(request, "Accept", "accept", row) if failed and row.accepted_at is None else []),
        *(to_list(request, "Count as a failure again", "unaccept", row) if row.accepted_at else []),
        *aside(request, row.original, held=row.original.held_at is not None),
        *to_list(
            request,
            "Delete its files in the trash for good",
            "purge",
            *row.original.files.filter(trashed_at__isnull=False)[:MOST],
            danger=True,
        ),
    ]


def aside(request: HttpRequest, row: File | Original, *, held: bool) -> list[Offer]:
    if held:
        return to_list(request, "Release", "release", row)
    return to_list(request, "Set aside", "hold", row)


def back_to(request: HttpRequest) -> str:
    """The page on which a button was pressed, if that is one of these and its row is there still."""
    asked = request.POST.get("back", "")
    try:
        found = resolve(asked)
    except Resolver404:
        return ""
    model: Any = PAGES.get(found.url_name or "") if found.namespace == "admin" else None
    if model is None:
        return ""
    try:
        there = model.objects.filter(pk=found.kwargs["object_id"]).exists()
    except (ValueError, ValidationError):
        return ""
    return asked if there else ""


class Offering:
    """Mixed into pages of models whose rows have buttons. `offers` says which."""

    change_form_outer_before_template = "admin/offers.html"
    offers: Any

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        about = dict(extra_context or {})
        row = self.get_object(request, object_id) if object_id else None  # type: ignore[attr-defined]
        if row is not None:
            about |= {"offers": self.offers(request, row), "checkbox": ACTION_CHECKBOX_NAME}
        return super().changeform_view(request, object_id, form_url, about)  # type: ignore[misc]

    def response_action(self, request: HttpRequest, queryset: Any, *where: Any) -> Any:
        """Back to the page where the button was, which says what came of it."""
        answer: HttpResponseBase = super().response_action(request, queryset, *where)  # type: ignore[misc]
        back = back_to(request)
        if back and isinstance(answer, HttpResponseRedirect) and answer.url == request.get_full_path():
            return HttpResponseRedirect(back)
        return answer
