"""Bearer tokens on every API route."""

from datetime import timedelta

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from alcoves.accounts.models import AccessToken, User

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
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
