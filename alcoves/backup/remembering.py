"""What is known of pools and sets while the database that knows it is replaced: a file beside that of the restore.

Blobs of a pool with wrong bytes, sets that a check found damaged, and what the restore itself reads and finds wrong.
It stays until the database that came has been told, so that the next backup sends those blobs again.
"""

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import Q

from alcoves.backup.models import Backup, Spoiled
from alcoves.backup.quieting import table_exists

logger = logging.getLogger(__name__)
AT_ONCE: Final = 1000


class Remembered:
    """Lines that are only ever added to; a torn one is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = dict.fromkeys(self._read())

    def _read(self) -> Iterator[str]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").split("\n"):
            try:
                json.loads(line)
            except ValueError:
                continue
            yield line

    def spoiled(self, target: str, digest: str) -> bool:
        """A blob of the pool of this target is not right. Whether that is news."""
        return self._add([{"target": target, "digest": digest}])

    def take_in(self) -> None:
        """What the database that is here knows, of all targets."""
        if not (table_exists(Spoiled) and table_exists(Backup)):
            return
        try:
            with transaction.atomic():
                found = list(known())
        except DatabaseError as error:  # Of another version, or by halves: it never hinders a restore.
            logger.warning("what is known of the pools was not kept: %s", error)
            return
        self._add(found)

    def _add(self, found: list[dict[str, str]]) -> bool:
        lines = dict.fromkeys(json.dumps(one) for one in found)
        new = [line for line in lines if line not in self._lines]
        if new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(f"\n{line}" for line in new) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._lines.update(dict.fromkeys(new))
        return bool(new)

    def give_back(self) -> None:
        """To the database that is here now. What was read back since is better known."""
        told: list[dict[str, Any]] = [json.loads(line) for line in self._lines]
        blobs = [Spoiled(target=one["target"], digest=one["digest"]) for one in told if "digest" in one]
        Spoiled.objects.bulk_create(blobs, batch_size=AT_ONCE, ignore_conflicts=True)
        for one in told:
            if "set" in one:
                at = datetime.fromisoformat(one["at"])
                rows = Backup.objects.filter(name=one["set"], target=one["target"])
                rows = rows.filter(Q(verified_at=None) | Q(verified_at__lte=at))
                rows.update(damaged_at=at, error=one["error"])

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def known() -> Iterator[dict[str, str]]:
    for target, digest in Spoiled.objects.values_list("target", "digest"):
        yield {"target": target, "digest": digest}
    damaged = Backup.objects.standing().exclude(damaged_at=None)
    for name, target, at, error in damaged.values_list("name", "target", "damaged_at", "error"):
        if at is not None:
            yield {"set": name, "target": target, "at": at.isoformat(), "error": error}
