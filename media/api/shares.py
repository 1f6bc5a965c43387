"""Links to moments: members make and end them; whoever holds one sees the clip, and nothing else."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import moments, shares
from media.api.access import user_of
from media.api.derivatives import AsItIs
from media.api.libraries import checked
from media.api.moments import find_moment
from media.api.throttling import AddressThrottle
from media.errors import ConflictError
from media.models import Moment, MomentShare
from media.serving import Served, serve

PASSWORD_LIMIT = 128


class ShareInput(serializers.Serializer[Any]):
    """How a new link is to be."""

    expiresAt = serializers.DateTimeField(required=False, allow_null=True, source="expires_at")
    password = serializers.CharField(
        required=False, allow_blank=True, max_length=PASSWORD_LIMIT, min_length=4, trim_whitespace=False
    )


class UnlockInput(serializers.Serializer[Any]):
    """What the one who sent the link has told."""

    password = serializers.CharField(max_length=PASSWORD_LIMIT, trim_whitespace=False)


class ShareShape(serializers.Serializer[Any]):
    """A link as the members see it."""

    token = serializers.CharField()
    url = serializers.URLField()
    expiresAt = serializers.DateTimeField(allow_null=True)
    hasPassword = serializers.BooleanField()
    views = serializers.IntegerField()
    lastViewedAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()


class SharedShape(serializers.Serializer[Any]):
    """What everybody with the link may know. All but `locked` is null until the password was given."""

    locked = serializers.BooleanField()
    name = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=("video", "audio"), allow_null=True)
    status = serializers.ChoiceField(choices=("ready", "processing", "failed"), allow_null=True)
    duration = serializers.FloatField(allow_null=True)
    mimeType = serializers.CharField(allow_null=True)
    videoUrl = serializers.CharField(allow_null=True)
    thumbnailUrl = serializers.CharField(allow_null=True)


def public_address(share: MomentShare) -> str:
    return f"{settings.PUBLIC_URL}/s/{shares.token_of(share)}"


def as_json(share: MomentShare) -> dict[str, Any]:
    return {
        "token": shares.token_of(share),
        "url": public_address(share),
        "expiresAt": share.expires_at,
        "hasPassword": bool(share.password),
        "views": share.views,
        "lastViewedAt": share.last_viewed_at,
        "createdAt": share.created_at,
    }


class MomentShares(APIView):
    """The links of one moment."""

    @extend_schema(operation_id="moment_shares_list", responses=ShareShape(many=True))
    def get(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Those that are good, the newest first. A link is as good as a key, so only who may write sees them."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        good = MomentShare.objects.good().filter(moment=moment)
        return Response([as_json(share) for share in good.order_by("-created_at", "-id")])

    @extend_schema(operation_id="moment_shares_create", request=ShareInput, responses={201: ShareShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID) -> Response:
        """Make a link; the clip is exported where it is not yet. 409 where the library does not share."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        given = checked(ShareInput(data=request.data))
        with transaction.atomic():
            share = shares.create_share(moment, user_of(request), **given)
            moments.request_export(moment)
        return Response(as_json(share), status=201)


class OneMomentShare(APIView):
    """One link of a moment."""

    @extend_schema(operation_id="moment_shares_revoke", responses={204: None})
    def delete(
        self, request: Request, library_id: UUID, file_id: UUID, moment_id: UUID, token: str
    ) -> Response:
        """End it, at once and for good."""
        moment = find_moment(request, library_id, file_id, moment_id, write=True)
        key = shares.key_of(token)
        share = key and MomentShare.objects.filter(moment=moment, pk=key, revoked_at=None).first()
        if not share:
            raise Http404("There is no such link of this moment.")
        shares.revoke(share)
        return Response(status=204)


class ShareThrottle(AddressThrottle):
    """Wrong passwords, and guesses at tokens: ten a minute for an address."""

    scope = "share-password"
    rate = "10/min"


class OneShareThrottle(AddressThrottle):
    """The same for one link, wherever the tries come from."""

    scope = "share-password-of-one"
    rate = "60/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        found: str = self.cache_format % {"scope": self.scope, "ident": view.kwargs["token"][:64]}
        return found


def throttled(request: Any, token: str) -> int:
    """Seconds to wait at the page; 0 when this try may go on. Counts as the API does."""
    view: Any = SimpleNamespace(kwargs={"token": token})
    throttles = [kind() for kind in Unlock.throttle_classes]
    waits = [round(one.wait() or 60) for one in throttles if not one.allow_request(request, view)]
    return max([1, *waits]) if waits else 0


