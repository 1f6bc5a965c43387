"""An upload under way: tus or presigned. Its state is here and in the store, so any web process can go on."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from media.models.base import Row
from media.models.file import File
from media.models.folder import Folder
from media.models.library import Library


class UploadKind(models.TextChoices):
    """How the bytes come."""

    TUS = "tus"
    TUS_PARTIAL = "tus-partial", "tus partial"
    TUS_FINAL = "tus-final", "tus concatenation"
    PRESIGNED = "presigned"


class Upload(Row):
    """`assembly` is the store's own state of the growing blob. `offset` never exceeds `length`."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="uploads")
    folder = models.ForeignKey(Folder, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    kind = models.CharField(max_length=16, choices=UploadKind.choices)
    name = models.CharField(max_length=255, blank=True, default="")
    metadata = models.TextField(blank=True, default="", help_text="the Upload-Metadata header as it came")
    client_modified_at = models.DateTimeField(null=True, blank=True)
    declared_type = models.CharField(max_length=127, blank=True, default="")
    declared_sha256 = models.CharField(max_length=64, blank=True, default="")
    length = models.BigIntegerField(null=True, blank=True, help_text="null while the client defers it")
    offset = models.BigIntegerField(default=0)
    key = models.CharField(max_length=512, blank=True, default="")
    assembly = models.JSONField(default=dict, blank=True)
    parts = models.JSONField(
        default=list, blank=True, help_text="ids of the partial uploads of a concatenation"
    )
    lock_token = models.UUIDField(null=True, blank=True)
    locked_until = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    file = models.ForeignKey(File, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(offset__gte=0), name="upload_offset_not_negative"),
            models.CheckConstraint(
                condition=Q(length__isnull=True) | Q(offset__lte=F("length")),
                name="upload_never_longer_than_declared",
            ),
        )
        indexes = (
            models.Index(fields=["expires_at"], name="upload_expiry"),
            models.Index(fields=["user", "-created_at"], name="upload_by_user"),
            models.Index(fields=["kind", "-id"], name="upload_list_by_kind"),
            models.Index(fields=["library", "-id"], name="upload_list_by_library"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.offset}/{self.length}"
