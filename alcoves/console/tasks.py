"""What the console's pages hand to a worker. Each keeps its result, and writes into the audit log batch by batch."""

from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task
from django.contrib.auth import get_user_model

from media import trash
from media.admin import many
from media.audit import Actor
from media.models import Library
from media.models.audit import Via


@shared_task(name=many.TASK, ignore_result=False, acks_late=True)
def act_on_files(what: str, keys: list[str], actor: str) -> int:
    """How many were done. Twice changes nothing: what is done already is left alone."""
    return many.do(what, [UUID(key) for key in keys], by=actor_of(actor))


@shared_task(name="console.empty_trash", ignore_result=False, acks_late=True)
def empty_trash(library: str, before: str, actor: str) -> int:
    """Of one library. One that is gone meanwhile has nothing left to be deleted."""
    found = Library.objects.filter(pk=UUID(library)).first()
    if found is None:
        return 0
    return trash.empty(found, before=datetime.fromisoformat(before), by=actor_of(actor))


def actor_of(key: str) -> Actor:
    """Whoever asked for it; if their account is gone, the console."""
    user: Any = get_user_model().objects.filter(pk=key).first()
    return Actor(Via.CONSOLE, user)
