"""What was made of a file: its state, making it anew, stopping it, and the bytes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import ledger, live, moments, reprocess
from media.api import describing
from media.api.access import find_derivative, find_file, find_library
from media.api.files import detail
from media.api.libraries import checked
from media.api.shapes import (
    CapabilitiesShape,
    DerivativeShape,
    FileDetailShape,
    ReprocessedShape,
    ReprocessFileInput,
    ReprocessInput,
)
from media.errors import ConflictError, MediaError, RequestError
from media.images import formats, variants
from media.libraries import require_owner
from media.models import Derivative, File, Library
from media.reprocess import Asked, Selection
from media.serving import Served, serve
from media.tools import encoders, ffmpeg

FOR_OWNERS = "poster"
"""Posters of a whole library take hours; only the owner may ask for them."""


class Derivatives(APIView):
    """Everything made of a file."""

    @extend_schema(operation_id="libraries_files_derivatives_list", responses=DerivativeShape(many=True))
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        file, _ = find_file(request, library_id, file_id)
        shown = set(describing.job_names())
        rows = [row for row in file.original.derivatives.all() if row.deriver in shown]
        return Response([describing.derivative(file, row) for row in rows])


class OneDerivative(APIView):
    """One thing made of a file."""

    @extend_schema(operation_id="libraries_files_derivatives_retrieve", responses=DerivativeShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID, deriver: str) -> Response:
        file, _ = find_file(request, library_id, file_id)
        return Response(describing.derivative(file, find_derivative(file, shown_only(deriver))))


def shown_only(deriver: str) -> str:
    """Steps of the house (hashing) are not for the API."""
    if deriver not in describing.job_names():
        raise Http404(f"Nothing named {deriver} is made here.")
    return deriver


class CancelDerivative(APIView):
    """Stop a job."""

    @extend_schema(request=None, responses={202: FileDetailShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID, deriver: str) -> Response:
        """Stop what is queued or running; an earlier result stays. 409 when there is nothing to stop."""
        file, _ = find_file(request, library_id, file_id, write=True)
        row = find_derivative(file, shown_only(deriver))
        if not ledger.cancel(Derivative.objects.filter(pk=row.pk)):
            raise ConflictError(
                "This job is not waiting or running, so there is nothing to stop.", code="not_running"
            )
        return described_again(request, file)


class ReprocessFile(APIView):
    """Make one thing anew."""

    @extend_schema(request=ReprocessFileInput, responses={202: FileDetailShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Ask for one deriver of this file again. The old result is shown until the new one is ready."""
        file, _ = find_file(request, library_id, file_id, write=True)
        deriver = known(checked(ReprocessFileInput(data=request.data))["deriver"])
        return asked_again(request, file, deriver)


class ReprocessLibrary(APIView):
    """Make many things anew."""

    @extend_schema(request=ReprocessInput, responses={202: ReprocessedShape})
    def post(self, request: Request, library_id: UUID) -> Response:
        """By deriver, status or version of what made them; what is missing; or for these files alone.

        Posters of the whole library, and everything at once, are for the owner.
        """
        library, member = find_library(request, library_id, write=True)
        given = checked(ReprocessInput(data=request.data))
        keys = given.get("fileIds", [])
        if given["deriver"] in {"", FOR_OWNERS} and not keys:
            require_owner(member)
        if given["deriver"] not in {"", moments.DERIVER}:
            known(given["deriver"])
        if not keys:
            return Response({"count": queued_by(library, given)}, status=202)
        found = reprocess.reprocess_files(library, keys, given["deriver"])
        count = sum(not one.reason for one in found)
        return Response({"count": count, "skipped": described_skips(found)}, status=202)


def queued_by(library: Library, given: dict[str, Any]) -> int:
    """Rows of the whole library."""
    if given["missing"]:
        return reprocess.plan_missing(library, given["deriver"])
    return reprocess.reprocess(
        Selection(
            deriver=given["deriver"],
            status=given.get("status", ""),
            older_than=given.get("olderThan"),
            library=library.pk,
        )
    )


