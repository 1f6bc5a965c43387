"""The audit log: who did what to how many, and whether by the console, the API, a command or the engine itself."""

from django.conf import settings
from django.db import models

from media.models.base import Row


class Via(models.TextChoices):
    """The door an act came through."""

    CONSOLE = "console"
    API = "api"
    COMMAND = "command"
    SYSTEM = "system"


class AuditEntry(Row):
    """One act. Written in the transaction of what it tells, never changed, kept when its actor or target is gone."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_name = models.CharField(max_length=254, blank=True, help_text="as it was then")
    via = models.CharField(max_length=16, choices=Via.choices)
    action = models.CharField(max_length=64, help_text="like files.purge")
    target_type = models.CharField(max_length=64, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_name = models.CharField(max_length=255, blank=True)
    count = models.PositiveIntegerField(default=1, help_text="how many it was done to")
    text = models.TextField(help_text="a sentence")
    detail = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            models.Index(fields=["via", "-id"], name="audit_by_via"),
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["target_type", "target_id", "-id"], name="audit_by_target"),
        )

    def __str__(self) -> str:
        return f"{self.action}: {self.text}"
