"""The app of alerts."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Rules, what is owed, and how it is sent."""

    name = "alcoves.alerts"
    label = "alerts"
    verbose_name = "Alerts"
    default_auto_field = "django.db.models.BigAutoField"
