"""What the console's own pages share: how they are shown, and one act of a form, which is told on the page."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from media.errors import RequestError


def page(request: HttpRequest, title: str, about: Mapping[str, Any]) -> HttpResponse:
    """By the template of its title."""
    shown = {**admin.site.each_context(request), "title": title, **about}
    return TemplateResponse(request, f"admin/{title.lower()}.html", shown)


def act(request: HttpRequest, title: str, permission: str, do: Callable[[HttpRequest], str]) -> HttpResponse:
    """`do` returns the sentence that says what came of it. A mistake is told on the page, too."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    try:
        messages.success(request, do(request))
    except RequestError as error:
        messages.error(request, error.message)
    return HttpResponseRedirect(reverse(f"admin:{title.lower()}"))


def reason_of(request: HttpRequest, or_else: str) -> str:
    reason = request.POST.get("reason", "").strip()
    if not reason:
        raise RequestError(or_else)
    return reason
