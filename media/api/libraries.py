"""Libraries and their members."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import libraries, switching
from media.api import describing
from media.api.access import find_library, user_of
from media.api.shapes import (
    LibraryChangeInput,
    LibraryInput,
    LibraryShape,
    LossShape,
    MemberShape,
    RoleInput,
)
from media.errors import ConflictError, NotAllowedError
from media.models import File, Folder, Library, Membership
from media.models.library import FIELD_OF
from media.switching import LossError


def checked(serializer: Any) -> dict[str, Any]:
    """What came in, or ValidationError with a sentence for each field."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class Libraries(APIView):
    """The libraries you are a member of."""

    @extend_schema(operation_id="libraries_list", responses=LibraryShape(many=True))
    def get(self, request: Request) -> Response:
        members = Membership.objects.filter(user=user_of(request)).select_related("library")
        rows = members.order_by("library__name", "library_id").prefetch_related("library__switchings")
        return Response([describing.library(row.library, row.role) for row in rows])

    @extend_schema(request=LibraryInput, responses={201: LibraryShape})
    def post(self, request: Request) -> Response:
        """Make a library; you are its owner."""
        made = libraries.create_library(request.user, **checked(LibraryInput(data=request.data)))
        return Response(describing.library(made, "owner"), status=201)


class OneLibrary(APIView):
    """One library."""

    @extend_schema(operation_id="libraries_retrieve", responses=LibraryShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        library, member = find_library(request, library_id)
        return Response(describing.library(library, member.role))

    @extend_schema(request=LibraryChangeInput(partial=True), responses={200: LibraryShape, 409: LossShape})
    def patch(self, request: Request, library_id: UUID) -> Response:
        """Change its name, emoji or switches. The library follows a switch in the background: `switching` tells."""
        library, member = find_library(request, library_id, write=True)
        given = checked(LibraryChangeInput(data=request.data, partial=True))
        try:
            change(library, given)
        except LossError as error:
            losses = {describing.SWITCH_NAMES[switch]: kinds for switch, kinds in error.losses.items()}
            told = {"code": error.code, "message": error.message, "losses": losses}
            return Response(told, status=error.http_status)
        return Response(describing.library(library, member.role))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID) -> Response:
        """For the owner, and only when the library and its trash are empty."""
        library, _ = find_library(request, library_id, owner=True)
        delete_empty(library)
        return Response(status=204)


def change(library: Library, given: dict[str, Any]) -> None:
    """All of it or nothing."""
    switches = {name: given.pop(field) for name, field in FIELD_OF.items() if field in given}
    confirmed = given.pop("confirm", False)
    with transaction.atomic():
        if switches:
            switching.turn(library, switches, confirmed=confirmed)
        if given:
            for name, value in given.items():
                setattr(library, name, value)
            library.save(update_fields=[*given, "updated_at"])


def delete_empty(library: Library) -> None:
    """ConflictError while anything is in it."""
    if File.objects.filter(library=library).exists():
        raise ConflictError(
            "This library still has files, maybe in the trash. Purge them first.", code="not_empty"
        )
    try:
        with transaction.atomic():
            Folder.objects.filter(library=library).delete()
            library.delete()
    except (ProtectedError, IntegrityError) as error:
        raise ConflictError(
            "A file came into this library just now. Purge it first.", code="not_empty"
        ) from error


class Members(APIView):
    """Who may enter a library."""

    @extend_schema(operation_id="libraries_users_list", responses=MemberShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """The owner first, then in the order in which they came."""
        library, _ = find_library(request, library_id)
        rows = Membership.objects.filter(library=library).select_related("user").order_by("created_at", "id")
        return Response([describing.member(row) for row in sorted(rows, key=lambda row: row.role != "owner")])


class OneMember(APIView):
    """One member: never yourself, never the owner."""

    @extend_schema(request=RoleInput, responses=MemberShape)
    def patch(self, request: Request, library_id: UUID, user_id: UUID) -> Response:
        """Change what a member may do."""
        library, member = self.find_other(request, library_id, user_id)
        changed = libraries.set_member(library, member.user, checked(RoleInput(data=request.data))["role"])
        return Response(describing.member(changed))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, user_id: UUID) -> Response:
        """Shut a member out."""
        library, member = self.find_other(request, library_id, user_id)
        libraries.remove_member(library, member.user_id)
        return Response(status=204)

    def find_other(self, request: Request, library_id: UUID, user_id: UUID) -> tuple[Library, Membership]:
        library, _ = find_library(request, library_id, write=True)
        if user_id == request.user.pk:
            raise NotAllowedError("You cannot change your own membership. Ask another admin of this library.")
        member = Membership.objects.select_related("user").filter(library=library, user_id=user_id).first()
        if member is None:
            raise Http404("This person is not a member of the library.")
        return library, member
