"""The app of alerts."""

from importlib import import_module

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Rules, what is owed, and how it is sent."""

    name = "alcoves.alerts"
    label = "alerts"
    verbose_name = "Alerts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("alcoves.alerts.watching")
