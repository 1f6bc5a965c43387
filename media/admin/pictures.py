"""Pictures in the console: small ones, waveforms, films as strips. Never originals, and no picture in its full size.

Staff need not be members of a library: these routes ask for the permission to look at derivatives.
"""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from media.models import Derivative
from media.models.blob import FILES
from media.peaks import HEADER, LOUDEST, MAGIC
from media.serving import SANDBOX, BytesMissingError, Served, serve
from storage.errors import StoreError
from storage.registry import get_store

SHOWN = {"preview": "thumb.webp", "poster": "poster.webp"}
"""What the console shows of a derivative."""
MOVING: Final = "hover.webp"
MAP: Final = "sprites.vtt"
DRAWN: Final = ("preview", "poster", "hover", "waveform", "sprites")
"""Derivers of which the page of a file shows something."""
SCRIPTS: Final = (forms.Script("js/console-films.js", type="module"),)
BARS: Final = 400
HIGH: Final = 60


def routes(page: Any) -> list[URLPattern]:
    """To be put before the other addresses of the derivatives' pages."""

    def show(request: HttpRequest, derivative_id: UUID, name: str) -> HttpResponseBase:
        if not page.has_view_permission(request):
            raise PermissionDenied
        return picture(request, derivative_id, name)

    def draw(request: HttpRequest, derivative_id: UUID) -> HttpResponseBase:
        if not page.has_view_permission(request):
            raise PermissionDenied
        return waveform(derivative_id)

    wrap = page.admin_site.admin_view
    return [
        path(
            "<uuid:derivative_id>/picture/<str:name>",
            wrap(show, cacheable=True),
            name="media_derivative_picture",
        ),
        path(
            "<uuid:derivative_id>/waveform.svg", wrap(draw, cacheable=True), name="media_derivative_waveform"
        ),
    ]


def is_small(row: Derivative, name: str, content_type: str) -> bool:
    """Of a preview the thumbnail alone, of others their small pictures; and the map of sprites."""
    if row.deriver == "sprites" and name == MAP:
        return True
    if not content_type.startswith("image/"):
        return False
    return row.deriver not in SHOWN or name == SHOWN[row.deriver]


def picture(request: HttpRequest, derivative_id: UUID, name: str) -> HttpResponseBase:
    row = Derivative.objects.filter(pk=derivative_id, original__held_at=None).first()
    output = row.output(name) if row is not None else None
    if row is None or output is None or not is_small(row, name, output["content_type"]):
        raise Http404
    blob = Served(
        key=output["key"],
        size=output["size"],
        content_type=output["content_type"],
        name=name,
        modified_at=row.finished_at or row.updated_at,
        sha256=output.get("sha256"),
    )
    try:
        return serve(request, blob)
    except BytesMissingError as error:
        raise Http404(str(error)) from error


def waveform(derivative_id: UUID) -> HttpResponse:
    """The coarsest level, drawn."""
    row = Derivative.objects.filter(pk=derivative_id, deriver="waveform", original__held_at=None).first()
    forms = [one for one in row.outputs if one["name"].endswith(".bin")] if row is not None else []
    if not forms:
        raise Http404
    try:
        with get_store(FILES).open(min(forms, key=lambda one: int(one["size"]))["key"]) as stream:
            raw = stream.read()
    except StoreError as error:
        raise Http404 from error
    answer = HttpResponse(drawn(raw), content_type="image/svg+xml")
    answer["Content-Security-Policy"] = SANDBOX
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "private, max-age=3600"
    return answer


def drawn(raw: bytes) -> str:
    """Peaks of the compact form as one path, a bar for each of at most 400 spans. 404 for what is none."""
    if len(raw) < HEADER.size or raw[: len(MAGIC)] != MAGIC:
        raise Http404
    peaks = raw[HEADER.size :]
    span = max(1, -(-len(peaks) // BARS))
    highest = [max(peaks[start : start + span]) for start in range(0, len(peaks), span)]
    half = HIGH / 2
    bars = "".join(
        f"M{at + 0.5} {half - tall:.1f}V{half + tall:.1f}"
        for at, tall in (
            (at, max(0.5, min(peak, LOUDEST) / LOUDEST * half)) for at, peak in enumerate(highest)
        )
    )
    box = f'viewBox="0 0 {max(1, len(highest))} {HIGH}" preserveAspectRatio="none"'
    path_of = f'<path d="{bars}" stroke="#7c5cfc" stroke-width=".8" fill="none"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{path_of}</svg>'


def with_pictures(rows: QuerySet[Any], to: str = "original") -> QuerySet[Any]:
    """Each original (at the end of `to`, or the rows themselves) with its previews and posters in `pictured`."""
    found = Derivative.objects.filter(variant="", deriver__in=tuple(SHOWN))
    way = f"{to}__derivatives" if to else "derivatives"
    prefetched: QuerySet[Any] = rows.prefetch_related(Prefetch(way, queryset=found, to_attr="pictured"))
    return prefetched


def of_original(original: Any) -> SafeString | str:
    """Its small picture, where `with_pictures` has looked for it."""
    return thumbnail(next((one for one in original.pictured if one.outputs), None))


def thumbnail(row: Derivative | None) -> SafeString | str:
    """The small picture of a poster or preview."""
    name = SHOWN.get(row.deriver, "") if row is not None else ""
    if row is None or row.output(name) is None:
        return "-"
    return image(row, name, f"{row.deriver} of this file")


def image(row: Derivative, name: str, says: str) -> SafeString:
    address = reverse("admin:media_derivative_picture", args=(row.pk, name))
    return format_html(
        '<img src="{}" alt="{}" height="64" loading="lazy" class="console-picture">', address, says
    )


def everything(original: Any) -> SafeString | str:
    """All that there is to see of an original, for its own page: one query."""
    if original is None:
        return "-"
    rows = Derivative.objects.filter(original=original, variant="", deriver__in=DRAWN).order_by("deriver")
    found = [part for part in map(shown, rows) if part]
    return format_html_join("", '<div class="console-shown">{}</div>', ((part,) for part in found)) or "-"


def shown(row: Derivative) -> SafeString | str:
    """One derivative, as a person looks at it; "" where it has nothing to look at."""
    if row.deriver == "waveform" and row.outputs:
        address = reverse("admin:media_derivative_waveform", args=(row.pk,))
        return format_html('<img src="{}" alt="waveform" loading="lazy" class="console-wave">', address)
    if row.deriver == "sprites" and row.output(MAP):
        address = reverse("admin:media_derivative_picture", args=(row.pk, MAP))
        return format_html(
            '<div class="console-film" data-map="{}"><div class="frame"></div>'
            '<input type="range" min="0" max="0" step="1" value="0" aria-label="Second of the film"></div>',
            address,
        )
    if row.deriver == "hover" and row.output(MOVING):
        return image(row, MOVING, "moving preview of this file")
    small = thumbnail(row)
    return "" if small == "-" else small
