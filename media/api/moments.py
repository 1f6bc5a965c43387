"""Moments of a file: marking, changing, splitting, exporting, and the clips themselves."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import moments
from media.api.access import find_file, user_of
from media.api.derivatives import AsItIs
from media.api.describing import version_of
from media.api.libraries import checked
from media.api.moment_shapes import (
    MomentChangeInput,
    MomentInput,
    MomentQuery,
    MomentShape,
    SplitInput,
    SplitShape,
    TagKeysInput,
)
from media.api.tags import told as told_tag
from media.errors import ConflictError
from media.models import Derivative, File, Moment
from media.models.derivative import Status
from media.serving import Served, serve

POLL_SECONDS = 2


class FileMoments(APIView):
    """The moments of a file."""

    @extend_schema(
        operation_id="libraries_files_moments_list",
        parameters=[MomentQuery],
        responses=MomentShape(many=True),
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """By start, each with the state of its export."""
        file, _ = find_file(request, library_id, file_id)
        given = checked(MomentQuery(data=request.query_params))
        return Response(told_all(file, list(moments.moments_of(file, trashed=given["trashed"]))))

    @extend_schema(request=MomentInput, responses={201: MomentShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Mark a span. An end a little past that of the file becomes the end of the file."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(MomentInput(data=request.data))
        return answer(file, moments.create_moment(file, user_of(request), **given).pk, status=201)


class OneMoment(APIView):
    """One moment."""

    @extend_schema(operation_id="libraries_files_moments_retrieve", responses=MomentShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Its details and the state of its export, in the trash too."""
        file, _ = find_file(request, library_id, file_id)
        return answer(file, moment_id)

    @extend_schema(request=MomentChangeInput, responses=MomentShape)
    def patch(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Another span makes the clip stale: it is served until the next export is ready."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        file = moment.file
        moments.change_moment(moment, **checked(MomentChangeInput(data=request.data)))
        return answer(file, moment_id)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Into the trash. An export that is under way is stopped."""
        moments.trash_moment(find_moment(request, library_id, file_id, moment_id, write=True))
        return Response(status=204)


class RestoreMoment(APIView):
    """Out of the trash."""

    @extend_schema(request=None, responses=MomentShape)
    def post(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Back among the moments of its file, with its tags and its clip."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True, trashed=True)
        file = moment.file
        moments.restore_moment(moment)
        return answer(file, moment_id)


class MomentTags(APIView):
    """The tags of a moment."""

    @extend_schema(request=TagKeysInput, responses=MomentShape)
    def put(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """The full set: it wears these afterwards and no others."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        file = moment.file
        moments.tag_moment(moment, checked(TagKeysInput(data=request.data))["tagIds"])
        return answer(file, moment_id)


class SplitMoment(APIView):
    """Two out of one."""

    @extend_schema(request=SplitInput, responses={201: SplitShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """The right half becomes a new moment with the same tags; the one that was there ends at the cut."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        file = moment.file
        right = moments.split_moment(moment, checked(SplitInput(data=request.data))["at"], user_of(request))
        halves = [moments.find_moment(file, key) for key in (moment_id, right.pk)]
        return Response(dict(zip(("left", "right"), told_all(file, halves), strict=True)), status=201)


class ExportMoment(APIView):
    """Making the clip."""

    @extend_schema(request=None, responses={200: MomentShape, 202: MomentShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Queue it. 200 where the clip of this span is there already."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        file = moment.file
        export = moments.request_export(moment)
        return answer(file, moment_id, status=200 if export.status == Status.READY else 202)


class DownloadMoment(APIView):
    """The clip as a file."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_moments_download",
        responses={
            (200, "video/mp4"): OpenApiTypes.BINARY,
            (206, "video/mp4"): OpenApiTypes.BINARY,
            (202, "application/json"): MomentShape,
        },
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> HttpResponseBase:
        """With Range and conditions. Where there is none yet it is queued, and the answer (202) tells its state."""
        moment = find_moment(request, library_id, file_id, moment_id)
        export = moments.find_export(moment)
        clip = moments.find_clip(export)
        if export is not None and clip is not None:
            return serve(request._request, served_clip(moment, export, clip))  # noqa: SLF001
        if export is not None and export.status == Status.FAILED:
            raise ConflictError(f"{export.error_message} Export this moment again.", code="export_failed")
        if request.method == "HEAD":
            raise Http404("This moment was not exported yet.")
        file = moment.file
        moments.request_export(moment)
        response = answer(file, moment_id, status=202)
        response["Retry-After"] = str(POLL_SECONDS)
        return response


class MomentPoster(APIView):
    """The picture of the clip."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_moments_poster",
        parameters=[OpenApiParameter("v", str, description="version in the address, for caches")],
        responses={(200, "image/webp"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> HttpResponseBase:
        """A frame of the clip itself, 480 pixels wide."""
        moment = find_moment(request, library_id, file_id, moment_id)
        export = moments.find_export(moment)
        poster = export.output(moments.POSTER) if export else None
        if export is None or poster is None:
            raise Http404("This moment has no picture: it was not exported yet, or it is a recording.")
        version = request.query_params.get("v")
        return serve(request._request, served_poster(moment, export, poster, version))  # noqa: SLF001


def find_moment(
    request: Request,
    library_id: UUID,
    file_id: UUID,
    moment_id: UUID,
    *,
    write: bool = False,
    trashed: bool | None = False,
) -> Moment:
    """With its file and the file's library, original and derivatives. `trashed` None finds it in the trash too."""
    file, _ = find_file(request, library_id, file_id, write=write)
    return moments.find_moment(file, moment_id, trashed=trashed)


def answer(file: File, key: UUID, *, status: int = 200) -> Response:
    """The moment as it is now."""
    return Response(told_all(file, [moments.find_moment(file, key, trashed=None)])[0], status=status)


def told_all(file: File, rows: list[Moment]) -> list[dict[str, Any]]:
    """One query more, for their exports."""
    exports = moments.find_exports(rows, file.original_id)
    return [told(file, row, exports.get(row.variant)) for row in rows]


def told(file: File, row: Moment, export: Derivative | None) -> dict[str, Any]:
    creator: Any = row.created_by
    return {
        "id": str(row.pk),
        "libraryId": str(file.library_id),
        "fileId": str(file.pk),
        "name": row.name,
        "description": row.description,
        "start": float(row.start),
        "end": float(row.end),
        "tags": [told_tag(tag) for tag in sorted(row.tags.all(), key=lambda tag: tag.name.casefold())],
        "createdBy": {"id": str(creator.pk), "name": creator.name} if creator else None,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "trashedAt": row.trashed_at,
        **told_export(file, row, export),
    }


def told_export(file: File, row: Moment, export: Derivative | None) -> dict[str, Any]:
    exported = moments.exported_version(export)
    poster = export.output(moments.POSTER) if export else None
    keys = (file.library_id, file.pk, row.pk)
    return {
        "exportStatus": export.status if export else None,
        "exportProgress": export.progress if export else None,
        "exportEtaSeconds": export.eta_seconds if export else None,
        "exportVersion": row.export_version,
        "exportedVersion": exported,
        "exportPartial": bool(exported is not None and export and export.facts.get("partial")),
        "exportError": (export.error_message or None) if export else None,
        "stale": exported is not None and exported != row.export_version,
        "downloadUrl": reverse("api:moment-download", args=keys) if exported is not None else None,
        "posterUrl": f"{reverse('api:moment-poster', args=keys)}?v={version_of(poster)}" if poster else None,
    }


def served_clip(moment: Moment, export: Derivative, clip: dict[str, Any]) -> Served:
    """Under the name of the moment. Its tag has the version of the span in it: another span is another file."""
    suffix = clip["name"].rpartition(".")[2]
    return Served(
        key=clip["key"],
        size=clip["size"],
        content_type=clip["content_type"],
        name=f"{moment.name}.{suffix}",
        modified_at=export.finished_at or export.updated_at,
        sha256=clip.get("sha256"),
        tag=f"v{moments.exported_version(export)}-{version_of(clip)}",
        download=True,
        may_redirect=True,
    )


def served_poster(moment: Moment, export: Derivative, poster: dict[str, Any], version: str | None) -> Served:
    return Served(
        key=poster["key"],
        size=poster["size"],
        content_type=poster["content_type"],
        name=f"{moment.name}.webp",
        modified_at=export.finished_at or export.updated_at,
        sha256=poster.get("sha256"),
        immutable=version == version_of(poster),
    )
