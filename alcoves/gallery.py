"""The plain gallery: three pages that carry only their frame; scripts fetch the rest from the API.

The server puts in what the frame needs (which library, what the caller may do), so the rules stay in the API.
"""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView

from media import live
from media.errors import HeldError
from media.models import File, Membership

DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Swagger UI sets styles of its own."""


class ApiDocs(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files, with its script in a file."""

    @extend_schema(exclude=True)
    def get(self, request: Any, *args: Any, **options: Any) -> Any:
        response = super().get(request, *args, **options)  # type: ignore[no-untyped-call]  # Not typed there.
        response["Content-Security-Policy"] = DOCS_POLICY
        return response


@require_safe
@login_required
@ensure_csrf_cookie
def show_library(request: HttpRequest) -> HttpResponse:
    """The library of `?library=`, else the one something was last added to."""
    memberships = list(memberships_of(request))
    chosen = choose(memberships, request.GET.get("library"))
    context = {"memberships": memberships, "chosen": chosen, "page": page(chosen)}
    return render(request, "alcoves/library.html", context)


@require_safe
@login_required
@ensure_csrf_cookie
def show_libraries(request: HttpRequest) -> HttpResponse:
    """Every library of this person."""
    return render(request, "alcoves/libraries.html", {"memberships": memberships_of(request)})


@require_safe
@login_required
@ensure_csrf_cookie
def show_file(request: HttpRequest, library_id: UUID, file_id: UUID) -> HttpResponse:
    """One file: its picture or player, its details, what was made of it."""
    chosen = memberships_of(request).filter(library_id=library_id).first()
    file = File.objects.filter(pk=file_id, library_id=library_id).select_related("original").first()
    if chosen is None or file is None:
        raise Http404
    if file.original.held_at is not None:
        error = HeldError()
        about = {"title": "Set aside", "sentence": error.message}
        return render(request, "alcoves/message.html", about, status=error.http_status)
    return render(
        request, "alcoves/file.html", {"chosen": chosen, "page": {**page(chosen), "file": str(file_id)}}
    )


def memberships_of(request: HttpRequest) -> Any:
    key: Any = request.user.pk
    return (
        Membership.objects.filter(user_id=key)
        .select_related("library")
        .annotate(newest=Subquery(newest_file().values("created_at")[:1]))
        .order_by("library__created_at", "library_id")
    )


def newest_file() -> Any:
    return File.objects.live().filter(library=OuterRef("library_id")).order_by("-created_at", "-id")


def choose(memberships: list[Any], wanted: str | None) -> Membership | None:
    """The wanted one, or the one something was last added to. 404 for a library that is not the caller's."""
    if wanted is None:
        filled = [member for member in memberships if member.newest is not None]
        first: Membership | None = max(
            filled or memberships[:1], key=lambda member: member.newest, default=None
        )
        return first
    found: Membership | None = next((one for one in memberships if str(one.library_id) == wanted), None)
    if found is None:
        raise Http404
    return found


def page(chosen: Membership | None) -> dict[str, Any]:
    """What the scripts need to know; goes into the page as JSON that no name can break out of."""
    return {
        "library": str(chosen.library_id) if chosen else None,
        "mayWrite": chosen.may_write if chosen else False,
        "transcripts": chosen.library.transcripts if chosen else False,
        "maxUploadBytes": live.value("MAX_UPLOAD_BYTES"),
    }
