"""Stores by name, as Django has storages by name: settings.BLOB_STORES.

BLOB_STORES = {"files": {"BACKEND": "storage.local.LocalStore", "OPTIONS": {"root": "/srv/files", ...}}}
"""

import threading
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from storage.base import BlobStore
from storage.counting import counting
from storage.errors import StoreAccessError

SETTING = "BLOB_STORES"


class StoreHandler:
    """Makes each store once per process, when it is first asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: dict[str, BlobStore] = {}

    def __getitem__(self, name: str) -> BlobStore:
        with self._lock:
            if name not in self._stores:
                self._stores[name] = build(name, self._configured(name))
            return self._stores[name]

    def names(self) -> list[str]:
        return list(getattr(settings, SETTING, {}))

    def reset(self) -> None:
        """Forgets all stores and closes their connections."""
        with self._lock:
            stores, self._stores = list(self._stores.values()), {}
        for store in stores:
            close = getattr(store, "close", None)
            if close is not None:
                close()

    def _configured(self, name: str) -> dict[str, Any]:
        configured = getattr(settings, SETTING, {})
        if name not in configured:
            known = ", ".join(configured) or "none"
            raise StoreAccessError(f"No blob store is named {name}; {SETTING} has: {known}.")
        return cast("dict[str, Any]", configured[name])


def build(name: str, configured: dict[str, Any]) -> BlobStore:
    """A store from its entry in the settings; ImproperlyConfigured names the entry that is wrong."""
    try:
        backend = import_string(configured["BACKEND"])
    except KeyError:
        raise ImproperlyConfigured(f"{SETTING}['{name}'] has no BACKEND; name a class of storage.") from None
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{SETTING}['{name}']['BACKEND'] cannot be imported ({error}); name a class of storage."
        ) from error
    try:
        return cast("BlobStore", counting(backend)(name, **configured.get("OPTIONS", {})))
    except (TypeError, ValueError) as error:
        reason = str(error).partition("__init__() ")[2] or str(error)
        raise ImproperlyConfigured(f"{SETTING}['{name}']['OPTIONS']: {reason}.") from error


stores = StoreHandler()


def get_store(name: str) -> BlobStore:
    """The store of this name; StoreAccessError when the settings have none."""
    return stores[name]


def store_names() -> list[str]:
    """All names, in the order of the settings."""
    return stores.names()


def reset() -> None:
    """For tests, and for a process that has changed its settings."""
    stores.reset()


def _on_setting_changed(*, setting: str, **_: Any) -> None:
    if setting == SETTING:
        reset()


setting_changed.connect(_on_setting_changed, dispatch_uid="storage.registry")
