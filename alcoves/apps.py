"""The project as an app: makes the Celery application current, so that flows publish to our broker."""

from importlib import import_module
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings

from alcoves import logs, queries


class ProjectConfig(AppConfig):
    """Assembly."""

    name = "alcoves"
    label = "alcoves"
    verbose_name = "Alcoves"

    def ready(self) -> None:
        import_module("alcoves.celery")
        queries.start()
        for secret in (settings.SECRET_KEY, *passwords()):
            logs.hide(secret)


def passwords() -> list[str]:
    """Those of the servers, however their addresses were given."""
    found = [str(one.get("PASSWORD") or "") for one in settings.DATABASES.values()]
    return [*found, unquote(urlsplit(settings.REDIS_URL).password or "")]
