"""Removes one set because somebody wants that. What blobs it alone has named go with the next backup's pruning."""

from django.utils import timezone

from alcoves.backup import pruning, restoring, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, State
from media import audit
from media.audit import Actor
from storage.errors import StoreError


def remove(row: Backup, *, by: Actor) -> None:
    """Its entry and its row first: where that fails nothing is removed; where a delete does, nobody relies on it."""
    begun = restoring.under_way()
    if begun is not None and begun.phase != restoring.DONE and begun.set == row.name:
        raise BackupError(f"{row.name} is being restored: wait for the end of that.")
    if pruning.is_restored_elsewhere():
        raise BackupError("A restore is under way on another machine, maybe of this set: wait for its end.")
    store = targets.get(row.target).store
    with audit.noting("backup.remove", by=by, target=row) as act:
        here = Backup.objects.filter(pk=row.pk, state=State.DONE, pruned_at=None)
        act.count = here.update(pruned_at=timezone.now())
        act.text = f"Removed the set {row.name} from {row.target}."
        if not act.count:
            raise BackupError("There is no finished backup of that name.")
    try:
        pruning.forget(store, row.name)
    except StoreError as error:
        raise BackupError(
            f"{row.name} counts no more, and not all of it could be deleted: {error} What is left in {row.target} "
            "goes with a later backup."
        ) from error
