"""GET /api/files/proxy/{library}/{file}/{name}: a picture of a file, in the size and format that the query says.

Permission comes first: a signed address of a viewer who was let in a moment ago, else session or token and the
membership. Everybody else gets the same 404. The front (alcoves.asgi_images) answers signed addresses of pictures that
are in the cache by the same functions: what it gives and what this view gives are equal, header by header.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import imagecache, imageproxy, passes
from media.api.derivatives import AsItIs
from media.api.later import LaterResponse, may_come_later, told_of
from media.api.seeing import Seen, find_seen
from media.errors import HeldError, RequestError
from media.imageproxy import Fresh, Pending
from media.images import recipes
from media.images.recipes import FORMATS, Recipe
from media.models import Membership
from media.models.cached_image import CACHE
from media.models.derivative import Status
from media.pictures import Picture
from media.serving import BytesMissingError, Served, finish, not_modified, serve

YEAR: Final = 365 * 24 * 3600
ENDED: Final = frozenset({Status.FAILED, Status.NOT_NEEDED})
"""Of a poster without outputs: asking again does not help."""
STRANGER: Final = "There is no such picture, or you are not a member of its library."
PARAMETERS: Final = [
    OpenApiParameter("width", int, description="1 to 4096; the picture fits inside and is never enlarged"),
    OpenApiParameter("height", int, description="1 to 4096"),
    OpenApiParameter("quality", int, description="1 to 100, 80 where it is left out"),
    OpenApiParameter("format", str, enum=[*FORMATS, "auto"], description="jpeg where it is left out"),
    OpenApiParameter("v", str, description="version of the picture; only the right one may be kept for ever"),
    OpenApiParameter("s", str, description="signature, as lists of files give it"),
]


class NoPictureError(RequestError):
    """There is nothing to see of this file."""

    code = "no_picture"
    http_status = 404


class ProxyImage(APIView):
    """Pictures in any size."""

    http_method_names = ["get", "head"]
    content_negotiation_class = AsItIs
    permission_classes = ()

    def perform_authentication(self, request: Request) -> None:
        """Only where the signature does not do."""

    @extend_schema(
        operation_id="files_proxy",
        parameters=PARAMETERS,
        responses={(200, recipes.CONTENT_TYPES[form]): OpenApiTypes.BINARY for form in FORMATS},
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID, filename: str) -> HttpResponseBase:
        """A picture, or the poster of a video, made when it is first asked for."""
        seen = seen_by(request, library_id, file_id)
        given = request.query_params
        recipe = recipes.parse(given.dict(), request.headers.get("Accept", ""))
        picture = picture_of(seen)
        about = described(
            picture.cache_key(recipe),
            recipe,
            version=picture.version,
            filename=filename,
            immutable=given.get("v") == picture.version,
            negotiated=given.get("format") == "auto",
        )
        return answer(request._request, picture, recipe, about)  # noqa: SLF001  Bytes are Django's business.

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """What went wrong may be right in a moment: no cache may keep it."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code >= 400:
            final["Cache-Control"] = "no-store"
            final.headers.setdefault("Vary", "Cookie, Authorization")
        return final


def seen_by(request: Request, library_id: UUID, file_id: UUID) -> Seen:
    """The file, also from the trash. One query, or Http404.

    A signed address needs no other; else there are those by which the session or the token is looked up.
    """
    signature = request.query_params.get("s", "")
    if passes.allows(claimed_viewer(request._request), library_id, signature):  # noqa: SLF001
        seen = find_seen(library_id, file_id)
    else:
        seen = find_seen(library_id, file_id, user_of(request).pk)
        if seen is not None:
            passes.note_epoch(library_id, seen.epoch)
    if seen is None:
        raise Http404(STRANGER)
    if seen.held:
        raise HeldError
    return seen


def claimed_viewer(request: HttpRequest) -> str | None:
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    return passes.claimed_viewer(session, request.headers.get("Authorization", ""))


def user_of(request: Request) -> Any:
    """Who has no session or token, or a wrong one, learns no more than a stranger."""
    try:
        user = request.user
    except APIException:
        raise Http404(STRANGER) from None
    if not user.is_authenticated:
        raise Http404(STRANGER)
    return user


def picture_of(seen: Seen) -> Picture:
    if seen.picture is not None:
        return seen.picture
    if seen.poster_status in ENDED:
        raise NoPictureError(
            "No poster could be made of this file. Its details say why; reprocess it there, or upload one."
        )
    if seen.kind == "video" or seen.poster_status is not None:
        raise NoPictureError(
            "The poster of this file is not made yet. Ask again in a moment.", code="poster_not_ready"
        )
    raise NoPictureError(
        "There is no picture of this file: it is neither an image nor a video, and it has no cover."
    )


def described(
    key: str, recipe: Recipe, *, version: str, filename: str, immutable: bool, negotiated: bool = False
) -> Served:
    """Everything that can be said of a picture before its bytes are there. Shared with the front."""
    return Served(
        key=key,
        size=0,
        content_type=recipe.content_type,
        name=f"{filename.rpartition('.')[0] or filename}.{recipe.format}",
        modified_at=None,
        store=CACHE,
        immutable=immutable,
        may_redirect=True,
        max_age=YEAR,
        tag=f"{version}-{recipe.text}",
        vary="Cookie, Authorization, Accept" if negotiated else "Cookie, Authorization",
    )


def answer(request: HttpRequest, picture: Picture, recipe: Recipe, about: Served) -> HttpResponseBase:
    """304 by the name of the picture alone; from the cache; or once it is made."""
    if not_modified(request, about):
        return finish(HttpResponse(status=304), about)
    told = told_of(request)
    if told is not None and told.key == about.key:
        return show(request, about, told.answer())
    found = imageproxy.find(picture, recipe)
    if found is not None:
        try:
            return show(request, about, found)
        except BytesMissingError:
            # Evicted in this very moment, or lost: the store is not asked again before it is made anew.
            imagecache.forget(found.key)
    return answer_cold(request, picture, recipe, about)


def answer_cold(request: HttpRequest, picture: Picture, recipe: Recipe, about: Served) -> HttpResponseBase:
    asked = imageproxy.ask(picture, recipe)
    if not isinstance(asked, Pending):
        return show(request, about, asked)
    if not may_come_later(request):
        return show(request, about, imageproxy.wait(asked))
    return LaterResponse(
        asked.future,
        seconds=asked.seconds,
        build=partial(build, request, about, asked.answer),
        give_up=asked.give_up,
    )


def build(
    request: HttpRequest, about: Served, outcome_of: Callable[[Any], Served | Fresh], outcome: Any
) -> HttpResponseBase:
    return show(request, about, outcome_of(outcome))


def show(request: HttpRequest, about: Served, found: Served | Fresh) -> HttpResponseBase:
    if isinstance(found, Served):
        blob = replace(about, key=found.key, size=found.size, modified_at=found.modified_at)
        return serve(request, blob)
    response = HttpResponse(b"" if request.method == "HEAD" else found.content)
    response["Content-Length"] = str(len(found.content))
    return finish(response, about)


class ProxyAccess(APIView):
    """For a web server in front of us that keeps pictures itself, and keeps this answer for a moment."""

    @extend_schema(exclude=True)
    def get(self, request: Request, library_id: UUID) -> Response:
        """204 for a member of the library, 403 for everybody else who is logged in."""
        user: Any = request.user
        allowed = Membership.objects.filter(library_id=library_id, user=user).exists()
        return Response(status=204 if allowed else 403)
