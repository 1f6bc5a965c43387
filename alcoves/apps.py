"""The project as an app: makes the Celery application current, so that flows publish to our broker."""

from importlib import import_module
from urllib.parse import unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from alcoves import logs, queries


class ProjectConfig(AppConfig):
    """Assembly."""

    name = "alcoves"
    label = "alcoves"
    verbose_name = "Alcoves"

    def ready(self) -> None:
        import_module("alcoves.celery")
        queries.start()
        for secret in secrets():
            logs.hide(secret)


def secrets() -> list[str]:
    """The key of the settings, which some programs do without, and the passwords of the servers."""
    try:
        key = [settings.SECRET_KEY]
    except ImproperlyConfigured:
        key = []
    found = [str(one.get("PASSWORD") or "") for one in settings.DATABASES.values()]
    return [*key, *found, unquote(urlsplit(settings.REDIS_URL).password or "")]
