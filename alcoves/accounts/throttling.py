"""How often one address may try to come in, by whatever door."""

import math
from typing import Any

from django.http import HttpRequest

from media.api.throttling import AddressThrottle


class LoginThrottle(AddressThrottle):
    """Thirty tries a minute for an address, at all doors together. django-axes counts wrong passwords apart."""

    scope = "login"
    rate = "30/min"


def seconds_to_wait(request: HttpRequest) -> int:
    """Count a try at a plain page; 0 when it may go on. The counter is that of the API."""
    throttle = LoginThrottle()
    plain: Any = request  # The throttle reads nothing but what both kinds of request have.
    if throttle.allow_request(plain, None):
        return 0
    return max(1, math.ceil(throttle.wait() or 0))
