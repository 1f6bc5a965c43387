"""A library goes out to a target and comes back onto an empty machine: bytes, people, settings, search, pictures."""

import copy
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.test import Client

from alcoves.accounts import avatars
from alcoves.accounts.models import User
from alcoves.backup import maintenance, sets, targets
from alcoves.backup.models import Backup
from alcoves.settings import secret_key
from media import live
from media.models import AuditEntry, Derivative, File, Library
from media.shares import token_of
from storage.registry import get_store
from tests.alcoves.backup.everything import furnish, rows
from tests.alcoves.backup.making import digests, empty_machine, fill
from tests.conftest import client_of
from tests.ingesting import run_queued

MORE: Final = {
    "media_auditentry",
    "media_control",
    "backup_backup",
    "backup_installation",
    "backup_maintenance",
}
"""Tables to which backup and restore add rows of their own. What was there is there still."""
FILLED: Final = {
    "accounts_accesstoken",
    "accounts_user",
    "accounts_user_groups",
    "media_auditentry",
    "media_derivative",
    "media_file",
    "media_folder",
    "media_library",
    "media_membership",
    "media_moment",
    "media_moment_tags",
    "media_momentshare",
    "media_original",
    "media_stack",
    "media_switching",
    "media_tag",
    "ml_face",
    "ml_facerejection",
    "ml_mergeproposal",
    "ml_objectdetection",
    "ml_person",
    "ml_pictureembedding",
    "ml_soundevent",
    "ml_transcript",
    "ml_transcriptsegment",
}
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


def test_every_row_of_every_table_comes_back(library: Library, alice: User) -> None:
    fill(library, count=1)
    furnish(library, alice)
    call_command("settings", "set", "IMAGE_QUEUE_LIMIT", "123")
    before = rows()
    assert {table for table in FILLED if not before[table]} == set()
    call_command("backup", blobs="all")
    empty_machine()
    call_command("restore", "latest", yes=True)
    after = rows()
    assert after.keys() == before.keys()
    lost = {table: before[table] - after[table] for table in before if before[table] - after[table]}
    added = {table for table in before if after[table] - before[table]}
    assert lost.keys() - {"backup_maintenance", "media_control"} == set(), lost
    assert added <= MORE, {table: after[table] - before[table] for table in added - MORE}


def test_the_signing_key_comes_back(
    library: Library, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that made a key of its own: after the restore old logins and old links are good, after a start anew."""
    monkeypatch.delenv("ALCOVES_SECRET_KEY", raising=False)
    kept = Path(settings.DATA_PATH) / "secret_key"
    settings.SECRET_KEY = old = secret_key.get(Path(settings.DATA_PATH))
    share = furnish(library, alice)
    link = f"/s/{token_of(share)}"
    browser = Client()
    assert browser.post("/login", {"username": alice.email, "password": "alice-password"}).status_code == 302
    assert (browser.get("/libraries").status_code, Client().get(link).status_code) == (200, 200)
    call_command("backup", blobs="originals")

    empty_machine()
    kept.unlink()
    settings.SECRET_KEY = new = secret_key.get(Path(settings.DATA_PATH))
    assert new != old
    call_command("restore", "latest", yes=True)
    assert with_cookies_of(browser).get("/libraries").status_code == 302
    assert Client().get(link).status_code == 404
    assert kept.with_name("secret_key.before-restore").read_text(encoding="utf-8") == new
    assert kept.stat().st_mode & 0o777 == 0o600
    settings.SECRET_KEY = secret_key.get(Path(settings.DATA_PATH))
    assert old == settings.SECRET_KEY
    assert (browser.get("/libraries").status_code, Client().get(link).status_code) == (200, 200)


def with_cookies_of(browser: Client) -> Client:
    """A client that a wrong key takes the cookie from; the browser stays away meanwhile and keeps its own."""
    other = Client()
    other.cookies = copy.deepcopy(browser.cookies)
    return other
