"""How often one address may try to come in, by whatever door. Redis counts; when it is away nobody is kept out."""

import logging
import math
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

logger = logging.getLogger(__name__)


class LoginThrottle(AnonRateThrottle):
    """Thirty tries a minute for an address, at all doors together. django-axes counts wrong passwords apart."""

    scope = "login"
    rate = "30/min"

    def allow_request(self, request: Request, view: APIView | None) -> bool:
        try:
            return bool(super().allow_request(request, view))  # type: ignore[arg-type]  # It asks no view.
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


def seconds_to_wait(request: HttpRequest) -> int:
    """Count a try at a plain page; 0 when it may go on. The counter is that of the API."""
    throttle = LoginThrottle()
    plain: Any = request  # The throttle reads nothing but what both kinds of request have.
    if throttle.allow_request(plain, None):
        return 0
    return max(1, math.ceil(throttle.wait() or 0))
