"""The page Settings: constance's form in our theme. Whoever may look sees it; whoever may change is asked once more."""

from typing import Any

from constance.forms import ConstanceForm
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.text import slugify

from alcoves.console.settings import changing, describing
from alcoves.console.settings.changing import RESET, Change
from alcoves.console.settings.describing import Told
from alcoves.settings.live import GROUPS
from media import audit
from media.errors import MediaError

CHANGE = "console.change_settings"
TEMPLATE = "admin/settings/page.html"
OURS = frozenset({"csrfmiddlewaretoken", "_apply"})
SOURCES = {"database": "info", "environment": "warning", "default": ""}


class SettingsForm(ConstanceForm):  # type: ignore[misc]  # It has no types.
    """Its version tells that somebody else has changed a setting since the page was loaded."""

    def __init__(self, found: list[Told], *, may_change: bool, data: Any = None) -> None:
        super().__init__({one.row.name: one.value for one in found}, None, data=data)
        for field in self.fields.values():
            field.disabled = not may_change

    def wanted(self) -> dict[str, Any]:
        """What differs from what holds. An empty field of a secret asks for nothing."""
        return {
            name: self.cleaned_data[name]
            for name, row in settings.LIVE_SETTINGS.items()
            if self.cleaned_data[name] != self.initial[name]
            and not (row.secret and self.cleaned_data[name] is None)
        }


def show(request: HttpRequest) -> HttpResponse:
    """Looking, asking back, changing: one address."""
    if request.method == "POST":
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        return ask_or_change(request)
    return page(request, describing.everything())


def ask_or_change(request: HttpRequest) -> HttpResponse:
    found = describing.everything()
    reset = request.POST.get("_reset")
    form = None if reset else SettingsForm(found, may_change=True, data=request.POST)
    if form is not None and not form.is_valid():
        messages.error(request, "Nothing was changed. See what is marked below.")
        return page(request, found, form)
    try:
        wanted = {reset: RESET} if reset else form.wanted() if form is not None else {}
        if "_apply" in request.POST:
            return done(request, changing.change(wanted, by=audit.of(request)))
        changes = changing.plan(wanted)
    except MediaError as error:
        messages.error(request, error.message)
        return redirect("admin:settings")
    if not changes:
        return done(request, [])
    return confirm(request, changes)


def done(request: HttpRequest, changes: list[Change]) -> HttpResponse:
    for one in changes:
        messages.success(request, f"{one}. It counts from now on.")
    if not changes:
        messages.info(request, "Nothing was changed: it is so already.")
    return redirect("admin:settings")


def confirm(request: HttpRequest, changes: list[Change]) -> HttpResponse:
    """What will change, with all that was sent, to be sent again."""
    rows = [
        {
            "row": one.row,
            "old": one.row.told(one.old),
            "new": one.row.told(one.new),
            "reset": one.reset,
        }
        for one in changes
    ]
    sent = [(name, value) for name, values in request.POST.lists() if name not in OURS for value in values]
    about = {
        **admin.site.each_context(request),
        "title": "Change settings?" if len(rows) > 1 else "Change this setting?",
        "changes": rows,
        "sent": sent,
    }
    return TemplateResponse(request, "admin/settings/confirm.html", about)


def page(request: HttpRequest, found: list[Told], form: SettingsForm | None = None) -> HttpResponse:
    may_change = request.user.has_perm(CHANGE)
    shown = form or SettingsForm(found, may_change=may_change)
    groups = [
        {
            "title": group,
            "anchor": slugify(group),
            "rows": [line(one, shown) for one in found if one.row.group == group],
        }
        for group in GROUPS
    ]
    about = {
        **admin.site.each_context(request),
        "title": "Settings",
        "form": shown,
        "groups": groups,
        "may_change": may_change,
    }
    return TemplateResponse(request, TEMPLATE, about)


def line(one: Told, form: SettingsForm) -> dict[str, Any]:
    row = one.row
    return {
        "row": row,
        "field": form[row.name],
        "rule": row.rule(),
        "source": one.source,
        "colour": SOURCES[one.source],
        "default": row.told(row.default),
        "underlying": row.told(one.underlying),
        "problem": one.problem,
        "resettable": one.source == "database" or one.problem,
        "secret_set": row.secret and bool(one.value),
    }
