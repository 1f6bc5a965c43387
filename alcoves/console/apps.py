"""The app of the console."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    """Pages for the people who run the server."""

    name = "alcoves.console"
    label = "console"
    verbose_name = "Console"
    default_auto_field = "django.db.models.BigAutoField"


class ConsoleAdminConfig(AdminConfig):
    """Django's admin with our site, which registers whatever `@admin.register` names."""

    default_site = "alcoves.console.site.ConsoleSite"
