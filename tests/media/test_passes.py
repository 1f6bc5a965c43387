"""Signed addresses: what a process remembers, what it is told, and what it does when it is told nothing."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from alcoves.accounts.models import AccessToken, User
from media import bulletin, dispatch, passes
from media.libraries import remove_member, set_member
from media.models import Library, Membership
from media.passes import Known
from tests.conftest import client_of
from tests.workers import wait_until

Commit = Callable[..., Any]
LIBRARY = str(uuid4())


@pytest.fixture(autouse=True)
def own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has just begun, and hears what is posted, but nothing of what an earlier test has posted."""
    passes.listen()
    wait_until(bulletin.alive, 10, "the bulletin")
    last = bulletin.expect("the last of all")
    bulletin.post("the last of all")
    last.result(10)
    monkeypatch.setattr(passes, "_known", Known())


@pytest.fixture
def elsewhere() -> Known:
    """What another process remembers: it hears only what is posted."""
    known = Known()
    bulletin.listen(passes.TOPIC, known.hear)
    return known


def let_in(viewer: str = "s:one", user: str = "user", epoch: int = 1, *memories: Known) -> str:
    for known in memories or (passes._known,):
        known.note_viewer(viewer, user, 60)
        known.note_epoch(LIBRARY, epoch)
    return passes.sign(viewer, LIBRARY, epoch)


def test_a_signature_is_22_characters_of_an_address() -> None:
    signature = passes.sign("s:one", LIBRARY, 1)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", signature)
    assert passes.sign("s:one", LIBRARY, 1) == signature


def test_every_part_counts(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    first = passes.sign("s:one", LIBRARY, 1)
    others = {
        passes.sign("t:one", LIBRARY, 1),
        passes.sign("s:two", LIBRARY, 1),
        passes.sign("s:one", str(uuid4()), 1),
        passes.sign("s:one", LIBRARY, 2),
    }
    monkeypatch.setattr(passes, "month", lambda: "2031-01")
    others.add(passes.sign("s:one", LIBRARY, 1))
    settings.SECRET_KEY = "another-secret-another-secret-another"
    others.add(passes.sign("s:one", LIBRARY, 1))
    assert first not in others
    assert len(others) == 6


def test_the_month_is_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2026, 2, 28, 23, 59, 59, 5, 59, 0)))
    assert passes.month() == "2026-02"


def test_only_who_was_let_in_and_only_with_the_own_signature() -> None:
    signature = let_in()
    assert passes.allows("s:one", LIBRARY, signature)
    let_in("s:two", "other")
    assert not passes.allows("s:two", LIBRARY, signature)
    assert not passes.allows("s:three", LIBRARY, passes.sign("s:three", LIBRARY, 1))
    assert not passes.allows(None, LIBRARY, signature)
    assert not passes.allows("s:one", str(uuid4()), signature)
    for wrong in ("", "x", signature[:-1], signature + "A", "ü" * 22, "\ud800" * 22):
        assert not passes.allows("s:one", LIBRARY, wrong)


def test_a_new_month_and_a_new_secret_need_new_addresses(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    signature = let_in()
    with monkeypatch.context() as later:
        later.setattr(passes, "month", lambda: "2031-01")
        assert not passes.allows("s:one", LIBRARY, signature)
    assert passes.allows("s:one", LIBRARY, signature)
    settings.SECRET_KEY = "another-secret-another-secret-another"
    assert not passes.allows("s:one", LIBRARY, signature)


def test_it_is_remembered_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = let_in()
    passes._known.note_viewer("t:short", "user", 5)
    short = passes.sign("t:short", LIBRARY, 1)
    now = time.monotonic()
    monkeypatch.setattr(bulletin, "alive", lambda: True)
    monkeypatch.setattr(time, "monotonic", lambda: now + 6)
    assert passes.allows("s:one", LIBRARY, signature)
    assert not passes.allows("t:short", LIBRARY, short), "the token's own end comes first"
    monkeypatch.setattr(time, "monotonic", lambda: now + passes.REMEMBERED_SECONDS + 1)
    assert not passes.allows("s:one", LIBRARY, signature)


def test_a_late_look_at_the_database_brings_nothing_back() -> None:
    let_in()
    passes.turn(uuid4(), 5)
    passes._known.note_epoch(LIBRARY, 2)
    passes._known.note_epoch(LIBRARY, 1)
    assert not passes.allows("s:one", LIBRARY, passes.sign("s:one", LIBRARY, 1))
    assert passes.allows("s:one", LIBRARY, passes.sign("s:one", LIBRARY, 2))
    passes.end("s:one")
    passes.note_viewer("s:one", uuid4())
    assert not passes.allows("s:one", LIBRARY, passes.sign("s:one", LIBRARY, 2))


def test_tables_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "MANY", 10)
    for number in range(50):
        passes._known.note_viewer(f"s:{number}", "user", -1)
        passes._known.note_epoch(str(number), 1)
    assert len(passes._known._live) <= 11
    assert len(passes._known._epochs) == 50, "what is not over stays"


def test_nothing_is_trusted_while_nothing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = let_in()
    with monkeypatch.context() as deaf:
        deaf.setattr(bulletin, "alive", lambda: False)
        assert not passes.allows("s:one", LIBRARY, signature)
        passes.note_viewer("s:two", uuid4())
        passes.note_epoch(LIBRARY, 2)
    assert passes.allows("s:one", LIBRARY, signature)
    assert "s:two" not in passes._known._live, "it might have ended unheard"


