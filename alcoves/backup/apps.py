"""The app of backup."""

from django.apps import AppConfig


class BackupConfig(AppConfig):
    """Sets of backups and what became of them."""

    name = "alcoves.backup"
    label = "backup"
    verbose_name = "Backups"
    default_auto_field = "django.db.models.BigAutoField"
