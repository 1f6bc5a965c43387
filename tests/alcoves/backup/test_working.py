"""Who does a piece of long work, and whether they live."""

import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alcoves.backup import sealing, sets, targets, working, writing
from alcoves.backup.models import Backup, State
from alcoves.backup.pruning import Keep
from media import audit
from media.models import Library
from storage.base import CHUNK_SIZE
from tests.ingesting import take_in
from tests.workers import wait_until


@pytest.mark.parametrize("name", ["a", "n" * 49 + ".prod.example.org", "host with spaces" * 10])
def test_a_long_name_of_a_machine_kills_nobody(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its last part tells a process from a later one of the same number, so it must not be cut off."""
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    row = Backup(state=State.RUNNING, holder=working.me(), alive_at=timezone.now())
    assert len(row.holder) <= (Backup._meta.get_field("holder").max_length or 0)
    assert not working.is_dead(row)
    row.holder = row.holder[:-1]
    assert working.is_dead(row)


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_for_others_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for pg_dump before its first byte: on another machine silence of ten minutes would be taken for death."""
    monkeypatch.setattr(working, "BEAT_SECONDS", 0.05)
    row = working.claim(writing.ask("shelf", "none", by=audit.SYSTEM), "busy")
    old = timezone.now() - timedelta(hours=1)
    Backup.objects.update(alive_at=old)
    fresh = Backup.objects.filter(alive_at__gt=old + timedelta(minutes=50))
    before = threading.active_count()
    with working.Effort(row).living():
        wait_until(fresh.exists, what="a sign of life")
    assert threading.active_count() == before


class Twice(threading.Event):
    """Two beats, then it is over."""

    left = 2

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.django_db(transaction=True)
def test_nobody_speaks_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    row = working.claim(writing.ask("shelf", "none", by=audit.SYSTEM), "busy")
    effort = working.Effort(row)
    beaten: list[int] = []
    monkeypatch.setattr(effort, "beaten", lambda: beaten.append(1))
    effort.beat(Twice())
    assert len(beaten) == 2
    old = timezone.now() - timedelta(hours=1)
    Backup.objects.update(holder="another 1 1", alive_at=old)
    effort.beat(Twice())
    assert len(beaten) == 2
    assert Backup.objects.get().alive_at == old


@pytest.mark.django_db(transaction=True)
def test_long_reading_and_long_listings_are_signs_of_life(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole original that has no digest yet, and a pool of a million blobs."""
    take_in(library, b"x" * (3 * CHUNK_SIZE), "late.bin", hashed=False)
    row = working.claim(writing.ask("shelf", "originals", by=audit.SYSTEM), "busy")
    seen: list[str] = []

    def told(self: Any, **_: Any) -> None:
        seen.append(self.row.phase or "snapshot")

    monkeypatch.setattr(writing.Writing, "tick", told)
    slice_ = writing.Writing(row, None, None, Keep())
    slice_.take()
    assert seen.count("snapshot") >= 3 + 2
    store = targets.get("shelf").store
    for number in range(5):
        store.put(f"{sets.POOL}aa/{number:064x}", [b"blob"])
    ticks: list[int] = []
    sets.Pool(store, sealing.Plain(), lambda: ticks.append(1))
    assert len(ticks) == 5
