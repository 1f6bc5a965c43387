"""Who am I, coming in, going out, and access tokens: /api/auth/ and /api/_auth/session."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import Http404
from django.middleware.csrf import get_token
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alcoves.accounts.models import AccessToken, User, fold_email
from alcoves.accounts.throttling import LoginThrottle
from media.api.parsing import JSONParser


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular registers by an untyped hook.
    """How the OpenAPI document calls our bearer tokens."""

    target_class = "alcoves.accounts.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # As above.
    """How it calls the cookie of a session."""

    target_class = "alcoves.accounts.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class UserShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    isStaff = serializers.BooleanField()  # noqa: N815  The names of the JSON.
    avatarUrl = serializers.CharField(allow_null=True)  # noqa: N815


class SessionShape(serializers.Serializer[Any]):
    user = UserShape(allow_null=True)


class LoginInput(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=1024, trim_whitespace=False)


class TokenShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    createdAt = serializers.DateTimeField()  # noqa: N815
    lastUsedAt = serializers.DateTimeField(allow_null=True)  # noqa: N815
    expiresAt = serializers.DateTimeField(allow_null=True)  # noqa: N815


class NewTokenShape(TokenShape):
    """The only time the secret is told."""

    token = serializers.CharField()


class TokenInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    expiresInDays = serializers.IntegerField(  # noqa: N815
        required=False, allow_null=True, min_value=1, max_value=3650, help_text="left out: never"
    )


class WrongPasswordError(APIException):
    """One answer for an unknown address and a wrong password, so that nobody learns who is here."""

    status_code = 401
    default_code = "wrong_password"
    default_detail = "This e-mail address and password do not belong together. Try again."


class LockedOutError(APIException):
    status_code = 429
    default_code = "locked_out"
    default_detail = "Too many wrong passwords. Wait a quarter of an hour and try again."


def described(user: Any) -> dict[str, Any]:
    return {
        "id": str(user.pk),
        "email": user.email,
        "name": user.name,
        "isStaff": user.is_staff,
        "avatarUrl": user.avatar_url,
    }


def described_token(token: AccessToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "createdAt": token.created_at,
        "lastUsedAt": token.last_used_at,
        "expiresAt": token.expires_at,
    }


class Session(APIView):
    """Whether somebody is logged in."""

    permission_classes = (AllowAny,)

    @extend_schema(operation_id="session", responses=SessionShape)
    def get(self, request: Request) -> Response:
        """The user, or null. Never 401; also sets the CSRF cookie for what comes next."""
        get_token(request._request)  # noqa: SLF001  The cookie is set on Django's own request.
        user = request.user
        return Response({"user": described(user) if user.is_authenticated else None})


class Me(APIView):
    """Yourself."""

    @extend_schema(operation_id="auth_me", responses=UserShape)
    def get(self, request: Request) -> Response:
        return Response(described(request.user))


class Login(APIView):
    """Come in with e-mail and password. JSON only: another site's form cannot send it."""

    permission_classes = (AllowAny,)
    authentication_classes = ()
    throttle_classes = (LoginThrottle,)
    parser_classes = (JSONParser,)

    @extend_schema(operation_id="auth_login", request=LoginInput, responses=SessionShape, auth=[])
    def post(self, request: Request) -> Response:
        given = LoginInput(data=request.data)
        given.is_valid(raise_exception=True)
        plain = request._request  # noqa: SLF001  Sessions and django-axes write on Django's own request.
        user = authenticate(
            plain,
            username=fold_email(given.validated_data["email"]),
            password=given.validated_data["password"],
        )
        if getattr(plain, "axes_locked_out", False):
            raise LockedOutError
        if user is None:
            raise WrongPasswordError
        login(plain, user)
        return Response({"user": described(user)})


class Logout(APIView):
    """End this session."""

    @extend_schema(operation_id="auth_logout", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        logout(request._request)  # noqa: SLF001  As above.
        return Response(status=204)


def tokens_of(request: Request) -> Any:
    user: Any = request.user
    return AccessToken.objects.filter(user=user)


class Tokens(APIView):
    """Access tokens that act for you."""

    @extend_schema(operation_id="auth_tokens_list", responses=TokenShape(many=True))
    def get(self, request: Request) -> Response:
        """Newest first. Secrets are never told again."""
        return Response([described_token(token) for token in tokens_of(request)])

    @extend_schema(operation_id="auth_tokens_create", request=TokenInput, responses={201: NewTokenShape})
    def post(self, request: Request) -> Response:
        """A new one. Keep its secret: it is shown this once."""
        given = TokenInput(data=request.data)
        given.is_valid(raise_exception=True)
        days = given.validated_data.get("expiresInDays")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        user: Any = request.user
        owner: User = user
        token, secret = AccessToken.issue(owner, given.validated_data["name"], expires_at)
        return Response({**described_token(token), "token": secret}, status=201)


class OneToken(APIView):
    """One access token."""

    @extend_schema(operation_id="auth_tokens_destroy", responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke it, at once."""
        gone, _ = tokens_of(request).filter(pk=token_id).delete()
        if not gone:
            raise Http404("You have no such access token.")
        return Response(status=204)
