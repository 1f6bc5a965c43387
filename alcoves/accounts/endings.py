"""What ends a viewer tells every process: logging out, revoking a token, switching off or deleting a person.

A new password or another e-mail address ends what was remembered of a person too: Django looks at the database again.
"""

from functools import partial
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from alcoves.accounts.models import AccessToken, User
from media import passes

HARMLESS = frozenset({"last_login", "updated_at", "avatar_key", "avatar_size", "avatar_sha256", "name"})
"""Columns of a person that decide nothing."""


@receiver(post_delete, sender=Session, dispatch_uid="accounts.endings")
def end_session(instance: Session, **_: Any) -> None:
    """Logged out, or logged in as somebody else, or with a new key. A session's key is never used again.

    Those that the upkeep clears have expired long ago, and nobody remembers them.
    """
    if instance.expire_date > timezone.now():
        transaction.on_commit(partial(passes.end, passes.viewer_of_session(instance.session_key)))


@receiver(post_delete, sender=AccessToken, dispatch_uid="accounts.endings")
def end_token(instance: AccessToken, **_: Any) -> None:
    transaction.on_commit(partial(passes.end, passes.viewer_of_token(instance.digest)))


@receiver(post_save, sender=User, dispatch_uid="accounts.endings")
def end_changed_user(
    instance: User, *, created: bool, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    if not created and (update_fields is None or update_fields - HARMLESS):
        transaction.on_commit(partial(passes.end, instance.pk))


@receiver(post_delete, sender=User, dispatch_uid="accounts.endings")
def end_deleted_user(instance: User, **_: Any) -> None:
    transaction.on_commit(partial(passes.end, instance.pk))
