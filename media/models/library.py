"""A library: a set of media with members and switches. Everything below it belongs to exactly one."""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from media.models.base import Row

if TYPE_CHECKING:
    from django_stubs_ext.db.models.manager import RelatedManager

FIELD_OF = {
    "faces": "faces",
    "objects": "objects_on",
    "audio_events": "audio_events",
    "transcripts": "transcripts",
    "semantic": "semantic",
    "sharing": "sharing",
}
"""The field of each switch: `objects` is what Django calls its manager."""
SWITCHES = tuple(FIELD_OF)


class LibraryQuerySet(models.QuerySet["Library"]):
    """Reads of libraries."""

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Those the user is a member of. Nobody, staff included, sees another's library by rank."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(memberships__user=user)


class Library(Row):
    """`quota_bytes` limits the sum of its originals; None is unlimited."""

    name = models.CharField(max_length=200)
    emoji = models.CharField(max_length=16, blank=True)
    faces = models.BooleanField(default=False)
    objects_on = models.BooleanField("objects", default=False, db_column="objects")
    audio_events = models.BooleanField(default=False)
    transcripts = models.BooleanField(default=False)
    semantic = models.BooleanField(default=False, help_text="search by what pictures mean")
    sharing = models.BooleanField(default=False)
    quota_bytes = models.BigIntegerField(null=True, blank=True)
    membership_epoch = models.PositiveIntegerField(default=1)

    objects: ClassVar[Any] = LibraryQuerySet.as_manager()

    if TYPE_CHECKING:
        memberships: RelatedManager["Membership"]
        switchings: RelatedManager["Switching"]

    class Meta:
        verbose_name_plural = "libraries"
        ordering = ("name", "id")
        constraints = (
            models.CheckConstraint(condition=~Q(name=""), name="library_has_a_name"),
            models.CheckConstraint(
                condition=Q(quota_bytes__isnull=True) | Q(quota_bytes__gte=0),
                name="library_quota_not_negative",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def switches(self) -> frozenset[str]:
        """The switches that are on, by their names in SWITCHES."""
        return frozenset(name for name, field in FIELD_OF.items() if getattr(self, field))


class Switching(Row):
    """A switch that was turned, and how far the library has followed; the row goes when it has. `media.switching`."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="switchings")
    switch = models.CharField(max_length=16)
    on = models.BooleanField()
    after = models.UUIDField(null=True, blank=True, help_text="the original up to which it has followed")
    done = models.PositiveIntegerField(default=0, help_text="originals")
    total = models.PositiveIntegerField(default=0, help_text="originals, when it was turned")

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        ordering = ("switch",)
        constraints = (
            models.UniqueConstraint(fields=["library", "switch"], name="switching_once_at_a_time"),
            models.CheckConstraint(condition=Q(switch__in=SWITCHES), name="switching_of_a_known_switch"),
        )

    def __str__(self) -> str:
        return f"{self.switch} {'on' if self.on else 'off'}: {self.done} of {self.total}"


class Role(models.TextChoices):
    """What a member may do. Viewers read, admins change, the owner alone ends it."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"


class Membership(Row):
    """Who may enter a library, and as what."""

    library = models.ForeignKey(Library, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["library", "user"], name="membership_once_per_user"),
            models.UniqueConstraint(
                fields=["library"], condition=Q(role="owner"), name="membership_one_owner_per_library"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} as {self.role} in {self.library_id}"

    @property
    def may_write(self) -> bool:
        return self.role in {Role.OWNER, Role.ADMIN}
