"""What staff may do that belongs to no table: each is a permission, given to roles by `alcoves.accounts.roles`."""

from django.db import models


class Console(models.Model):
    """No table: only the permissions of the console's own pages and actions."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = (
            ("see_dashboard", "Can see the dashboard"),
            ("see_operations", "Can look at queues, workers, upkeep, models, alerts, backups and the doctor"),
            ("see_flower", "Can look into Flower"),
            ("see_history", "Can see attempts, with what programs said"),
            ("control_queues", "Can pause, resume and resize queues and lanes, and drain workers"),
            ("run_tasks", "Can start upkeep by hand"),
            ("quarantine_files", "Can set files aside and release them"),
            ("change_settings", "Can change settings at run time"),
            ("choose_models", "Can choose, download and delete models"),
            ("manage_backups", "Can make backups and verify blobs"),
            ("restore_backups", "Can restore a backup over this installation"),
            ("see_audit", "Can see the audit log"),
            ("read_transcripts", "Can read what is said in films and recordings"),
            ("send_alerts", "Can test alerts and send mail again"),
        )

    def __str__(self) -> str:
        return "console"
