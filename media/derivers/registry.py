"""Derivers by name, imported at first use. The table is the setting DERIVERS; nothing else lists them."""

from functools import cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from media.derivers.base import Deriver
from media.errors import InfrastructureError


@cache
def get_deriver(name: str) -> Deriver:
    """The deriver of this name. InfrastructureError where this build has none: another build made the row."""
    path = settings.DERIVERS.get(name)
    if path is None:
        raise InfrastructureError(
            f"This version of Alcoves has no deriver named {name}. Start workers of the version that has it.",
            code="deriver_unknown",
        )
    deriver: Deriver = import_string(path)()
    return deriver


def all_derivers() -> tuple[Deriver, ...]:
    return tuple(get_deriver(name) for name in settings.DERIVERS)


def hand_over(*, original: Any, twin: Any, **_: object) -> None:
    """Two originals turn out to be the same bytes (`media.models.original.merging`): all derivers are told."""
    for deriver in all_derivers():
        deriver.hand_over(original, twin)


def forget(*, setting: str, **_: object) -> None:
    if setting == "DERIVERS":
        get_deriver.cache_clear()


setting_changed.connect(forget)
