"""Reading settings that operators change while Alcoves runs. What they are: `alcoves.settings.live`."""

from typing import Any

from django.conf import settings


def value(name: str) -> Any:
    """What operators have set, else what the environment says, else the default."""
    return getattr(settings, name)
