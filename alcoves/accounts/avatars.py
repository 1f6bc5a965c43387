"""Pictures of people: taken in by a form, made into a small square at once, shown to those who share a library.

Each picture has a new key, registered before its first byte is written. The user's row names the newest one; what
it named before is swept a little later, when nobody reads it any more.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import Http404, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alcoves.accounts.models import User
from media import blobs
from media.api.access import user_of
from media.api.bodies import LeaveBodyParser
from media.api.derivatives import AsItIs
from media.api.picture_forms import Expected, read_form
from media.images import avatars, uploaded
from media.models import UnnamedBlob, uuid7
from media.serving import Served, serve
from storage.errors import BlobNotFoundError
from storage.registry import get_store

AVATARS = "avatars"
LARGEST = 8 * 1024 * 1024
"""Bytes of the picture that is uploaded."""
CACHE = "private, max-age=300"
PICTURE_OF_ONESELF = Expected(
    frozenset({"file", "avatar"}),
    LARGEST,
    "A picture of yourself may have 8 MiB at most. Choose a smaller one.",
)


def replace(user_id: UUID, content: bytes) -> None:
    """Make the square, store it, name it. Of two at the same moment the later one stays; nothing of the other does."""
    made = make(content)
    key = f"{user_id}/{uuid7()}.webp"
    # What breaks on the way leaves this entry, and the sweeper finds what there is.
    UnnamedBlob.objects.register([key], due=blobs.WRITING, store=AVATARS)
    get_store(AVATARS).put(key, [made], content_type=avatars.CONTENT_TYPE, size=len(made))
    with transaction.atomic():
        blobs.name([key])
        rename(user_id, key, size=len(made), sha256=hashlib.sha256(made).hexdigest())


def make(content: bytes) -> bytes:
    """RequestError for what is no picture, TransientError where others are taking too long."""
    scratch = Path(settings.SCRATCH_PATH)
    scratch.mkdir(parents=True, mode=0o700, exist_ok=True)
    with uploaded.in_turn() as limits:
        return avatars.normalise(content, scratch, limits)


def rename(user_id: UUID, key: str, *, size: int | None = None, sha256: str = "") -> None:
    """In a transaction: the row names this key from now on, and the one before is for the sweeper."""
    user = User.objects.select_for_update().only("avatar_key").filter(pk=user_id).first()
    if user is None:
        raise Http404("This account is gone.")
    if user.avatar_key:
        UnnamedBlob.objects.retire([user.avatar_key], store=AVATARS)
    User.objects.filter(pk=user_id).update(avatar_key=key, avatar_size=size, avatar_sha256=sha256)


def remove(user_id: UUID) -> None:
    with transaction.atomic():
        rename(user_id, "")


def learn(key: str, size: int, sha256: str) -> None:
    """What was read of a picture whose row does not know its bytes yet: it is of a time when that was not kept."""
    unknown = User.objects.filter(avatar_key=key, avatar_sha256="")
    unknown.update(avatar_size=size, avatar_sha256=sha256)


def find_named(keys: Iterable[str]) -> set[str]:
    wanted = set(keys)
    if not wanted:
        return set()
    return set(User.objects.filter(avatar_key__in=wanted).values_list("avatar_key", flat=True))


def find_unnamed(keys: Iterable[str]) -> set[str]:
    """Those that neither a person nor the register knows, in one query: a key goes from one to the other at once."""
    wanted = set(keys)
    entered = UnnamedBlob.objects.filter(store=AVATARS, key__in=wanted).values_list("key", flat=True)
    worn = User.objects.filter(avatar_key__in=wanted).values_list("avatar_key", flat=True)
    return wanted.difference(entered.union(worn, all=True))


def drop_with_user(sender: Any, instance: User, **given: Any) -> None:
    """pre_delete of a user, in the transaction that deletes the row: its picture goes with it."""
    remove(instance.pk)


def find_key(viewer: Any, user_id: UUID) -> str:
    """For yourself and for whoever shares a library with you. 404 for everybody else and where there is no picture."""
    shared = Q(memberships__library__memberships__user=viewer)
    seen = User.objects.filter(Q(pk=viewer.pk) | shared, pk=user_id).exclude(avatar_key="")
    key: str | None = seen.values_list("avatar_key", flat=True).first()
    if key is None:
        raise Http404("There is no such picture, or it is not for you.")
    return key


def answer(request: Request, user_id: UUID) -> HttpResponseBase:
    key = find_key(request.user, user_id)
    try:
        stat = get_store(AVATARS).stat(key)
    except BlobNotFoundError as error:
        raise Http404("The bytes of this picture are missing. Upload it again.") from error
    served = Served(
        key=key,
        size=stat.size,
        content_type=avatars.CONTENT_TYPE,
        name="avatar.webp",
        modified_at=stat.modified_at,
        store=AVATARS,
    )
    response = serve(request._request, served)  # noqa: SLF001  Conditions are read from Django's own request.
    response["Cache-Control"] = CACHE
    return response


class AvatarShape(serializers.Serializer[Any]):
    avatarUrl = serializers.CharField(allow_null=True)  # noqa: N815  The names of the JSON.


PICTURE = {(200, avatars.CONTENT_TYPE): OpenApiTypes.BINARY}


class MyAvatar(APIView):
    """The picture of yourself."""

    parser_classes = (LeaveBodyParser,)
    content_negotiation_class = AsItIs

    @extend_schema(operation_id="auth_me_avatar", responses=PICTURE)
    def get(self, request: Request) -> HttpResponseBase:
        """A square of 512 pixels at most, as WebP."""
        return answer(request, user_of(request).pk)

    @extend_schema(
        operation_id="auth_me_avatar_replace",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
        responses={200: AvatarShape},
    )
    def post(self, request: Request) -> Response:
        """A form with one picture of up to 8 MiB, in the part `file`: its middle is kept, as a square."""
        user = user_of(request)
        replace(user.pk, read_form(request, PICTURE_OF_ONESELF))
        user.refresh_from_db(fields=["avatar_key"])
        return Response({"avatarUrl": user.avatar_url})

    @extend_schema(operation_id="auth_me_avatar_destroy", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Have none."""
        remove(user_of(request).pk)
        return Response(status=204)


class OneAvatar(APIView):
    """The picture of somebody."""

    content_negotiation_class = AsItIs

    @extend_schema(operation_id="auth_users_avatar", responses=PICTURE)
    def get(self, request: Request, user_id: UUID) -> HttpResponseBase:
        """Of yourself and of people who share a library with you."""
        return answer(request, user_id)
