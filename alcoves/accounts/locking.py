"""When wrong passwords lock an account for an address, and for how long: django-axes asks here."""

from datetime import timedelta
from typing import Any

from media import live


def failures(request: Any, credentials: Any = None) -> int:
    return int(live.value("LOGIN_FAILURES"))


def cooloff(request: Any = None) -> timedelta:
    return timedelta(minutes=live.value("LOGIN_COOLOFF_MINUTES"))
