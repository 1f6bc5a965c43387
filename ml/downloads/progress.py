"""How far a download is, written to its row at most once a second, and whether it shall go on."""

import time
from collections.abc import Callable
from typing import Any, Final

from django.db.models import F
from django.db.models.functions import Now

from media.errors import InfrastructureError, MediaError
from ml.downloads.errors import PausedError
from ml.downloads.turns import Turn
from ml.models import Download
from ml.models.choosing import DownloadState
from ml.registry.specs import ModelFile, ModelSpec

EVERY: Final = 1.0


class Progress:
    """Of one file. `until` is the end of this turn by the clock of `time.monotonic`; None: as long as it takes."""

    def __init__(
        self,
        spec: ModelSpec,
        file: ModelFile,
        turn: Turn,
        *,
        until: float | None = None,
        shown: Callable[[str, int, int | None], None] | None = None,
    ) -> None:
        self._turn, self._until, self._shown = turn, until, shown
        self._name = file.name
        self._told_at = 0.0
        self._done = 0
        begun = {"pipeline": spec.pipeline, "model": spec.id, "bytes_total": file.size}
        Download.objects.get_or_create(name=file.name, defaults=begun)
        self._write(state=DownloadState.RUNNING, started_at=Now(), finished_at=None, error="", attempts=0)

    def __call__(self, done: int, total: int | None) -> None:
        """PausedError when the turn is over, InfrastructureError when somebody else has it."""
        now, self._done = time.monotonic(), done
        if now - self._told_at >= EVERY or done == total:
            self._told_at = now
            self._write(state=DownloadState.RUNNING, bytes_done=done, bytes_total=total)
            if self._shown:
                self._shown(self._name, done, total)
        if self._turn.lost.is_set():
            raise InfrastructureError("Another process has taken over the downloads.", code="turn_lost")
        if self._until is not None and now >= self._until:
            raise PausedError("The download goes on in a moment.")

    def tried(self, error: MediaError) -> None:
        self._write(attempts=F("attempts") + 1, error=error.message)

    def paused(self) -> None:
        self._write(state=DownloadState.QUEUED, error="", bytes_done=self._done)

    def failed(self, error: MediaError) -> None:
        self._write(state=DownloadState.FAILED, error=error.message, finished_at=Now())

    def ready(self, size: int, sha256: str) -> None:
        """`sha256` is what any later download of it has to have too."""
        done: dict[str, Any] = {"bytes_done": size, "bytes_total": size, "sha256": sha256}
        self._write(state=DownloadState.READY, error="", finished_at=Now(), **done)

    def _write(self, **values: Any) -> None:
        Download.objects.filter(name=self._name).update(updated_at=Now(), **values)
