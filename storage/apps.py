"""Registers the system checks of the stores. There are no models here."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Put `storage` into INSTALLED_APPS."""

    name = "storage"

    def ready(self) -> None:
        from storage import checks  # noqa: F401 - importing registers them, and needs loaded settings.
