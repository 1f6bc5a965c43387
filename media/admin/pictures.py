"""Pictures in the console. Staff need not be members of a library: this route asks for the admin's own permission."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from media.models import Derivative
from media.serving import Served, serve

SHOWN = {"preview": "thumb.webp", "poster": "poster.webp"}
"""What the console shows of a derivative."""


def routes(page: Any) -> list[URLPattern]:
    """To be put before the other addresses of the derivatives' pages."""

    def show(request: HttpRequest, derivative_id: UUID, name: str) -> HttpResponseBase:
        if not page.has_view_permission(request):
            raise PermissionDenied
        return picture(request, derivative_id, name)

    return [
        path(
            "<uuid:derivative_id>/picture/<str:name>",
            page.admin_site.admin_view(show, cacheable=True),
            name="media_derivative_picture",
        )
    ]


def picture(request: HttpRequest, derivative_id: UUID, name: str) -> HttpResponseBase:
    row = Derivative.objects.filter(pk=derivative_id).first()
    output = row.output(name) if row is not None else None
    if row is None or output is None or not output["content_type"].startswith("image/"):
        raise Http404
    return serve(
        request,
        Served(
            key=output["key"],
            size=output["size"],
            content_type=output["content_type"],
            name=name,
            modified_at=row.finished_at or row.updated_at,
            sha256=output.get("sha256"),
        ),
    )


def thumbnail(row: Derivative | None) -> SafeString | str:
    """The small picture of a poster or preview."""
    name = SHOWN.get(row.deriver, "") if row is not None else ""
    if row is None or row.output(name) is None:
        return "-"
    address = reverse("admin:media_derivative_picture", args=(row.pk, name))
    return format_html(
        '<img src="{}" alt="{}" height="64" loading="lazy">', address, f"{row.deriver} of this file"
    )
