"""Django system checks: wrong store settings stop the boot and name themselves."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from storage.base import BlobStore
from storage.local import LocalStore
from storage.registry import SETTING, build


@register("storage")
def check_stores(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every entry can be built, and no folder of a store lies in that of another."""
    messages: list[CheckMessage] = []
    built: list[BlobStore] = []
    for name, configured in getattr(settings, SETTING, {}).items():
        try:
            built.append(build(name, configured))
        except ImproperlyConfigured as error:
            messages.append(Error(str(error), hint=f"Correct {SETTING}['{name}'].", id="storage.E001"))
    return messages + _nested(built)


def _nested(built: list[BlobStore]) -> list[CheckMessage]:
    """A store inside another one would have its blobs taken for orphans of the outer one."""
    local = [store for store in built if isinstance(store, LocalStore)]
    return [
        Error(
            f"{SETTING}['{inner.name}'] keeps its files inside the folder of '{outer.name}' ({outer.root}).",
            hint="Give every store a folder of its own, side by side.",
            id="storage.E002",
        )
        for outer, inner in permutations(local, 2)
        if inner.root.is_relative_to(outer.root)
    ]