def described_skips(found: Iterable[Asked]) -> list[dict[str, str]]:
    """Those that are not queued, and why."""
    return [
        {"fileId": str(one.file), "reason": one.reason, "message": one.message} for one in found if one.reason
    ]


def known(deriver: str) -> str:
    names = describing.job_names()
    if deriver not in names:
        raise RequestError(
            f"There is no deriver named {deriver}. Known are: {', '.join(names)}.", code="deriver_unknown"
        )
    return deriver


def asked_again(
    request: Request, file: File, deriver: str, parameters: dict[str, Any] | None = None
) -> Response:
    """Queued anew, and the file as it is then. What lies in the trash is not worked on."""
    reprocess.require_live(file)
    reprocess.reprocess_file(file, deriver, parameters)
    return described_again(request, file)


def described_again(request: Request, file: File) -> Response:
    fresh, _ = find_file(request, file.library_id, file.pk)
    return Response(detail(request, fresh), status=202)


class AsItIs(BaseContentNegotiation):
    """Bytes have the type they have, whatever the client would rather accept."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Output(APIView):
    """The bytes of one output."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_derivatives_output",
        parameters=[
            OpenApiParameter("v", str, description="version in the address, for caches"),
            OpenApiParameter("variant", str, description="of a poster that was chosen"),
        ],
        responses={(200, "image/webp"): OpenApiTypes.BINARY, (200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(
        self, request: Request, library_id: UUID, file_id: UUID, deriver: str, output: str
    ) -> HttpResponseBase:
        """A poster, a preview, a waveform: whatever the last finished run has made."""
        file, _ = find_file(request, library_id, file_id)
        row = find_derivative(file, shown_only(deriver), request.query_params.get("variant", ""))
        return serve(request._request, served_output(file, row, output, request.query_params.get("v")))  # noqa: SLF001


def served_output(file: File, row: Derivative, name: str, version: str | None) -> Served:
    found = row.output(name)
    if found is None:
        raise Http404(f"{row.deriver} has made no {name} of this file.")
    return Served(
        key=found["key"],
        size=found["size"],
        content_type=found["content_type"],
        name=f"{file.name.rpartition('.')[0] or file.name}.{name}",
        modified_at=row.finished_at or row.updated_at,
        sha256=found.get("sha256"),
        immutable=version == describing.version_of(found),
    )


class OriginalBytes(APIView):
    """The uploaded bytes."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_original",
        parameters=[OpenApiParameter("download", bool, description="1 to save it under its name")],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> HttpResponseBase:
        """With Range and conditions. What could run a script is always a download."""
        file, _ = find_file(request, library_id, file_id)
        download = request.query_params.get("download", "") not in {"", "0", "false"}
        return serve(request._request, served_original(file, download=download))  # noqa: SLF001


def served_original(file: File, *, download: bool) -> Served:
    original = file.original
    return Served(
        key=original.key,
        size=original.size,
        content_type=original.mime,
        name=file.name,
        modified_at=original.created_at,
        sha256=original.sha256,
        download=download,
        may_redirect=True,
    )


class Capabilities(APIView):
    """What this server can do."""

    @extend_schema(responses=CapabilitiesShape)
    def get(self, request: Request) -> Response:
        """Which ffmpeg is used and what it lacks, which formats of pictures work, how much may be uploaded."""
        return Response(
            {
                "ffmpeg": ffmpeg_facts(),
                "derivers": describing.job_names(),
                "imageVariants": variants.as_json(),
                "formats": [one.as_json() for one in formats.survey()],
                "maxUploadBytes": live.value("MAX_UPLOAD_BYTES"),
                "mode": settings.MODE,
            }
        )


def ffmpeg_facts() -> dict[str, object]:
    try:
        found = ffmpeg.capabilities()
        tried = {trial.encoder.name: trial.works for trial in encoders.survey()}
        chosen = encoders.choose()
    except MediaError as error:
        return {"available": False, "message": error.message}
    return {
        "available": True,
        "version": found.version,
        "zscale": found.zscale,
        "encoder": chosen.name,
        "hardwareEncoders": [{"name": name, "works": works} for name, works in tried.items()],
        "lacks": list(found.lacks),
    }
