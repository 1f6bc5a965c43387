"""A library goes to a target and comes back on another machine: other servers, other folders, other processes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command
from django.test import Client

from alcoves.accounts.models import User
from alcoves.embedded.testing import Servers, start_for_tests
from alcoves.settings import secret_key
from media.models import Library, Original
from media.shares import token_of
from storage.registry import get_store
from tests.alcoves.backup.conftest import PASSPHRASE
from tests.alcoves.backup.everything import Rows, furnish, rows, tables
from tests.alcoves.backup.machine import Machine, status
from tests.alcoves.backup.making import far_away, fill
from tests.alcoves.backup.test_round_trip import FILLED, give_avatar, outputs
from tests.workers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
CHANGED: Final = {
    "backup_backup": "the set itself is whole by now",
    "backup_installation": "its row comes with the first backup",
    "backup_maintenance": "the restore has had it on",
    "media_auditentry": "has the restore",
    "media_control": "the pause of the restore has come and gone",
}
REMADE: Final = {
    "media_derivative": "what was made is asked for again",
    "media_tally": "counts of those",
    "media_tallychange": "counts of those",
}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Servers]:
    """Postgres and Redis of the other machine."""
    servers = start_for_tests()
    yield servers
    servers.stop()


@dataclass
class Left:
    """What was there before the first machine was lost."""

    rows: Rows
    originals: dict[str, bytes]
    made: dict[str, bytes]
    face: bytes
    owner: User
    cookie: str
    link: str


@pytest.fixture
def left(library: Library, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Left:
    """A library with something of everything, a browser that is logged in, and a signed link."""
    monkeypatch.delenv("ALCOVES_SECRET_KEY", raising=False)
    settings.SECRET_KEY = secret_key.get(Path(settings.DATA_PATH))
    fill(library, count=2)
    link = f"/s/{token_of(furnish(library, alice))}"
    give_bytes()
    face = give_avatar(alice)
    call_command("settings", "set", "IMAGE_QUEUE_LIMIT", "123")
    browser = Client()
    assert browser.post("/login", {"username": alice.email, "password": "alice-password"}).status_code == 302
    assert (browser.get("/libraries").status_code, Client().get(link).status_code) == (200, 200)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    return Left(rows(), originals(), outputs(), face, alice, cookie, link)


def give_bytes() -> None:
    """To originals that were made up."""
    have = {stat.key for stat in get_store("files").iterate()}
    for original in Original.objects.exclude(key__in=have):
        content = f"bytes of {original.pk}".encode()
        get_store("files").put(original.key, [content])
        digest = hashlib.sha256(content).hexdigest()
        Original.objects.filter(pk=original.pk).update(size=len(content), sha256=digest)


def originals() -> dict[str, bytes]:
    found = {}
    for key in Original.objects.values_list("key", flat=True):
        with get_store("files").open(key) as file:
            found[key] = file.read()
    return found


def read(machine: Machine, store: str, key: str) -> bytes:
    with machine.store(store).open(key) as file:
        return file.read()


def compare(left: Left, machine: Machine, *, but: set[str]) -> None:
    """Every row of every table, but of those named; every original byte for byte."""
    after = machine.rows(tables())
    assert {table for table in FILLED if not left.rows[table]} == set()
    lost = {table: gone for table, had in left.rows.items() if (gone := had - after[table])}
    added = {table: more for table, has in after.items() if (more := has - left.rows[table])}
    assert lost.keys() - but == set(), {table: lost[table] for table in lost.keys() - but}
    assert added.keys() - but == set(), {table: added[table] for table in added.keys() - but}
    assert {key: read(machine, "files", key) for key in left.originals} == left.originals
    assert read(machine, "avatars", f"{left.owner.pk}/picture.webp") == left.face


def test_from_a_folder_into_an_empty_database(left: Left, elsewhere: Servers, tmp_path: Path) -> None:
    """Encrypted, with all that was made: nothing has to be made again, old logins and signed links go on."""
    target = str(tmp_path / "disk")
    call_command("backup", to=target, blobs="all")
    machine = Machine(elsewhere, "from_a_folder", tmp_path / "other", ALCOVES_BACKUP_PASSPHRASE=PASSPHRASE)
    machine.manage("check")
    own = (machine.folder / "data" / "secret_key").read_text(encoding="utf-8")
    told = machine.manage("restore", "latest", "--from", target, "--yes")
    assert "The signing key was brought back." in told
    assert "lost" not in told
    assert "made again" not in told
    compare(left, machine, but=set(CHANGED))
    assert {key: read(machine, "files", place) for key, (place, _) in machine.outputs().items()} == left.made
    assert (machine.folder / "data" / "secret_key.before-restore").read_text(encoding="utf-8") == own
    with machine.web() as port:
        assert status(port, "/libraries", left.cookie) == 200
        assert status(port, "/libraries") == 302
        assert status(port, left.link) == 200
        assert status(port, f"{left.link}x") == 404
    assert machine.manage("verify", "--deep").count("0 findings") == 1
    assert "Maintenance is off" in machine.manage("maintenance", "status")


def test_from_a_bucket_what_was_made_is_made_again(
    left: Left, elsewhere: Servers, tmp_path: Path, settings: Any
) -> None:
    """Encrypted, with the originals alone, onto a machine that was started once."""
    with far_away(settings) as away:
        call_command("backup", to=away, blobs="originals")
        keys = settings.BACKUP_S3_OPTIONS
        machine = Machine(
            elsewhere,
            "from_a_bucket",
            tmp_path / "other",
            ALCOVES_BACKUP_PASSPHRASE=PASSPHRASE,
            ALCOVES_BACKUP_S3_ENDPOINT=keys["endpoint_url"],
            ALCOVES_BACKUP_S3_ACCESS_KEY=keys["access_key"],
            ALCOVES_BACKUP_S3_SECRET_KEY=keys["secret_key"],
        )
        machine.manage("migrate", "--verbosity", "0")
        told = machine.manage("restore", "latest", "--from", away, "--yes")
    assert "made again by the workers" in told
    assert "lost" not in told
    compare(left, machine, but=set(CHANGED) | set(REMADE))
    with machine.web() as port, machine.worker():
        assert status(port, "/libraries", left.cookie) == 200
        assert status(port, left.link) == 200
        wait_until(lambda: is_there(machine, left), 300, "what was made is made again")


def is_there(machine: Machine, left: Left) -> bool:
    """Every output that was there, with its bytes in the store."""
    found = machine.outputs()
    sizes = {stat.key: stat.size for stat in machine.store("files").iterate()}
    return left.made.keys() <= found.keys() and all(
        sizes.get(found[name][0]) == found[name][1] for name in left.made
    )


def test_a_plain_set_brings_no_keys(left: Left, elsewhere: Servers, tmp_path: Path, settings: Any) -> None:
    """People log in again, signed links are over, and that is said; all else is here."""
    settings.BACKUP_PASSPHRASE = ""
    target = str(tmp_path / "disk")
    call_command("backup", to=target, blobs="all")
    machine = Machine(elsewhere, "plain", tmp_path / "other")
    machine.manage("migrate", "--verbosity", "0")
    assert "people log in again" in machine.manage("restore", "latest", "--from", target, "--yes")
    compare(left, machine, but=set(CHANGED))
    with machine.web() as port:
        assert status(port, "/libraries", left.cookie) == 302
        assert status(port, left.link) == 404
        assert status(port, "/login") == 200
