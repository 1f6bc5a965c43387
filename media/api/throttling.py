"""How often one address may try something that can be guessed. Redis counts; when it is away nobody is kept out."""

import logging

from django.conf import settings
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class AddressThrottle(AnonRateThrottle):
    """Counts tries of one client's address. Kinds of it say their `scope` and `rate`."""

    def allow_request(self, request: Request, view: APIView | None) -> bool:
        try:
            return bool(super().allow_request(request, view))  # type: ignore[arg-type]  # It asks no view.
        except RedisError as error:
            logger.warning("tries of %s are not counted: Redis is away (%s)", self.scope, error)
            return True

    def get_ident(self, request: Request) -> str:
        """The client's address. X-Forwarded-For counts only behind our proxy: else anybody could invent one."""
        forwarded = (
            request.META.get("HTTP_X_FORWARDED_FOR", "")
            if getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
            else ""
        )
        return forwarded.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR", ""))
