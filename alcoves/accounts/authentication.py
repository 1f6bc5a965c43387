"""Who asks, on every API route: by a bearer token or by the session. Whoever is let in is remembered for a minute."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.authentication import (
    BaseAuthentication,
    get_authorization_header,
)
from rest_framework.authentication import SessionAuthentication as PlainSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from alcoves.accounts.models import AccessToken, User
from media import passes

NOTE_USE_EVERY = timedelta(minutes=1)


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer alc_...`. One query; the time of use is written once a minute at most."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        parts = get_authorization_header(request).split()
        if not parts or parts[0].lower() != b"bearer":
            return None
        if len(parts) != 2:
            raise AuthenticationFailed("Send the token as: Authorization: Bearer TOKEN")
        token = AccessToken.find(parts[1].decode("ascii", errors="replace"))
        if token is None:
            raise AuthenticationFailed("This access token is unknown, expired or revoked. Make a new one.")
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > NOTE_USE_EVERY:
            AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
        left = (token.expires_at - now).total_seconds() if token.expires_at else passes.REMEMBERED_SECONDS
        passes.note_viewer(passes.viewer_of_token(token.digest), token.user_id, left)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(PlainSessionAuthentication):
    """The session of a browser, with Django's own checks."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        session = getattr(request._request, "session", None)  # noqa: SLF001  A view may be called without middleware.
        if found is not None and session is not None and session.session_key:
            passes.note_viewer(passes.viewer_of_session(session.session_key), found[0].pk)
        return found
