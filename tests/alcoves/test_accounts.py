"""The first administrator, and the login page."""

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from alcoves.accounts.models import User
from media.models import Library


def ensure(*arguments: str) -> str:
    out = StringIO()
    call_command("ensure_admin", *arguments, stdout=out)
    return out.getvalue()


def test_the_first_administrator_is_made_once(db: None) -> None:
    said = ensure()
    password = said.split("Password:")[1].strip()
    assert "admin@alcoves.local" in said
    assert len(password) >= 16
    assert User.objects.get().check_password(password)
    assert Library.objects.get().name == "My Library"
    assert ensure() == ""
    assert ensure("--email", "other@example.org") == ""
    assert (User.objects.count(), Library.objects.count()) == (1, 1)


def test_a_given_password_is_not_printed(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_ADMIN_PASSWORD", "a-given-password")
    monkeypatch.setenv("ALCOVES_ADMIN_EMAIL", "Boss@Example.org")
    assert "a-given-password" not in ensure()
    assert User.objects.get(email="boss@example.org").check_password("a-given-password")


def test_bad_input_is_a_sentence(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="is no e-mail address"):
        ensure("--email", "nobody")
    monkeypatch.setenv("ALCOVES_ADMIN_PASSWORD", "short")
    with pytest.raises(CommandError, match="at least 8"):
        ensure()


def test_somebody_who_is_here_already_becomes_the_administrator(alice: User) -> None:
    ensure("--email", alice.email)
    alice.refresh_from_db()
    assert alice.is_superuser
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_first_starts_make_one_administrator() -> None:
    said: list[str] = []
    barrier = threading.Barrier(4)

    def start() -> None:
        barrier.wait()
        said.append(ensure())
        connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([text for text in said if text]) == 1
    assert (User.objects.count(), Library.objects.count()) == (1, 1)


def test_the_login_page(alice: User, client: Client) -> None:
    assert b"E-mail address" in client.get("/login").content
    wrong = client.post("/login", {"username": alice.email, "password": "x"})
    assert (wrong.status_code, b"do not belong together" in wrong.content) == (200, True)
    right = client.post(
        "/login", {"username": " Alice@Example.org ", "password": "alice-password", "next": "/libraries"}
    )
    assert (right.status_code, right["Location"]) == (302, "/libraries")
    assert client.get("/login")["Location"] == "/"
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"


def test_login_does_not_lead_away(alice: User, client: Client) -> None:
    form = {"username": alice.email, "password": "alice-password", "next": "https://evil.example.org/"}
    assert client.post("/login", form)["Location"] == "/"
