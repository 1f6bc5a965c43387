"""The waveform of a file as it is drawn: the level that fits the screen, as JSON or in the compact form."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAcceptable
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api.access import find_derivative, find_file
from media.api.derivatives import AsItIs, asked_again, served_output
from media.api.film_shapes import WaveformQuery, WaveformShape
from media.api.libraries import checked
from media.api.shapes import FileDetailShape
from media.errors import RequestError
from media.models import Derivative
from media.peaks import name_of
from media.serving import serve

FORMS: Final = {"application/json": "json", "application/octet-stream": "bin"}
"""What may be accepted, the first where anything is."""


class Waveform(APIView):
    """The peaks of the sound of a file."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_waveform_retrieve",
        parameters=[WaveformQuery],
        responses={
            (200, "application/json"): WaveformShape,
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
        },
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> HttpResponseBase:
        """One level, with Range and conditions. `Accept: application/octet-stream` gives a byte for each peak."""
        file, _ = find_file(request, library_id, file_id)
        asked = checked(WaveformQuery(data=request.query_params))
        row = find_derivative(file, "waveform")
        if not row.outputs:
            raise Http404("There is no waveform of this file yet. Wait until its waveform_status is ready.")
        name = name_of(level_of(row, asked), form_of(request))
        if row.output(name) is None:
            raise Http404(
                "This waveform was made before there was a compact form. Ask for it anew with POST, or for JSON."
            )
        served = served_output(file, row, name, None)
        return serve(request._request, replace(served, vary=f"Accept, {served.vary}"))  # noqa: SLF001

    @extend_schema(
        operation_id="libraries_files_waveform_create", request=None, responses={202: FileDetailShape}
    )
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Make it anew. The old one is shown until then."""
        file, _ = find_file(request, library_id, file_id, write=True)
        return asked_again(request, file, "waveform")


def level_of(row: Derivative, asked: dict[str, Any]) -> int:
    """The one that was named; else the coarsest with so many points, or the finest where none has."""
    levels = row.facts.get("levels") or [{"level": 0, "peaks": row.facts.get("peaks", 0)}]
    if "level" in asked:
        if asked["level"] >= len(levels):
            raise RequestError(
                f"This waveform has levels 0 to {len(levels) - 1}. Ask for one of them.", code="no_such_level"
            )
        return int(asked["level"])
    enough = [level["level"] for level in levels if level["peaks"] >= asked.get("points", 0)]
    return int(max(enough, default=0)) if "points" in asked else 0


def form_of(request: Request) -> str:
    wanted = request._request.get_preferred_type(list(FORMS))  # noqa: SLF001
    if wanted is None:
        raise NotAcceptable("A waveform comes as application/json or application/octet-stream.")
    return FORMS[wanted]
