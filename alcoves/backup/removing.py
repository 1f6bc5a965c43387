"""Removes one set because somebody wants that. What blobs it alone has named go with the next backup's pruning."""

from alcoves.backup import pruning, restoring, targets
from alcoves.backup.errors import BackupError
from alcoves.backup.models import Backup, State
from media import audit
from media.audit import Actor


def remove(row: Backup, *, by: Actor) -> None:
    """Its entry is written first: where that fails nothing is removed."""
    begun = restoring.under_way()
    if begun is not None and begun.phase != restoring.DONE and begun.set == row.name:
        raise BackupError(f"{row.name} is being restored: wait for the end of that.")
    with audit.noting("backup.remove", by=by, target=row) as act:
        here = Backup.objects.select_for_update().filter(pk=row.pk, state=State.DONE, pruned_at=None)
        act.count = here.count()
        act.text = f"Removed the set {row.name} from {row.target}."
        if not act.count:
            raise BackupError("There is no finished backup of that name.")
        pruning.forget(targets.get(row.target).store, row.name)
