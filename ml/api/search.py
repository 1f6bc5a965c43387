"""Search over all that the caller may see. The shape of the question is checked here, the rest is `ml.search`'s."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors, describing
from media.api.access import find_library, image_pass, user_of
from media.api.libraries import checked
from media.models import File, Folder
from ml.api.search_shapes import SearchQuery, SearchShape
from ml.search import finding
from ml.search.filters import Filters
from ml.search.finding import Asked, Found, Hit, Place, Reason
from ml.search.query import SHORTEST, parse

PAGE_LIMIT = 100
REST = "rest"
TOO_SHORT = f"Type at least {SHORTEST} characters of what you look for."


class Search(APIView):
    """Everything that is known of files, in one list."""

    @extend_schema(operation_id="search", parameters=[SearchQuery], responses=SearchShape)
    def get(self, request: Request) -> Response:
        """Files and folders that meet every word, wherever each word is met. Give nextCursor back as `cursor`."""
        given = checked(SearchQuery(data=request.query_params))
        if "library" in given:
            find_library(request, given["library"])
        asked = asked_for(request, given)
        found = finding.find(asked)
        return Response(
            {
                "entries": told(request, found),
                "total": found.total,
                "nextCursor": cursor_of(found.following),
                "facets": facets_of(found),
                "facetsOf": found.facets_of if found.facets is not None else None,
                "near": found.near,
                "meaning": found.meaning,
                "message": TOO_SHORT if asked.question.is_empty else None,
            }
        )


def asked_for(request: Request, given: dict[str, Any]) -> Asked:
    after = place_of(given["cursor"]) if "cursor" in given else None
    since, until = given.get("from"), given.get("to")
    return Asked(
        parse(given["q"], timezone.localdate()),
        user_of(request),
        given.get("library"),
        Filters(
            kind=given.get("type"),
            person=given.get("person"),
            label=given.get("label", ""),
            since=since[0] if since else None,
            until=until[1] if until else None,
            camera=given.get("camera", ""),
            tag=given.get("tag"),
            folder=given.get("folder"),
            stacks=given["stacks"],
        ),
        min(given["limit"], PAGE_LIMIT),
        after is None if given.get("facets") is None else given["facets"],
        after,
    )


def cursor_of(place: Place | None) -> str | None:
    if place is None:
        return None
    score = REST if place.rest else "" if place.score is None else repr(place.score)
    return cursors.encode(f"{place.rank} {place.at.isoformat()} {place.near:d} {score}", place.item)


def place_of(cursor: str) -> Place:
    """RequestError for anything that `cursor_of` has not made."""
    text, item = cursors.decode(cursor)
    try:
        rank, at, near, score = text.split(" ")
        if not 0 <= int(rank) < 2**31:
            raise ValueError("no place")
        known = float(score) if score not in ("", REST) else None
        return Place(int(rank), cursors.moment_of(at), item, near == "1", known, score == REST)
    except ValueError as error:
        raise cursors.refusal() from error


def told(request: Request, found: Found) -> list[dict[str, Any]]:
    """Three queries, and one more where folders are among them. What has gone meanwhile is left out."""
    files = find_files(request, [hit.item for hit in found.hits if not hit.folder])
    folders = find_folders([hit.item for hit in found.hits if hit.folder])
    return [
        told_hit(hit, files.get(hit.item), folders.get(hit.item))
        for hit in found.hits
        if hit.item in files or hit.item in folders
    ]


def find_files(request: Request, keys: list[UUID]) -> dict[UUID, dict[str, Any]]:
    """As lists of files tell them."""
    if not keys:
        return {}
    live = File.objects.live().filter(pk__in=keys, original__held_at=None)
    rows = describing.with_all(live).select_related("library")
    return {row.pk: describing.file(row, image_pass(request, row.library)) for row in rows}


def find_folders(keys: list[UUID]) -> dict[UUID, dict[str, Any]]:
    rows = Folder.objects.live().filter(pk__in=keys) if keys else ()
    return {row.pk: describing.folder(row) for row in rows}


def told_hit(hit: Hit, file: dict[str, Any] | None, folder: dict[str, Any] | None) -> dict[str, Any]:
    sources = dict.fromkeys(reason.source for reason in hit.reasons)
    return {
        "file": file,
        "folder": folder,
        "matchReason": "+".join(sources),
        "where": [told_reason(reason) for reason in hit.reasons],
        "second": hit.second,
    }


def told_reason(reason: Reason) -> dict[str, Any]:
    snippet = reason.snippet
    return {
        "source": reason.source,
        "text": snippet.text if snippet is not None else None,
        "ranges": [list(span) for span in snippet.ranges] if snippet is not None else [],
        "second": reason.second,
        "id": str(reason.key) if reason.key is not None else None,
    }


def facets_of(found: Found) -> dict[str, Any] | None:
    if found.facets is None:
        return None
    return {
        name: [{"value": one.value, "name": one.name, "count": one.count} for one in counts]
        for name, counts in found.facets.items()
    }
