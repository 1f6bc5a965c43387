"""Ends work of hours before its end: whoever does it notices at the next sign of life, within seconds."""

from typing import Any, Final

from django.db import transaction
from django.db.models.functions import Now

from alcoves.backup import writing
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, State
from media import audit
from media.audit import Actor
from media.models import SweepHold

ACTS: Final = {"backup": "backup.stop", "check": "backup.verify.stop", "look": "blobs.verify.stop"}
ENDED: Final = "It has ended already, so there is nothing to stop."


def stop(model: Any, key: str, *, by: Actor) -> str:
    """Its name. Nothing takes it up again by itself: the next scheduled one comes at its own time."""
    with transaction.atomic():
        row: Any = model.objects.select_for_update().filter(pk=key).first()
        if row is None or not row.is_under_way:
            raise BackupError(ENDED)
        row.state, row.holder, row.error = State.STOPPED, "", f"Stopped by {by.name}."
        row.finished_at = Now()
        row.save(update_fields=["state", "holder", "error", "finished_at", "updated_at"])
        audit.note(ACTS[model._meta.model_name], by=by, text=f"Stopped {row}.", target=row)
        if isinstance(row, Backup):
            SweepHold.objects.let_go(writing.hold_of(row))
    return str(row)
