"""Faces: those of a file, those of nobody, and what members decide about each."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors
from media.api.access import find_file, find_library, user_of
from media.api.files import PAGE_LIMIT
from media.api.libraries import checked
from media.api.shapes import CountShape
from media.errors import ConflictError
from media.models import Library
from ml.api import people_described as described
from ml.api.people import answer, page_of_faces
from ml.api.people_shapes import (
    AssignInput,
    DrawnInput,
    FacePageShape,
    FaceProposalShape,
    FaceShape,
    FacesInput,
    PageQuery,
    PersonShape,
)
from ml.faces import deciding, listing, people, proposals
from ml.faces.boxes import Box
from ml.models import Face, FaceProposal


class FileFaces(APIView):
    """The faces in a file."""

    @extend_schema(operation_id="libraries_files_faces_list", responses=FaceShape(many=True))
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """From left to right; in a film by when they are seen first."""
        file, _ = find_file(request, library_id, file_id)
        return Response([described.face(row, file.pk) for row in listing.faces_of_file(file)])

    @extend_schema(request=DrawnInput, responses={201: FaceShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Draw one that was not found, of somebody or of nobody yet. Its small picture is made in the background."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(DrawnInput(data=request.data))
        if file.trashed_at is not None:
            raise ConflictError("This file is in the trash. Restore it first.", code="in_trash")
        if "personId" in given:
            people.find_person(file.library, given["personId"])
        elif "name" in given:
            people.clean(given["name"])
        box = Box(*(given[name] for name in ("x", "y", "width", "height")))
        drawn = deciding.draw(file.library, file.original, user_of(request), box, given.get("second"))
        if {"personId", "name"} & given.keys():
            give(file.library, [drawn.pk], given)
        row = listing.faces_of_file(file).get(pk=drawn.pk)
        return Response(described.face(row, file.pk), status=201)


def give(library: Library, keys: Collection[UUID], given: dict[str, Any]) -> UUID:
    """To whom the input names. Returns the person."""
    if "personId" in given:
        key: UUID = given["personId"]
        deciding.assign(library, keys, key)
        return key
    return deciding.assign_to_new(library, keys, given["name"]).pk


class UnassignedFaces(APIView):
    """Faces of nobody."""

    @extend_schema(
        operation_id="libraries_faces_unassigned_list", parameters=[PageQuery], responses=FacePageShape
    )
    def get(self, request: Request, library_id: UUID) -> Response:
        """A page of them, the newest first."""
        library, _ = find_library(request, library_id)
        given = checked(PageQuery(data=request.query_params))
        after = cursors.decode(given["cursor"])[1] if "cursor" in given else None
        return Response(page_of_faces(listing.unassigned(library, after), given["limit"], lambda _: ""))


class AssignFaces(APIView):
    """Whose they are."""

    @extend_schema(request=AssignInput, responses=PersonShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """These faces are this person, whatever was said before; or a new one of this name."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(AssignInput(data=request.data))
        return answer(library, give(library, given["faceIds"], given))


class Decision(APIView):
    """One decision about several faces at once."""

    decide: ClassVar[Callable[[Library, Collection[UUID]], None]]

    def decided(self, request: Request, library_id: UUID) -> Response:
        library, _ = find_library(request, library_id, write=True)
        keys = set(checked(FacesInput(data=request.data))["faceIds"])
        type(self).decide(library, keys)
        return Response({"count": len(keys)})


class ConfirmFaces(Decision):
    """They are who they are said to be."""

    decide = deciding.confirm

    @extend_schema(request=FacesInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """The model was right: no run changes it any more."""
        return self.decided(request, library_id)


class RejectFaces(Decision):
    """They are not who they are said to be."""

    decide = deciding.reject

    @extend_schema(request=FacesInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Taken from their person, and never given back by a run. Another may be found for them."""
        return self.decided(request, library_id)


class RemoveFaces(Decision):
    """They are no faces."""

    decide = deciding.remove

    @extend_schema(request=FacesInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Out of sight, for every later run too. What somebody has drawn goes for good."""
        return self.decided(request, library_id)


class RestoreFaces(Decision):
    """They are faces after all."""

    decide = deciding.restore

    @extend_schema(request=FacesInput, responses=CountShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """Back among those of nobody."""
        return self.decided(request, library_id)


class FaceProposals(APIView):
    """Faces that may be somebody's."""

    @extend_schema(operation_id="libraries_faces_proposals_list", responses=FaceProposalShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """What the night has found and nobody has answered, the nearest first; at most 200."""
        library, _ = find_library(request, library_id)
        rows = (
            FaceProposal.objects.filter(library=library).select_related("person").order_by("distance", "id")
        )
        faces: dict[UUID, Any] = {
            row.pk: row for row in listing.in_full(Face.objects.filter(proposal__in=rows[:PAGE_LIMIT]))
        }
        return Response(
            [
                {
                    "id": str(row.pk),
                    "face": described.face(faces[row.face_id], faces[row.face_id].file),
                    "personId": str(row.person_id),
                    "personName": row.person.name,
                    "distance": row.distance,
                }
                for row in rows[:PAGE_LIMIT]
                if row.face_id in faces
            ]
        )


class AcceptFace(APIView):
    """It is theirs."""

    @extend_schema(request=None, responses=PersonShape)
    def post(self, request: Request, library_id: UUID, proposal_id: UUID) -> Response:
        """As if it had been assigned by hand."""
        library, _ = find_library(request, library_id, write=True)
        return answer(library, proposals.accept_face(library, proposal_id))


class DeclineFace(APIView):
    """It is not theirs."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, library_id: UUID, proposal_id: UUID) -> Response:
        """It is remembered and not asked again."""
        library, _ = find_library(request, library_id, write=True)
        proposals.decline_face(library, proposal_id)
        return Response(status=204)
