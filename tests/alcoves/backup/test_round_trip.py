"""A library goes out to a target and comes back onto an empty machine: bytes, people, settings, search, pictures."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from alcoves.accounts import avatars
from alcoves.accounts.models import User
from alcoves.backup import maintenance, sets, targets
from alcoves.backup.models import Backup
from media import live
from media.models import AuditEntry, Derivative, File, Library
from storage.registry import get_store
from tests.alcoves.backup.making import digests, empty_machine, fill
from tests.conftest import client_of
from tests.ingesting import run_queued

pytestmark = pytest.mark.django_db(transaction=True)


def outputs() -> dict[str, bytes]:
    """What was made, by original and name, as it is served now."""
    found = {}
    for row in Derivative.objects.exclude(outputs=[]):
        for one in row.outputs:
            with get_store("files").open(one["key"]) as file:
                found[f"{row.original_id}/{row.deriver}/{one['name']}"] = file.read()
    return found


def give_avatar(user: User) -> bytes:
    key = f"{user.pk}/picture.webp"
    get_store(avatars.AVATARS).put(key, [b"a small face"])
    User.objects.filter(pk=user.pk).update(avatar_key=key)
    return b"a small face"


def test_comes_back_whole(library: Library, alice: User, tmp_path: Path) -> None:
    before = fill(library)
    made = outputs()
    assert made
    face = give_avatar(alice)
    call_command("settings", "set", "IMAGE_QUEUE_LIMIT", "123")
    call_command("backup", to=str(tmp_path / "target"), blobs="originals")
    [head] = sets.heads(targets.get(str(tmp_path / "target")).store)
    assert head.encrypted
    assert {part.name for part in head.parts} == {
        "database.dump.age",
        "manifest.jsonl.age",
        "settings.json.age",
        "keys.json.age",
    }
    row = Backup.objects.get()
    assert (row.state, row.files, row.sent) == ("done", 5, 5)
    people = set(User.objects.values_list("email", flat=True))

    empty_machine()
    assert not File.objects.exists()
    call_command("restore", "latest", target=str(tmp_path / "target"), yes=True)

    assert digests() == before
    with get_store(avatars.AVATARS).open(f"{alice.pk}/picture.webp") as file:
        assert file.read() == face
    assert set(User.objects.values_list("email", flat=True)) == people
    live.forget()
    assert live.value("IMAGE_QUEUE_LIMIT") == 123
    assert Backup.objects.get().state == "done"
    assert AuditEntry.objects.filter(action="backup.restore").count() == 1
    assert not maintenance.standing().on
    can_be_used(library)
    run_queued()
    assert outputs().keys() == made.keys()


def can_be_used(library: Library) -> None:
    """By a browser that logs in, and by a program that searches and downloads."""
    browser = Client()
    login: dict[str, Any] = {"username": "alice@example.org", "password": "alice-password"}
    assert browser.post("/login", login).status_code == 302
    assert browser.get("/libraries").status_code == 200
    program = client_of(User.objects.get(email="alice@example.org"))
    found = program.get(f"/api/libraries/{library.pk}/files?q=picture-1")
    assert "picture-1.jpg" in found.content.decode()


def test_with_all_blobs_nothing_is_made_again(settings: Any, library: Library) -> None:
    settings.BACKUP_PASSPHRASE = ""
    fill(library, count=1)
    made = outputs()
    call_command("backup", blobs="all")
    empty_machine()
    call_command("restore", "latest", yes=True)
    assert outputs() == made
    assert not Derivative.objects.filter(status="queued").exists()
