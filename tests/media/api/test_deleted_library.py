"""A library that is deleted while files come into it: one of the two wins, and both are told so."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from alcoves.accounts.models import User
from media import blobs
from media.api import libraries
from media.errors import ConflictError
from media.intake import LibraryGoneError, Place
from media.libraries import create_library
from media.models import Library
from media.uploads import receiving
from storage.registry import get_store
from tests.conftest import client_of

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner() -> User:
    made: User = User.objects.create_user("owner@example.org", "owner-password")
    return made


def test_bytes_that_come_too_late(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    library = create_library(owner, "Brief")
    client: Client = client_of(owner)
    client.raise_request_exception = False
    receive = receiving.receive

    def slow(*args: Any, **options: Any) -> Any:
        stored = receive(*args, **options)
        libraries.delete_empty(Library.objects.get(pk=library.pk))
        return stored

    monkeypatch.setattr(receiving, "receive", slow)
    answer = client.post(
        f"/api/libraries/{library.pk}/files",
        PNG,
        "application/octet-stream",
        headers={"x-upload-name": "a.png"},
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "library_gone")
    blobs.sweep()
    assert list(get_store("files").iterate()) == []


def test_deleting_waits_for_what_is_coming_in_and_then_refuses(owner: User) -> None:
    library = create_library(owner, "Busy")
    key = library.pk
    stored = receiving.receive(library, [PNG])
    said: list[str] = []

    def delete() -> None:
        try:
            libraries.delete_empty(library)
        except ConflictError as error:
            said.append(error.code)
        finally:
            connection.close()

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        receiving.admit(stored, Place(library, "a.png"), way="raw")
        thread.start()
        thread.join(0.3)
        waiting = thread.is_alive()
    thread.join(20)
    assert (waiting, said) == (True, ["not_empty"])
    assert Library.objects.filter(pk=key).exists()


def test_uploads_do_not_wait_for_each_other(owner: User) -> None:
    library = create_library(owner, "Busy")
    one, two = receiving.receive(library, [PNG]), receiving.receive(library, [PNG + b"2"])
    names: list[str] = []

    def bring() -> None:
        try:
            names.append(receiving.admit(two, Place(library, "b.png"), way="raw").file.name)
        finally:
            connection.close()

    thread = threading.Thread(target=bring)
    with transaction.atomic():
        receiving.admit(one, Place(library, "a.png"), way="raw")
        thread.start()
        thread.join(20)
        assert names == ["b.png"]


def test_a_library_that_is_gone_before(owner: User) -> None:
    library = create_library(owner, "Brief")
    stored = receiving.receive(library, [PNG])
    Library.objects.filter(pk=library.pk).delete()
    with pytest.raises(LibraryGoneError, match="deleted"):
        receiving.admit(stored, Place(library, "a.png"), way="raw")
