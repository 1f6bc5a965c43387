"""Fixtures for all tests: people, a library, stores of their own, the shared media where they lie beside the clone."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from alcoves.accounts.models import AccessToken, User
from alcoves.backup import maintenance
from alcoves.console.dashboard import queues, warnings
from media import controls, dispatch, live
from media.heartbeat import Pacemaker, Pulse
from media.libraries import create_library, set_member
from media.models import Library
from storage import registry

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared_media() -> Path:
    """Real media with known answers. Absent in a plain clone; in CI its absence is a failure."""
    folder = SHARED / "media"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail("CI must have the shared media beside the clone.")
        pytest.skip("the shared media do not lie beside this clone")
    return folder


@pytest.fixture(autouse=True)
def own_stores(settings: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test has empty stores and scratch of its own."""
    settings.BLOB_STORES = {
        name: {
            "BACKEND": "storage.local.LocalStore",
            "OPTIONS": {"root": tmp_path / "stores" / name, "secret": "test-store-secret"},
        }
        for name in ("files", "avatars", "cache", "source", "media")
    }
    settings.SCRATCH_PATH = tmp_path / "scratch"
    registry.reset()
    yield
    registry.reset()


@pytest.fixture(autouse=True)
def empty_redis(request: pytest.FixtureRequest) -> None:
    """No message, lock or cache entry of an earlier test."""
    marked = request.node.get_closest_marker("django_db") is not None
    if marked or {"db", "transactional_db"} & set(request.fixturenames):
        dispatch.redis_client().flushdb()
        controls.kept.forget()


@pytest.fixture(autouse=True)
def no_settings_of_operators() -> None:
    """As after a reading of an empty table, until a test changes a setting: no query of an earlier minute's end."""
    live.suppose({})


@pytest.fixture(autouse=True)
def nobody_is_shut_out() -> Iterator[None]:
    """Each test knows that there is no maintenance and pays no query for that. Tests of maintenance forget it."""
    maintenance.known.standing, maintenance.known.asked = maintenance.Standing(), float("inf")
    yield
    maintenance.known.forget()


@pytest.fixture(autouse=True)
def nothing_is_kept_for_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What open pages share for a few seconds is taken anew each time."""
    for kept in (warnings.kept, queues.lately):
        kept.forget()
        monkeypatch.setattr(kept, "seconds", -1.0)


@pytest.fixture(autouse=True)
def leases_that_others_see(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test inside one transaction runs without the thread that keeps leases, which would not find the row."""
    watch = Pacemaker.watch

    def watch_what_is_committed(self: Pacemaker, pulse: Pulse) -> None:
        if not connection.in_atomic_block:
            watch(self, pulse)

    monkeypatch.setattr(Pacemaker, "watch", watch_what_is_committed)


def make_user(email: str, password: str, *, name: str) -> User:
    user: User = User.objects.create_user(email, password, name=name)
    return user


@pytest.fixture
def alice(db: None) -> User:
    """Owns the library."""
    return make_user("alice@example.org", "alice-password", name="Alice")


@pytest.fixture
def bob(db: None) -> User:
    """A viewer of Alice's library."""
    return make_user("bob@example.org", "bob-password", name="Bob")


@pytest.fixture
def charlie(db: None) -> User:
    """A stranger: must see nothing."""
    return make_user("charlie@example.org", "charlie-password", name="Charlie")


@pytest.fixture
def library(alice: User, bob: User) -> Library:
    made = create_library(alice, "Family")
    set_member(made, bob, "viewer")
    return made


def client_of(user: User) -> Client:
    """A browser-like client that acts as the user by token."""
    _, secret = AccessToken.issue(user, "test")
    return Client(headers={"authorization": f"Bearer {secret}"})


@pytest.fixture
def as_alice(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def as_bob(bob: User) -> Client:
    return client_of(bob)


@pytest.fixture
def as_charlie(charlie: User) -> Client:
    return client_of(charlie)
