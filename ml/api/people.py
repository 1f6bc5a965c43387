"""People of a library: who there is, what is known of them, and what members decide."""

from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors
from media.api.access import find_library
from media.api.files import PAGE_LIMIT, page_of
from media.api.libraries import checked
from media.api.shapes import FilePageShape
from media.models import Library
from ml.api import people_described as described
from ml.api.people_shapes import (
    FacePageShape,
    MergeInput,
    MergeProposalShape,
    PageQuery,
    PeoplePageShape,
    PeopleQuery,
    PersonFilesQuery,
    PersonInput,
    PersonShape,
    SplitFacesInput,
)
from ml.faces import deciding, listing, people, proposals
from ml.faces.listing import Place

HIDDEN = {"no": False, "only": True, "any": None}


class LibraryPeople(APIView):
    """The people of a library."""

    @extend_schema(operation_id="libraries_people_list", parameters=[PeopleQuery], responses=PeoplePageShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        """A page: those with a name by it, then the others by how often they are seen."""
        library, _ = find_library(request, library_id)
        given = checked(PeopleQuery(data=request.query_params))
        limit = min(given["limit"], PAGE_LIMIT)
        place = place_of(given["cursor"]) if "cursor" in given else None
        found = listing.people_after(
            library, place, limit + 1, hidden=HIDDEN[given["hidden"]], empty=given["empty"]
        )
        rows = listing.shown([one.id for one in found[:limit]])
        following = cursor_of(found[limit - 1]) if len(found) > limit else None
        return Response({"entries": [described.person(row) for row in rows], "nextCursor": following})


def cursor_of(place: Place) -> str:
    return cursors.encode(f"{int(place.unnamed)} {place.faces} {place.name}", place.id)


def place_of(cursor: str) -> Place:
    text, key = cursors.decode(cursor)
    try:
        unnamed, faces, name = text.split(" ", 2)
        return Place(bool(int(unnamed)), name, within_integer(int(faces)), key)
    except ValueError as error:
        raise cursors.refusal() from error


def within_integer(value: int) -> int:
    """ValueError for what the database would not take for a number of faces."""
    if not 0 <= value < 2**31:
        raise ValueError("no number of faces")
    return value


class OnePerson(APIView):
    """One person."""

    @extend_schema(operation_id="libraries_people_retrieve", responses=PersonShape)
    def get(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        library, _ = find_library(request, library_id)
        return answer(library, person_id)

    @extend_schema(request=PersonInput, responses=PersonShape)
    def patch(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """Name them, hide them, or choose the face that stands for them."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(PersonInput(data=request.data))
        people.find_person(library, person_id)
        with transaction.atomic():
            # Hidden first: who loses their name and has no face is forgotten, unless a user has hidden them.
            if "hidden" in given:
                people.hide(library, person_id, hidden=given["hidden"])
            if "coverFaceId" in given:
                people.choose_cover(library, person_id, given["coverFaceId"])
            if "name" in given:
                people.rename(library, person_id, given["name"])
        return answer(library, person_id)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """Nobody: their faces stay without a person, and no run makes one of them again."""
        library, _ = find_library(request, library_id, write=True)
        people.delete(library, person_id)
        return Response(status=204)


class PersonFiles(APIView):
    """Where somebody is to be seen."""

    @extend_schema(
        operation_id="libraries_people_files_list", parameters=[PersonFilesQuery], responses=FilePageShape
    )
    def get(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """A page of their live files, the newest first unless another order is asked for."""
        library, _ = find_library(request, library_id)
        given = checked(PersonFilesQuery(data=request.query_params))
        files = listing.files_of_person(library, people.find_person(library, person_id))
        limit = min(given["limit"], PAGE_LIMIT)
        return Response(page_of(request, library, files, given["order"], given.get("cursor"), limit))


class PersonFaces(APIView):
    """The faces of somebody."""

    @extend_schema(
        operation_id="libraries_people_faces_list", parameters=[PageQuery], responses=FacePageShape
    )
    def get(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """A page of them, the best first."""
        library, _ = find_library(request, library_id)
        given = checked(PageQuery(data=request.query_params))
        after = quality_of(given["cursor"]) if "cursor" in given else None
        faces = listing.faces_of_person(people.find_person(library, person_id), after)
        return Response(page_of_faces(faces, given["limit"], lambda row: repr(row.quality)))


def quality_of(cursor: str) -> tuple[float, UUID]:
    text, key = cursors.decode(cursor)
    try:
        return float(text), key
    except ValueError as error:
        raise cursors.refusal() from error


def page_of_faces(faces: Any, limit: int, sorted_by: Any) -> dict[str, Any]:
    """So many of these as they are told, and where the next page begins."""
    most = min(limit, PAGE_LIMIT)
    rows = list(faces[: most + 1])
    last = rows[most - 1] if len(rows) > most else None
    return {
        "entries": [described.face(row, row.file) for row in rows[:most]],
        "nextCursor": cursors.encode(sorted_by(last), last.pk) if last is not None else None,
    }


class MergePeople(APIView):
    """One out of several."""

    @extend_schema(request=MergeInput, responses=PersonShape)
    def post(self, request: Request, library_id: UUID) -> Response:
        """The first takes the others in, and keeps their name or borrows one. It can be undone for thirty days."""
        library, _ = find_library(request, library_id, write=True)
        target = people.merge(library, checked(MergeInput(data=request.data))["personIds"])
        return answer(library, target.pk)


class UndoMerge(APIView):
    """Several out of one."""

    @extend_schema(request=None, responses=PersonShape(many=True))
    def post(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """Those that were merged into this person last are back. The answer tells this person first, then them."""
        library, _ = find_library(request, library_id, write=True)
        restored = people.undo_merge(library, person_id)
        rows = listing.shown([person_id, *(one.pk for one in restored)])
        return Response([described.person(row) for row in rows])


class SplitPerson(APIView):
    """Two out of one."""

    @extend_schema(request=SplitFacesInput, responses={201: PersonShape})
    def post(self, request: Request, library_id: UUID, person_id: UUID) -> Response:
        """These faces of theirs are a new person. The two are not put together again by themselves."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(SplitFacesInput(data=request.data))
        made = deciding.split(library, person_id, given["faceIds"], given["name"])
        return answer(library, made.pk, status=201)


class MergeProposals(APIView):
    """People who may be one."""

    @extend_schema(operation_id="libraries_people_proposals_list", responses=MergeProposalShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """What the night has found and nobody has answered, the most alike first; at most 200."""
        library, _ = find_library(request, library_id)
        rows = list(proposals.open_merges(library)[:PAGE_LIMIT])
        keys = {key for row in rows for key in (row.first_id, row.second_id)}
        told = {row.pk: described.person(row) for row in listing.shown(list(keys))}
        return Response(
            [
                {
                    "id": str(row.pk),
                    "first": told[row.first_id],
                    "second": told[row.second_id],
                    "distance": row.distance,
                }
                for row in rows
                if row.first_id in told and row.second_id in told
            ]
        )


class AcceptMerge(APIView):
    """They are one."""

    @extend_schema(request=None, responses=PersonShape)
    def post(self, request: Request, library_id: UUID, proposal_id: UUID) -> Response:
        """Who has a name takes the other in, else who is seen more often."""
        library, _ = find_library(request, library_id, write=True)
        return answer(library, proposals.accept_merge(library, proposal_id).pk)


class DeclineMerge(APIView):
    """They are two."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, library_id: UUID, proposal_id: UUID) -> Response:
        """It is remembered and not asked again."""
        library, _ = find_library(request, library_id, write=True)
        proposals.decline_merge(library, proposal_id)
        return Response(status=204)


def answer(library: Library, key: UUID, *, status: int = 200) -> Response:
    """The person as they are now."""
    people.find_person(library, key)
    (row,) = listing.shown([key])
    return Response(described.person(row), status=status)
