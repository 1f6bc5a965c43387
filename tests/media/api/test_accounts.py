from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from alcoves.accounts.models import AccessToken, User
from media.models import Library

JSON = "application/json"


def log_in(client: Client, email: str = "alice@example.org", password: str = "alice-password") -> Any:
    return client.post("/api/auth/login", {"email": email, "password": password}, JSON)


def test_in_and_out(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    nobody = client.get("/api/_auth/session")
    assert (nobody.status_code, nobody.json()) == (200, {"user": None})
    assert log_in(client, " ALICE@example.org ").json()["user"]["email"] == "alice@example.org"
    assert client.cookies["alcoves-session"]["httponly"]
    assert client.get("/api/auth/me").json()["name"] == "Alice"
    assert client.post("/api/auth/logout", content_type=JSON).status_code == 403
    token = client.cookies["csrftoken"].value
    assert (
        client.post("/api/auth/logout", content_type=JSON, headers={"x-csrftoken": token}).status_code == 204
    )
    assert client.get("/api/_auth/session").json() == {"user": None}


def test_one_answer_for_unknown_and_wrong(alice: User, client: Client) -> None:
    wrong, unknown = log_in(client, password="x"), log_in(client, "nobody@example.org")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json()) == (401, wrong.json())
    assert wrong.json()["code"] == "wrong_password"
    assert client.post("/api/auth/login", {"email": "a"}, JSON).status_code == 400


def test_another_sites_form_cannot_log_anybody_in(alice: User, client: Client) -> None:
    form = {"email": "alice@example.org", "password": "alice-password"}
    assert client.post("/api/auth/login", form).status_code == 415
    assert client.post("/api/auth/login", '{"email": "a"}', "text/plain").status_code == 415


def test_wrong_passwords_lock_whatever_the_case_of_the_address(
    alice: User, client: Client, settings: Any
) -> None:
    for turn in range(settings.LOGIN_FAILURES):
        log_in(client, "Alice@example.org" if turn % 2 else "alice@example.org", "wrong")
    locked = log_in(client)
    assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")
    assert "minutes" in locked.json()["message"]
    page = client.post("/login", {"username": "ALICE@example.org", "password": "alice-password"})
    assert page.status_code == 429
    assert b"Too many wrong passwords" in page.content


def test_tries_are_counted_by_address(client: Client, db: None) -> None:
    answers = [log_in(client, f"{number}@example.org").status_code for number in range(31)]
    assert answers[0] == 401
    assert answers[-1] == 429
    elsewhere = client.post(
        "/api/auth/login",
        {"email": "a@example.org", "password": "x"},
        JSON,
        headers={"x-forwarded-for": "9.9.9.9"},
    )
    assert elsewhere.status_code == 429


def test_a_token_is_shown_once_and_revoked(as_alice: Client, as_bob: Client, library: Library) -> None:
    made = as_alice.post("/api/auth/tokens", {"name": "Phone", "expiresInDays": 30}, JSON)
    assert made.status_code == 201
    secret, key = made.json()["token"], made.json()["id"]
    bearer = {"authorization": f"Bearer {secret}"}
    assert Client(headers=bearer).get("/api/libraries").json()[0]["id"] == str(library.pk)
    listed = as_alice.get("/api/auth/tokens")
    assert secret not in listed.content.decode()
    assert "Phone" in [one["name"] for one in listed.json()]
    assert as_bob.delete(f"/api/auth/tokens/{key}").status_code == 404
    assert as_alice.delete(f"/api/auth/tokens/{key}").status_code == 204
    refused = Client(headers=bearer).get("/api/libraries")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")


def test_an_expired_token_and_a_switched_off_user(alice: User) -> None:
    token, secret = AccessToken.issue(alice, "old", timezone.now() + timedelta(minutes=1))
    client = Client(headers={"authorization": f"Bearer {secret}"})
    assert client.get("/api/auth/me").status_code == 200
    AccessToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    assert client.get("/api/auth/me").status_code == 401
    AccessToken.objects.filter(pk=token.pk).update(expires_at=None)
    User.objects.update(is_active=False)
    assert client.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "a", "expiresInDays": 0}, {"name": "a", "expiresInDays": "x"}]
)
def test_bad_tokens(body: dict[str, object], as_alice: Client) -> None:
    assert as_alice.post("/api/auth/tokens", body, JSON).status_code == 400


def test_writing_by_session_needs_the_csrf_token(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    log_in(client)
    refused = client.post("/api/libraries", {"name": "A"}, JSON)
    assert (refused.status_code, "CSRF" in refused.json()["message"]) == (403, True)
    token = client.cookies["csrftoken"].value
    assert (
        client.post("/api/libraries", {"name": "A"}, JSON, headers={"x-csrftoken": token}).status_code == 201
    )
