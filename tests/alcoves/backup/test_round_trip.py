"""A library goes out to a target and comes back onto an empty machine, byte by byte."""

from pathlib import Path

import pytest
from django.core.management import call_command

from alcoves.accounts.models import User
from alcoves.backup import maintenance, sets, targets
from alcoves.backup.models import Backup
from media.models import AuditEntry, File, Library
from tests.alcoves.backup.making import digests, empty_machine, fill


@pytest.mark.django_db(transaction=True)
def test_comes_back_whole(library: Library, tmp_path: Path) -> None:
    before = fill(library)
    call_command("backup", to=str(tmp_path / "target"), blobs="originals")
    store = targets.get(str(tmp_path / "target")).store
    [head] = sets.heads(store)
    assert head.encrypted
    assert {part.name for part in head.parts} == {
        "database.dump.age",
        "manifest.jsonl.age",
        "settings.json.age",
        "keys.json.age",
    }
    row = Backup.objects.get()
    assert (row.state, row.files, row.sent) == ("done", 4, 4)
    people = set(User.objects.values_list("email", flat=True))

    empty_machine()
    assert not File.objects.exists()
    call_command("restore", "latest", target=str(tmp_path / "target"), yes=True)

    assert digests() == before
    assert set(User.objects.values_list("email", flat=True)) == people
    assert User.objects.get(email="alice@example.org").check_password("alice-password")
    assert Backup.objects.get().state == "done"
    assert AuditEntry.objects.filter(action="backup.restore").count() == 1
    assert not maintenance.standing().on
