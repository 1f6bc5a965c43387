"""The app of backup."""

from pathlib import Path

from django.apps import AppConfig


class BackupConfig(AppConfig):
    """Sets of backups and what became of them."""

    name = "alcoves.backup"
    label = "backup"
    verbose_name = "Backups"
    default_auto_field = "django.db.models.BigAutoField"

    def folders_of_targets(self) -> dict[str, Path]:
        """For the alerts, which stand beside us and know us by name only."""
        from alcoves.backup import targets

        return targets.folders()

    def trouble_of_target(self) -> str:
        """As above."""
        from alcoves.backup import targets
        from media import live

        return targets.why_not(str(live.value("BACKUP_TARGET")))