class PublicView(APIView):
    """Whoever holds the link. Sessions mean nothing here."""

    authentication_classes: Any = []
    permission_classes = [AllowAny]

    def finalize_response(self, request: Request, response: Any, *args: Any, **options: Any) -> Any:
        """Links are for those they were sent to, not for search engines or caches on the way."""
        answer = super().finalize_response(request, response, *args, **options)
        answer["X-Robots-Tag"] = "noindex, nofollow"
        answer["Referrer-Policy"] = "no-referrer"
        answer.setdefault("Cache-Control", "private, no-store")
        return answer


def opened(request: Request, token: str) -> MomentShare:
    """404 for links that are not good, 401 until the password was given."""
    share = shares.find_share(token)
    shares.require_open(share, request.COOKIES.get(shares.cookie_name(share)))
    return share


class Shared(PublicView):
    """What a link shows."""

    @extend_schema(operation_id="share_retrieve", responses=SharedShape, auth=[])
    def get(self, request: Request, token: str) -> Response:
        """Name, state and addresses of the clip. Counts as a view."""
        share = shares.find_share(token)
        locked = not shares.is_open(share, request.COOKIES.get(shares.cookie_name(share)))
        if not locked:
            shares.count_view(share)
        return Response(describe(share, locked=locked))


class Unlock(PublicView):
    """The door of a protected link."""

    throttle_classes = [ShareThrottle, OneShareThrottle]

    @extend_schema(operation_id="share_unlock", request=UnlockInput, responses={204: None}, auth=[])
    def post(self, request: Request, token: str) -> Response:
        """Give the password; a cookie opens the link for some hours."""
        share = shares.find_share(token)
        value = shares.unlock(share, checked(UnlockInput(data=request.data))["password"])
        response = Response(status=204)
        let_in(response, share, value)
        return response


def let_in(response: Any, share: MomentShare, value: str) -> None:
    response.set_cookie(
        shares.cookie_name(share),
        value,
        max_age=shares.open_seconds(),
        httponly=True,
        samesite="Lax",
        secure=settings.SECURE_COOKIES,
    )


class SharedVideo(PublicView):
    """The clip."""

    content_negotiation_class = AsItIs

    @extend_schema(operation_id="share_video", responses={(200, "video/mp4"): OpenApiTypes.BINARY}, auth=[])
    def get(self, request: Request, token: str) -> HttpResponseBase:
        """With ranges. While a new export is made the last one is shown. 409 until there is a first one."""
        moment = opened(request, token).moment
        clip = moments.find_clip(moments.find_export(moment))
        if clip is None:
            raise ConflictError("The clip is still being made. Try again in a moment.", code="not_ready")
        return serve(request._request, served(moment, clip))  # noqa: SLF001


class SharedThumbnail(PublicView):
    """The picture of the clip."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="share_thumbnail", responses={(200, "image/webp"): OpenApiTypes.BINARY}, auth=[]
    )
    def get(self, request: Request, token: str) -> HttpResponseBase:
        """A frame of the clip itself."""
        moment = opened(request, token).moment
        row = moments.find_export(moment)
        output = row.output(moments.POSTER) if row is not None else None
        if output is None:
            raise Http404("This clip has no picture.")
        return serve(request._request, served(moment, output))  # noqa: SLF001


def served(moment: Moment, output: dict[str, Any]) -> Served:
    """Streamed by us, never by a link of the bucket, which would be good for longer than the share."""
    extension = output["name"].rpartition(".")[2]
    return Served(
        key=output["key"],
        size=output["size"],
        content_type=output["content_type"],
        name=f"{moment.name}.{extension}",
        modified_at=None,
        sha256=output.get("sha256"),
        vary="Cookie",
    )


def describe(share: MomentShare, *, locked: bool) -> dict[str, Any]:
    """Nothing of the moment is told while the link is locked."""
    if locked:
        return dict.fromkeys(SharedShape().fields) | {"locked": True}
    moment, token = share.moment, shares.token_of(share)
    row = moments.find_export(moment)
    clip = moments.find_clip(row)
    picture = row.output(moments.POSTER) if row is not None else None
    return {
        "locked": False,
        "name": moment.name,
        "description": moment.description,
        "kind": moment.file.original.kind,
        "status": state_of(row, clip),
        "duration": row.facts.get("duration")
        if row is not None and clip
        else float(moment.end - moment.start),
        "mimeType": clip["content_type"] if clip else None,
        "videoUrl": reverse("api:share-video", args=(token,)) if clip else None,
        "thumbnailUrl": reverse("api:share-thumbnail", args=(token,)) if picture else None,
    }


def state_of(row: Any, clip: dict[str, Any] | None) -> str:
    if clip is not None:
        return "ready"
    return "failed" if row is not None and row.status == "failed" else "processing"
