"""The first administrator, and the login page."""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from alcoves.accounts.models import User
from alcoves.accounts.roles import OPERATOR
from media.models import Library
from tests.staffing import member


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


@pytest.mark.parametrize("page", ["/admin/", "/admin/media/file/", "/admin/backups"])
def test_a_member_at_the_door_of_the_console_is_told_and_not_sent_to_and_fro(
    page: str, alice: User, client: Client
) -> None:
    client.force_login(alice)
    answer = client.get(page, follow=True)
    assert answer.redirect_chain[-1][0] == f"/login?next={page.replace('/', '%2F')}"
    assert answer.status_code == 200
    assert f"You are logged in as {alice.email}" in answer.content.decode()
    member(OPERATOR, "ops@example.org")
    form = {"username": "ops@example.org", "password": "a-long-password", "next": page}
    assert client.post("/login", form, follow=True).redirect_chain == [(page, 302)]
    assert client.get(f"/login?next={page}").headers["Location"] == page


def test_login_does_not_lead_away(alice: User, client: Client) -> None:
    form = {"username": alice.email, "password": "alice-password", "next": "https://evil.example.org/"}
    assert client.post("/login", form)["Location"] == "/"


def knock(client: Client, door: str, number: int) -> Any:
    if door == "/api/auth/login":
        return client.post(door, {"email": f"{number}@example.org", "password": "x"}, "application/json")
    return client.post(door, {"username": f"{number}@example.org", "password": "x"})


@pytest.mark.parametrize("door", ["/login", "/admin/login/", "/api/auth/login"])
def test_one_address_may_not_try_account_after_account(db: None, client: Client, door: str) -> None:
    answers = [knock(client, door, number) for number in range(60)]
    assert {answer.status_code for answer in answers[:30]} <= {200, 302, 401}
    assert {answer.status_code for answer in answers[30:]} == {429}
    refused = answers[-1]
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert b"seconds" in refused.content


def test_all_doors_share_one_counter(alice: User, client: Client) -> None:
    doors = ("/login", "/admin/login/", "/api/auth/login")
    for number in range(30):
        assert knock(client, doors[number % 3], number).status_code != 429
    assert {knock(client, door, 99).status_code for door in doors} == {429}
    right = {"username": alice.email, "password": "alice-password"}
    assert client.post("/login", right).status_code == 429
    assert client.get("/login").status_code == 200
    assert client.post("/login", right, REMOTE_ADDR="192.0.2.7").status_code == 302
