"""The poster of a video or a recording: which one is shown, choosing another one, bringing one along, going back."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import live, pictures, posters
from media.api import describing
from media.api.access import find_file
from media.api.bodies import LeaveBodyParser
from media.api.film_shapes import PosterInput, PosterShape
from media.api.libraries import checked
from media.api.picture_forms import Expected, read_form_or_body
from media.models import Derivative, File


def expected() -> Expected:
    """A picture up to the limit of the operators."""
    largest = live.value("POSTER_MAX_BYTES")
    told = f"A poster may have {largest / 1024**2:g} MiB at most. Choose a smaller picture."
    return Expected(frozenset({"file", "poster"}), largest, told)


class Poster(APIView):
    """The poster of one file."""

    @extend_schema(operation_id="libraries_files_poster", responses=PosterShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """What is shown and why, and the frames to choose from."""
        file, _ = find_file(request, library_id, file_id)
        posters.require_poster(file)
        return Response(told(file))

    @extend_schema(
        operation_id="libraries_files_poster_choose", request=PosterInput, responses={202: PosterShape}
    )
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """A candidate by its percentage, or the frame of any second. What is shown stays until it is made."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(PosterInput(data=request.data))
        posters.require_poster(file)
        if "candidate" in given:
            given["second"] = posters.second_of(default_of(file), given["candidate"])
        posters.choose(file, given["second"])
        return Response(told_anew(request, file), status=202)

    @extend_schema(operation_id="libraries_files_poster_revert", responses={204: None})
    def delete(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Back to the poster that is made by itself."""
        file, _ = find_file(request, library_id, file_id, write=True)
        posters.require_poster(file)
        posters.revert(file)
        return Response(status=204)


class UploadedPoster(APIView):
    """A picture of one's own."""

    parser_classes = (LeaveBodyParser,)

    @extend_schema(
        operation_id="libraries_files_poster_upload",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            },
            "image/*": {"type": "string", "format": "binary"},
        },
        responses={201: PosterShape},
    )
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """A form with one picture in the part `file`, or the picture itself as the body. Up to 10 MiB, or as set."""
        file, _ = find_file(request, library_id, file_id, write=True)
        posters.require_poster(file)
        posters.bring(file, read_form_or_body(request, expected()))
        return Response(told_anew(request, file), status=201)


def told_anew(request: Request, file: File) -> dict[str, Any]:
    fresh, _ = find_file(request, file.library_id, file.pk)
    return told(fresh)


def default_of(file: File) -> Derivative | None:
    return find(file, "")


def find(file: File, variant: str) -> Derivative | None:
    """Of the derivatives that `find_file` has loaded."""
    rows = (row for row in file.original.derivatives.all() if row.deriver == pictures.POSTER[0])
    return next((row for row in rows if row.variant == variant), None)


def told(file: File) -> dict[str, Any]:
    wanted, default = find(file, file.poster_variant), default_of(file)
    shown = pictures.poster_of(file, file.original.derivatives.all())
    return {
        "source": posters.source_of(file),
        "status": wanted.status if wanted else None,
        "progress": wanted.progress if wanted else None,
        "error": (wanted.error_message or None) if wanted else None,
        "second": second_of(wanted),
        "posterUrl": describing.output_of(file, shown, "poster.webp"),
        "candidates": [
            {
                **one,
                "url": describing.output_of(file, default, f"candidate-{one['place']}.webp"),
                "chosen": wanted is not None and second_of(wanted) == one["second"],
            }
            for one in posters.candidates_of(default)
        ],
    }


def second_of(row: Derivative | None) -> float | None:
    """When the poster is shown in the film: as it was asked for, until it is made."""
    found = row.parameters.get("second", row.facts.get("second")) if row is not None else None
    return None if found is None else float(found)
