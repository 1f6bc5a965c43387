"""Who does a piece of long work, and whether they live."""

import socket

import pytest
from django.utils import timezone

from alcoves.backup import working
from alcoves.backup.models import Backup, State


@pytest.mark.parametrize("name", ["a", "n" * 49 + ".prod.example.org", "host with spaces" * 10])
def test_a_long_name_of_a_machine_kills_nobody(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its last part tells a process from a later one of the same number, so it must not be cut off."""
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    row = Backup(state=State.RUNNING, holder=working.me(), alive_at=timezone.now())
    assert len(row.holder) <= (Backup._meta.get_field("holder").max_length or 0)
    assert not working.is_dead(row)
    row.holder = row.holder[:-1]
    assert working.is_dead(row)
