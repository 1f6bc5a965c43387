"""Files that are the same and pictures that are nearly so: groups for review, and what a member decides of them.

Copies that shall go are put into the trash as every file is; then they are in no group any more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, F, Window
from django.db.models.functions import RowNumber
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors, describing
from media.api.access import find_library, image_pass
from media.api.libraries import checked
from media.models import File, Library, Original
from ml.api.similar_shapes import (
    SimilarDecidedShape,
    SimilarDecisionInput,
    SimilarPageShape,
    SimilarPreviewQuery,
    SimilarPreviewShape,
    SimilarQuery,
)
from ml.search import copies, reviewing, similar
from ml.search.keeping import Copy, suggest
from ml.search.reviewing import EXACT, SIMILAR, START, Place
from ml.search.similar import Group, Limits

PAGE_LIMIT: Final = 50
MEMBERS_LIMIT: Final = 50


class SimilarGroups(APIView):
    """Groups of files of the same bytes, then of pictures that are nearly the same."""

    @extend_schema(
        operation_id="libraries_similar_list", parameters=[SimilarQuery], responses=SimilarPageShape
    )
    def get(self, request: Request, library_id: UUID) -> Response:
        """A page of groups: exact copies, then alike ones. It may be short; go on with nextCursor until it is null."""
        library, _ = find_library(request, library_id)
        given = checked(SimilarQuery(data=request.query_params))
        limits = Limits(given["threshold"], given["bits"])
        after = place_of(given.get("cursor"))
        groups, following = reviewing.page(library, limits, after, min(given["limit"], PAGE_LIMIT))
        return Response(
            {
                "groups": list(told(groups, library, image_pass(request, library))),
                "nextCursor": cursor_of(following),
            }
        )


class SimilarPreview(APIView):
    """How much another threshold would find."""

    @extend_schema(
        operation_id="libraries_similar_preview",
        parameters=[SimilarPreviewQuery],
        responses=SimilarPreviewShape,
    )
    def get(self, request: Request, library_id: UUID) -> Response:
        """Pairs up to each of some thresholds."""
        library, _ = find_library(request, library_id)
        given = checked(SimilarPreviewQuery(data=request.query_params))
        steps = similar.preview(library, given["bits"])
        return Response({"steps": [{"threshold": step, "pairs": pairs} for step, pairs in steps]})


class KeepAll(APIView):
    """These are no copies."""

    @extend_schema(request=SimilarDecisionInput, responses=SimilarDecidedShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Keep all of these files, and do not ask about them together again. Others' ids are passed over."""
        library, _ = find_library(request, library_id, write=True)
        files = checked(SimilarDecisionInput(data=request.data))["fileIds"]
        return Response({"pairs": reviewing.keep_all(library, files, request.user)})


class AskAgain(APIView):
    """A decision is taken back."""

    @extend_schema(request=SimilarDecisionInput, responses=SimilarDecidedShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Ask about these files again, as if nobody had decided about them together."""
        library, _ = find_library(request, library_id, write=True)
        files = checked(SimilarDecisionInput(data=request.data))["fileIds"]
        return Response({"pairs": reviewing.ask_again(library, files)})


def place_of(cursor: str | None) -> Place:
    if cursor is None:
        return START
    kind, key = cursors.decode(cursor)
    if kind not in {EXACT, SIMILAR}:
        raise cursors.refusal()
    return kind, key


def cursor_of(place: Place | None) -> str | None:
    if place is None or place[1] is None:
        return None
    return cursors.encode(place[0], place[1])


def told(groups: Sequence[Group], library: Library, signature: str) -> Iterable[dict[str, Any]]:
    """Needs three queries, whatever the number of groups."""
    by_original: dict[UUID, list[Any]] = defaultdict(list)
    for row in describing.with_all(
        some_of_each(library, [key for group in groups for key in group.originals])
    ):
        by_original[row.original_id].append(row)
    for group in groups:
        files = [file for original in group.originals for file in by_original[original]]
        if len(files) > 1:
            yield told_group(group, files, signature)


def some_of_each(library: Library, originals: Collection[UUID]) -> Any:
    """Of each original so many live files as are listed, those first that are not decided about; `among` how many."""
    files = File.objects.live().filter(library=library, original__in=originals, original__held_at=None)
    bytes_of = F("original_id")
    counted = files.annotate(
        among=Window(Count("*"), partition_by=bytes_of),
        place=Window(RowNumber(), partition_by=bytes_of, order_by=[Exists(copies.kept()), F("id")]),
    )
    return counted.filter(place__lte=MEMBERS_LIMIT).order_by("id")


def told_group(group: Group, files: Sequence[Any], signature: str) -> dict[str, Any]:
    keep, because = suggest([copy_of(file) for file in files])
    listed = sorted(files, key=lambda file: file.pk != keep)[:MEMBERS_LIMIT]
    return {
        "id": str(group.id),
        "kind": EXACT if group.exact else SIMILAR,
        "keep": str(keep),
        "because": because,
        "count": sum({file.original_id: file.among for file in files}.values()),
        "cut": group.cut,
        "members": [
            {
                "file": describing.file(file, signature),
                "distance": group.originals[file.original_id].distance,
                "bits": group.originals[file.original_id].bits,
            }
            for file in listed
        ],
    }


def copy_of(file: File) -> Copy:
    original = file.original
    return Copy(
        file_id=file.pk,
        mime=original.mime,
        pixels=(original.width or 0) * (original.height or 0),
        size=original.size,
        facts=facts_of(original),
        added_at=file.created_at,
    )


def facts_of(original: Original) -> int:
    """How much the bytes say of themselves."""
    told = (
        original.captured_at,
        original.latitude is not None,
        original.camera_model,
        original.title or original.caption,
        original.keywords,
        original.rating,
    )
    return sum(bool(one) for one in told)
