"""Users who log in by e-mail, and the access tokens that act for them."""

import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from media.models.base import Row
from media.passes import digest_of

TOKEN_PREFIX = "alc_"  # noqa: S105  A public prefix, so that leaked tokens can be found by scanners.


class UserManager(BaseUserManager["User"]):
    """Makes users with folded e-mail addresses."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=fold_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=fold_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin, Row):
    """A person. Staff run the server; that gives no access to anybody's library."""

    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField(default=False, help_text="may use the operators' console")
    is_active = models.BooleanField(default=True, help_text="switch off instead of deleting")
    avatar_key = models.CharField(max_length=512, blank=True, default="", editable=False)
    avatar_size = models.BigIntegerField(null=True, blank=True, editable=False)
    avatar_sha256 = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects: ClassVar[Any] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = (
            models.UniqueConstraint(Lower("email"), name="user_email_once_whatever_the_case"),
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_is_folded"),
        )

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        super().clean()
        self.email = fold_email(self.email)

    def get_short_name(self) -> str:
        return self.name or self.email

    @property
    def avatar_url(self) -> str | None:
        """Another one for each picture, so that a new one is seen at once. None: this person has no picture."""
        version = self.avatar_key.removesuffix(".webp")[-12:]
        return f"/api/auth/users/{self.pk}/avatar?v={version}" if version else None


class AccessToken(Row):
    """Acts as its user on every API route. Only the SHA-256 of the secret is kept; it is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"

    @classmethod
    def issue(cls, user: User, name: str, expires_at: datetime | None = None) -> tuple["AccessToken", str]:
        """A new token and its secret, which cannot be had again."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(user=user, name=name, digest=digest_of(secret), expires_at=expires_at)
        return token, secret

    @classmethod
    def find(cls, secret: str) -> "AccessToken | None":
        """The live token with this secret, with its active user, in one query."""
        now = timezone.now()
        return (
            cls.objects.select_related("user")
            .filter(
                Q(expires_at__isnull=True) | Q(expires_at__gt=now),
                digest=digest_of(secret),
                user__is_active=True,
            )
            .first()
        )


def fold_email(email: str) -> str:
    """Addresses are one person's whatever their case and the blanks around them."""
    return email.strip().lower()