def test_a_lost_connection_ends_what_was_remembered() -> None:
    signature = let_in()
    dispatch.redis_client().client_kill_filter(_type="pubsub", skipme=True)
    wait_until(lambda: not passes._known._live, 10, "to forget")
    wait_until(bulletin.alive, 10, "the bulletin again")
    assert not passes.allows("s:one", LIBRARY, signature)
    let_in()
    assert passes.allows("s:one", LIBRARY, signature)


def test_who_claims_to_ask() -> None:
    digest = passes.digest_of("alc_secret")
    assert passes.claimed_viewer("abc", "") == "s:abc"
    assert passes.claimed_viewer("abc", "Bearer alc_secret") == f"t:{digest}"
    assert passes.claimed_viewer(None, "bearer alc_secret") == f"t:{digest}"
    for session, authorization in ((None, ""), ("", ""), ("abc", "Basic eDp5"), ("abc", "Bearer ")):
        assert passes.claimed_viewer(session, authorization) is None


def test_a_removed_member_is_refused_everywhere_at_once(
    library: Library, bob: User, elsewhere: Known, django_capture_on_commit_callbacks: Commit
) -> None:
    viewer, epoch = "s:bob", Library.objects.get().membership_epoch
    for known in (passes._known, elsewhere):
        known.note_viewer(viewer, str(bob.pk), 60)
        known.note_epoch(str(library.pk), epoch)
    signature = passes.sign(viewer, library.pk, epoch)
    assert passes.allows(viewer, library.pk, signature)
    with django_capture_on_commit_callbacks(execute=True):
        remove_member(library, bob.pk)
        assert passes.allows(viewer, library.pk, signature), "not before it is committed"
    assert not passes.allows(viewer, library.pk, signature)
    wait_until(lambda: not elsewhere.allows(viewer, str(library.pk), signature), 5, "the other process")


def test_a_changed_role_turns_the_epoch_too(
    library: Library, bob: User, django_capture_on_commit_callbacks: Commit
) -> None:
    before = Library.objects.get().membership_epoch
    with django_capture_on_commit_callbacks(execute=True):
        set_member(library, bob, "admin")
    assert Library.objects.get().membership_epoch == before + 1
    assert passes._known._epochs[str(library.pk)][0] == before + 1


def known_after(client: Client, elsewhere: Known, user: User, viewer: str) -> None:
    assert client.get("/api/auth/me").status_code == 200
    assert viewer in passes._known._live
    elsewhere.note_viewer(viewer, str(user.pk), 60)


def gone(viewer: str, elsewhere: Known) -> None:
    assert viewer not in passes._known._live
    wait_until(lambda: viewer not in elsewhere._live, 5, "the other process")


def test_logging_out_ends_the_session_everywhere(
    bob: User, elsewhere: Known, django_capture_on_commit_callbacks: Commit
) -> None:
    client = Client()
    client.force_login(bob)
    viewer = f"s:{client.session.session_key}"
    known_after(client, elsewhere, bob, viewer)
    with django_capture_on_commit_callbacks(execute=True):
        client.logout()
    gone(viewer, elsewhere)


def test_a_revoked_token_ends_everywhere(
    bob: User, elsewhere: Known, django_capture_on_commit_callbacks: Commit
) -> None:
    client = client_of(bob)
    token = AccessToken.objects.get(user=bob)
    known_after(client, elsewhere, bob, f"t:{token.digest}")
    with django_capture_on_commit_callbacks(execute=True):
        assert client.delete(f"/api/auth/tokens/{token.pk}").status_code == 204
    gone(f"t:{token.digest}", elsewhere)


@pytest.mark.parametrize("change", ["off", "password", "deleted"])
def test_a_person_who_ends_or_changes_is_asked_for_anew_everywhere(
    change: str, bob: User, elsewhere: Known, django_capture_on_commit_callbacks: Commit
) -> None:
    client = client_of(bob)
    viewer = f"t:{AccessToken.objects.get(user=bob).digest}"
    known_after(client, elsewhere, bob, viewer)
    with django_capture_on_commit_callbacks(execute=True):
        if change == "deleted":
            Membership.objects.filter(user=bob).delete()
            bob.delete()
        elif change == "off":
            bob.is_active = False
            bob.save()
        else:
            bob.set_password("another-password")
            bob.save(update_fields=["password"])
    gone(viewer, elsewhere)


def test_what_decides_nothing_ends_nothing(bob: User, django_capture_on_commit_callbacks: Commit) -> None:
    client = client_of(bob)
    client.get("/api/auth/me")
    with django_capture_on_commit_callbacks(execute=True):
        bob.name = "Robert"
        bob.save(update_fields=["name"])
    assert f"t:{AccessToken.objects.get(user=bob).digest}" in passes._known._live


def test_what_is_told_names_no_secret(bob: User, django_capture_on_commit_callbacks: Commit) -> None:
    _, secret = AccessToken.issue(bob, "told")
    pubsub = dispatch.redis_client().pubsub()
    pubsub.subscribe(bulletin.channel())
    pubsub.get_message(timeout=5)
    with django_capture_on_commit_callbacks(execute=True):
        AccessToken.objects.filter(user=bob).delete()
    told: Any = wait_until(lambda: pubsub.get_message(timeout=1), 5, "the message")
    pubsub.close()
    topic, message = json.loads(told["data"])
    assert topic == passes.TOPIC
    assert secret not in json.dumps(message)
