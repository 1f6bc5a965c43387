"""Files: lists by cursor, details, names and places, the trash."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import audit, stacks, trash
from media.api import cursors, describing, metadata
from media.api.access import find_file, find_library, image_pass
from media.api.libraries import checked
from media.api.shapes import CountShape, FileDetailShape, FileInput, FilePageShape, KeysInput, ListQuery
from media.api.uploads import ReceiveFilesMixin
from media.errors import ConflictError, RequestError
from media.folders import find_folder
from media.intake import clean_name
from media.models import File, Library
from media.models.audit import Via

PAGE_LIMIT = 200


class LibraryFiles(ReceiveFilesMixin):
    """The files of a library; POST, from the mixin, takes one in."""

    @extend_schema(operation_id="libraries_files_list", parameters=[ListQuery], responses=FilePageShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        """A page of files, by name unless another order is asked for. Give nextCursor back as `cursor` for the next."""
        library, _ = find_library(request, library_id)
        given = checked(ListQuery(data=request.query_params))
        files = listed(library, given)
        limit = min(given["limit"], PAGE_LIMIT)
        return Response(page_of(request, library, files, given["order"], given.get("cursor"), limit))


def page_of(
    request: Request, library: Library, files: Any, order: str, cursor: str | None, limit: int = PAGE_LIMIT
) -> dict[str, Any]:
    """So many of these files from the cursor on, as they are told, and where the next page begins."""
    rows = list(describing.with_all(in_order(files, order, cursor))[: limit + 1])
    last = rows[limit - 1] if len(rows) > limit else None
    signature = image_pass(request, library)
    return {
        "entries": [describing.file(row, signature) for row in rows[:limit]],
        "nextCursor": cursor_of(last, order) if last is not None else None,
    }


def listed(library: Library, given: dict[str, Any]) -> Any:
    """The files that were asked for."""
    where = in_folder(library, given)
    if "kind" in given:
        where["original__kind"] = given["kind"]
    if "q" in given:
        where["name__icontains"] = given["q"]
    files = File.objects.filter(library=library, trashed_at__isnull=not given["trashed"], **where)
    return files.closed(where) if given["stacks"] == "closed" and not given["trashed"] else files


def in_order(files: Any, order: str, cursor: str | None) -> Any:
    """From where the cursor says. Both conditions: the index finds the place by the first, the second is exact."""
    if order == "name":
        files = files.annotate(sort_name=Lower("name")).order_by("sort_name", "id")
        if cursor is None:
            return files
        name, key = cursors.decode(cursor)
        return files.filter(Q(sort_name__gt=name) | Q(id__gt=key), sort_name__gte=name)
    files = files.order_by(*(("-effective_at", "-id") if order == "-date" else ("effective_at", "id")))
    if cursor is None:
        return files
    moment, key = cursors.decode_date(cursor)
    if order == "-date":
        return files.filter(Q(effective_at__lt=moment) | Q(id__lt=key), effective_at__lte=moment)
    return files.filter(Q(effective_at__gt=moment) | Q(id__gt=key), effective_at__gte=moment)


def cursor_of(last: Any, order: str) -> str:
    return cursors.encode(last.sort_name if order == "name" else last.effective_at.isoformat(), last.pk)


def in_folder(library: Library, given: dict[str, Any]) -> dict[str, Any]:
    """The trash and searches look everywhere unless a folder is named."""
    everywhere = given["trashed"] or "q" in given
    folder = given.get("folder", "any" if everywhere else "root")
    if folder == "any":
        return {}
    if folder == "root":
        return {"folder__isnull": True}
    try:
        key = UUID(folder)
    except ValueError:
        raise RequestError("folder must be the id of a folder, `root` or `any`.", code="bad_folder") from None
    return {"folder": find_folder(library, key)}


class OneFile(APIView):
    """One file."""

    @extend_schema(operation_id="libraries_files_retrieve", responses=FileDetailShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Its details, in the trash too."""
        file, _ = find_file(request, library_id, file_id, held=True)
        return Response(detail(request, file))

    @extend_schema(request=FileInput, responses=FileDetailShape)
    def patch(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Rename it, turn it, or move it into a live folder of the same library. `folderId: null` is the top."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(FileInput(data=request.data))
        if file.trashed_at is not None:
            raise ConflictError("This file is in the trash. Restore it first.", code="in_trash")
        change(file, given)
        return Response(detail(request, file))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Into the trash."""
        file, _ = find_file(request, library_id, file_id, write=True, held=True)
        trash.trash(file.library, [file.pk])
        return Response(status=204)


def change(file: File, given: dict[str, Any]) -> None:
    with transaction.atomic():
        if "rotation" in given:
            file.turn(given["rotation"])
        if "folderId" in given:
            file.folder = find_folder(file.library, given["folderId"], lock=True)
        if "name" in given:
            file.name = clean_name(given["name"])
        if {"folderId", "name"} & given.keys():
            with stacks.rearranging(file.library_id, [file.pk], to=[(file.folder_id, file.name)]):
                file.save(update_fields=["folder", "name", "updated_at"])
            file.refresh_from_db(fields=["stack"])


def detail(request: Request, file: File) -> dict[str, Any]:
    """Needs `find_file`, which has loaded the library."""
    signature = image_pass(request, file.library)
    return {**describing.file(file, signature), **metadata.whole(file.original)}


class RestoreFiles(APIView):
    """Out of the trash."""

    @extend_schema(request=KeysInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Back to where they were, or to the top where their folder is gone. Others' ids are passed over."""
        library, _ = find_library(request, library_id, write=True)
        keys = checked(KeysInput(data=request.data))["fileIds"]
        return Response({"count": trash.restore(library, keys)})


class PurgeFiles(APIView):
    """For good."""

    @extend_schema(request=KeysInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Delete files that are in the trash. The bytes go with the last file that has them."""
        library, _ = find_library(request, library_id, write=True)
        keys = checked(KeysInput(data=request.data))["fileIds"]
        trashed = File.objects.filter(library=library, pk__in=keys, trashed_at__isnull=False)
        found = list(trashed.values_list("pk", flat=True))
        return Response({"count": trash.purge_noted(library, found, by=audit.of(request, via=Via.API))})
