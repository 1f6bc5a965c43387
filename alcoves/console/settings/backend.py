"""What django-constance asks: its table in Postgres, read as everything of ours reads it."""

from collections.abc import Iterable
from typing import Any

from constance.backends.database import DatabaseBackend
from django.conf import settings

from alcoves.console.settings import changing
from media import audit, live


class LiveBackend(DatabaseBackend):  # type: ignore[misc]  # It has no types.
    """Never says that there is nothing, on which constance would write the default; writes by the one flow."""

    def get(self, key: str) -> Any:
        return live.value(key)

    def mget(self, keys: Iterable[str]) -> dict[str, Any]:
        return {key: live.value(key) for key in keys if key in settings.LIVE_SETTINGS}

    def set(self, key: str, value: Any) -> None:
        changing.change({key: value}, by=audit.SYSTEM)
