"""What somebody is bringing in, or has brought: a client that lost its notes finds its uploads again here."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors
from media.api.access import user_of
from media.api.libraries import checked
from media.models import Upload
from media.models.upload import UploadKind

PAGE_LIMIT = 200


class UploadShape(serializers.Serializer[Any]):
    """An upload, how far it is and what became of it."""

    id = serializers.UUIDField()
    libraryId = serializers.UUIDField()
    folderId = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(choices=UploadKind.choices)
    name = serializers.CharField(allow_blank=True)
    length = serializers.IntegerField(allow_null=True, help_text="bytes; null while the client defers it")
    offset = serializers.IntegerField(help_text="bytes that are here")
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField(help_text="when an unfinished one is forgotten")
    finishedAt = serializers.DateTimeField(allow_null=True)
    fileId = serializers.UUIDField(allow_null=True, help_text="null until it is finished")


class UploadPageShape(serializers.Serializer[Any]):
    entries = UploadShape(many=True)
    nextCursor = serializers.CharField(allow_null=True)


class UploadsQuery(serializers.Serializer[Any]):
    """Which of your uploads."""

    finished = serializers.BooleanField(required=False, default=False, help_text="the finished ones too")
    cursor = serializers.CharField(required=False, max_length=4000, help_text="nextCursor of the page before")
    limit = serializers.IntegerField(required=False, default=50, min_value=1, help_text="at most 200")


def described(row: Upload) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "libraryId": str(row.library_id),
        "folderId": str(row.folder_id) if row.folder_id else None,
        "kind": row.kind,
        "name": row.name,
        "length": row.length,
        "offset": row.offset,
        "createdAt": row.created_at,
        "expiresAt": row.expires_at,
        "finishedAt": row.finished_at,
        "fileId": str(row.file_id) if row.file_id else None,
    }


def own(request: Request) -> Any:
    """The caller's uploads into libraries that are still theirs to see. What only the store reads stays away."""
    user = user_of(request)
    mine = Upload.objects.filter(user=user, library__memberships__user=user)
    return mine.defer("metadata", "assembly", "parts").order_by("-created_at", "-id")


class OwnUploads(APIView):
    """Your uploads."""

    @extend_schema(operation_id="uploads_list", parameters=[UploadsQuery], responses=UploadPageShape)
    def get(self, request: Request) -> Response:
        """A page, newest first: what is under way, with `finished` also what is done."""
        given = checked(UploadsQuery(data=request.query_params))
        limit = min(given["limit"], PAGE_LIMIT)
        rows = list(listed(own(request), given)[: limit + 1])
        last = rows[limit - 1] if len(rows) > limit else None
        return Response(
            {
                "entries": [described(row) for row in rows[:limit]],
                "nextCursor": cursors.encode(last.created_at.isoformat(), last.pk) if last else None,
            }
        )


def listed(rows: Any, given: dict[str, Any]) -> Any:
    if not given["finished"]:
        rows = rows.filter(finished_at__isnull=True)
    if "cursor" not in given:
        return rows
    before, key = moment(given["cursor"])
    return rows.filter(Q(created_at__lt=before) | Q(id__lt=key), created_at__lte=before)


def moment(cursor: str) -> tuple[datetime, UUID]:
    """RequestError for a cursor that is not one of this list."""
    text, key = cursors.decode(cursor)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise cursors.refusal() from error
    if found.tzinfo is None:
        raise cursors.refusal()
    return found, key


class OneUpload(APIView):
    """One of your uploads."""

    @extend_schema(operation_id="uploads_retrieve", responses=UploadShape)
    def get(self, request: Request, upload_id: UUID) -> Response:
        """How far it is, and the file once it is there."""
        row = own(request).filter(pk=upload_id).first()
        if row is None:
            raise Http404("There is no such upload, or it is not yours.")
        return Response(described(row))
