"""How often one address may try to come in. Redis counts; when it is away nobody is kept out for that."""

import logging

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class LoginThrottle(AnonRateThrottle):
    """Thirty tries a minute for an address. Wrong passwords of one account are counted apart, by django-axes."""

    scope = "login"
    rate = "30/min"

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            return bool(super().allow_request(request, view))
        except RedisError as error:
            logger.warning("tries to log in are not counted: Redis is away (%s)", error)
            return True

    def get_ident(self, request: Request) -> str:
        """The client's address. X-Forwarded-For counts only behind our proxy: else anybody could invent one."""
        forwarded = (
            request.META.get("HTTP_X_FORWARDED_FOR", "")
            if getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
            else ""
        )
        return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))
