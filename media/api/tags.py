"""Tags of a library."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import tags
from media.api.access import find_library
from media.api.libraries import checked
from media.api.moment_shapes import TagInput, TagUsageShape
from media.models import Tag


class LibraryTags(APIView):
    """The tags of a library."""

    @extend_schema(operation_id="libraries_tags_list", responses=TagUsageShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """By name, with how much each is worn."""
        library, _ = find_library(request, library_id)
        return Response([told_with_usage(row) for row in tags.tags_of(library)])

    @extend_schema(request=TagInput, responses={201: TagUsageShape})
    def post(self, request: Request, library_id: UUID) -> Response:
        """Make a tag. A name that is there already, in whatever case, is refused (409)."""
        library, _ = find_library(request, library_id, write=True)
        made = tags.create_tag(library, **checked(TagInput(data=request.data)))
        return Response(told_with_usage(tags.find_tag(library, made.pk)), status=201)


class OneTag(APIView):
    """One tag."""

    @extend_schema(request=TagInput(partial=True), responses=TagUsageShape)
    def patch(self, request: Request, library_id: UUID, tag_id: UUID) -> Response:
        """Give it another name or colour. Left out is left as it is."""
        library, _ = find_library(request, library_id, write=True)
        tag = tags.find_tag(library, tag_id)
        tags.change_tag(tag, **checked(TagInput(data=request.data, partial=True)))
        return Response(told_with_usage(tag))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, tag_id: UUID) -> Response:
        """Off everything that wears it, for good."""
        library, _ = find_library(request, library_id, write=True)
        tags.delete_tag(tags.find_tag(library, tag_id))
        return Response(status=204)


def told(row: Tag) -> dict[str, Any]:
    return {"id": str(row.pk), "name": row.name, "color": row.color}


def told_with_usage(row: Any) -> dict[str, Any]:
    """Needs the `usage` of `tags_of`."""
    return {
        **told(row),
        "libraryId": str(row.library_id),
        "usageCount": row.usage,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
