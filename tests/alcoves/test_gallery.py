"""The pages' frames. What the scripts make of them is looked at in tests/browser."""

import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client

from alcoves.accounts.models import User
from media.libraries import create_library
from media.models import Library
from tests.ingesting import take_in
from tests.media.api.conftest import PNG


def test_the_first_library_is_shown_and_another_by_its_id(
    library: Library, alice: User, client: Client
) -> None:
    other = create_library(alice, "</script><script>alert(1)</script>")
    client.force_login(alice)
    assert b"Family" in client.get("/").content
    page = client.get(f"/?library={other.pk}").content
    assert str(other.pk).encode() in page
    assert b"<script>alert" not in page
    for unknown in (uuid4(), "x", ""):
        assert client.get(f"/?library={unknown}").status_code == 404


def test_the_first_screen_is_where_something_was_last_added(
    library: Library, alice: User, client: Client
) -> None:
    other = create_library(alice, "Newer")
    client.force_login(alice)
    assert f'"library": "{library.pk}"' in client.get("/").content.decode()
    take_in(other, PNG, "a.png")
    assert f'"library": "{other.pk}"' in client.get("/").content.decode()
    take_in(library, PNG, "b.png")
    assert f'"library": "{library.pk}"' in client.get("/").content.decode()


def test_strangers_see_no_library_and_no_file(library: Library, charlie: User, client: Client) -> None:
    file = take_in(library, PNG, "a.png").file
    client.force_login(charlie)
    assert b"not a member of any library" in client.get("/").content
    assert client.get(f"/?library={library.pk}").status_code == 404
    assert client.get(f"/files/{library.pk}/{file.pk}").status_code == 404
    assert b"Family" not in client.get("/libraries").content


def test_viewers_are_offered_no_upload(library: Library, alice: User, bob: User, client: Client) -> None:
    client.force_login(bob)
    assert b'id="picker"' not in client.get("/").content
    client.force_login(alice)
    assert b'id="picker"' in client.get("/").content


def test_pages_and_files_open(library: Library, bob: User, client: Client) -> None:
    file = take_in(library, PNG, "a.png").file
    client.force_login(bob)
    assert client.get(f"/files/{library.pk}/{file.pk}").status_code == 200
    assert client.get(f"/files/{library.pk}/{uuid4()}").status_code == 404
    assert client.get("/libraries").status_code == 200


@pytest.mark.parametrize(
    "path", sorted((settings.BASE_DIR / "static").rglob("*.js")), ids=lambda path: path.name
)
def test_scripts_never_write_markup(path: Path) -> None:
    found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text())
    assert found == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("templates", "static")
        for path in sorted((settings.BASE_DIR / folder).rglob("*"))
        if path.suffix in {".html", ".js", ".css"}
    ],
    ids=lambda path: path.name,
)
def test_nothing_comes_from_another_host_and_nothing_is_inline(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"(?:src|href|url|import)\W{0,3}(?:https?:)?//", text) == []
    if path.suffix == ".html":
        assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text) == []
