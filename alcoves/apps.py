"""The project as an app: makes the Celery application current, so that flows publish to our broker."""

from importlib import import_module

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Assembly."""

    name = "alcoves"
    label = "alcoves"
    verbose_name = "Alcoves"

    def ready(self) -> None:
        import_module("alcoves.celery")
