"""Folders: a flat list that clients make a tree of, and what can be done to one."""

from uuid import UUID

from django.db.models.functions import Lower
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import folders
from media.api import describing
from media.api.access import find_library
from media.api.libraries import checked
from media.api.shapes import FolderInput, FolderMoveInput, FolderNameInput, FolderShape, TrashedShape
from media.models import Folder


class Folders(APIView):
    """All folders of a library."""

    @extend_schema(operation_id="libraries_folders_list", responses=FolderShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """A flat list by name; `parentId` makes it a tree."""
        library, _ = find_library(request, library_id)
        rows = Folder.objects.live().filter(library=library).order_by(Lower("name"), "id")
        return Response([describing.folder(row) for row in rows])

    @extend_schema(request=FolderInput, responses={201: FolderShape})
    def post(self, request: Request, library_id: UUID) -> Response:
        """Make a folder, at the top or in another one."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(FolderInput(data=request.data))
        return Response(
            describing.folder(folders.create_folder(library, given["name"], given["parentId"])), status=201
        )


class OneFolder(APIView):
    """One folder."""

    @extend_schema(request=FolderNameInput, responses=FolderShape)
    def patch(self, request: Request, library_id: UUID, folder_id: UUID) -> Response:
        """Give it another name."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(FolderNameInput(data=request.data))
        return Response(describing.folder(folders.rename_folder(library, folder_id, given["name"])))

    @extend_schema(responses=TrashedShape)
    def delete(self, request: Request, library_id: UUID, folder_id: UUID) -> Response:
        """Into the trash, with everything in it."""
        library, _ = find_library(request, library_id, write=True)
        return Response({"trashed": folders.trash_folder(library, folder_id)})


class MoveFolder(APIView):
    """To another place."""

    @extend_schema(request=FolderMoveInput, responses=FolderShape)
    def post(self, request: Request, library_id: UUID, folder_id: UUID) -> Response:
        """Into another folder, or to the top with `parentId: null`. Never into itself."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(FolderMoveInput(data=request.data))
        return Response(describing.folder(folders.move_folder(library, folder_id, given["parentId"])))
