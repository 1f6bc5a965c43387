"""What no client may do to the API: every answer is JSON with a code and a sentence, never a traceback."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError, connection
from django.test import Client

from alcoves.accounts.models import User
from alcoves.settings import base
from media.api import describing
from media.api.errors import not_accepted, sentences
from media.models import AuditEntry, Library

JSON = "application/json"
DEEP = [b"[" * 50_000, b'{"name":' * 20_000, b"[" * 40 + b"]" * 40, b'{"name":' * 900 + b"1" + b"}" * 900]
UNKEEPABLE = [
    b'{"email": "\\ud800", "password": "x"}',
    b'{"email": "a\\u0000b", "password": "x"}',
    b'{"\\udfff": 1}',
    b'{"email": ["x", {"y": "\\ud83d"}]}',
    b'{"email": NaN}',
    b'{"email": -Infinity}',
    b'{"email": 1e999}',
    b'{"email": ' + b"9" * 5000 + b"}",
    b'{"email": "\xff"}',
    b"{",
    b"",
]


@pytest.fixture
def plain(db: None) -> Client:
    """A client that shows errors as a server would."""
    return Client(raise_request_exception=False)


@pytest.mark.parametrize("body", DEEP + UNKEEPABLE, ids=lambda body: repr(body[:24]))
def test_json_nobody_can_keep_is_refused(plain: Client, body: bytes) -> None:
    answer = plain.post("/api/auth/login", body, JSON)
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] in {"parse_error", "invalid"}
    assert answer.json()["message"].endswith(".")


def test_emoji_and_ordinary_numbers_pass(as_alice: Client) -> None:
    body = json.dumps({"name": "Ферма \U0001f469\u200d\U0001f33e", "faces": True})
    answer = as_alice.post("/api/libraries", body, JSON)
    assert (answer.status_code, answer.json()["name"]) == (201, "Ферма \U0001f469\u200d\U0001f33e")
    bom = as_alice.post("/api/libraries", b'\xef\xbb\xbf{"name": "BOM"}', JSON)
    assert bom.status_code == 201


def test_half_a_character_in_a_choice(as_alice: Client, library: Library) -> None:
    as_alice.raise_request_exception = False
    answer = as_alice.post(f"/api/libraries/{library.pk}/reprocess", b'{"status": "\\ud800"}', JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["message"].startswith("status: This text has")


def test_sentences_can_always_be_sent() -> None:
    told = not_accepted({"status": ['"\ud800" is no choice.'], "": [{"x": "\udfff"}]})
    assert json.dumps(told, ensure_ascii=False).encode()
    assert list(sentences({"a": ["b", ("c",)]})) == ["b", "c"]


def test_a_body_that_is_too_long(plain: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = plain.post("/api/auth/login", b'{"email": "' + b"a" * 100 + b'"}', JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_form_with_too_many_fields(
    as_alice: Client, library: Library, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    as_alice.raise_request_exception = False
    form = "".join(f'--b\r\nContent-Disposition: form-data; name="a{n}"\r\n\r\n1\r\n' for n in range(1101))
    address = f"/api/libraries/{library.pk}/files"
    answer = as_alice.post(address, f"{form}--b--", "multipart/form-data; boundary=b")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    answer = as_alice.post(address, f"{form}--b--", "multipart/form-data; boundary=b")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_host_that_is_not_ours(plain: Client, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.ALLOWED_HOSTS = ["media.example.org"]
    answer = plain.get("/api/capabilities", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    page = plain.get("/login", headers={"host": "evil.example"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert "evil.example" in caplog.text
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_database_that_is_away(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    user = User.objects.create_user("dora@example.org", "dora-password")
    client = Client(raise_request_exception=False)
    client.force_login(user)
    with monkeypatch.context() as away:
        connection.close()
        away.setitem(connection.settings_dict, "HOST", "/nowhere")
        listed = client.get("/api/libraries")
        login = client.post("/api/auth/login", {"email": "a", "password": "b"}, JSON)
        page = client.get("/")
        connection.close()
    for answer in (listed, login):
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer.json()["code"] == "database_away"
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert page["Content-Type"] == "text/plain; charset=utf-8"
    assert [record for record in caplog.records if record.exc_info] == []
    assert client.get("/api/libraries").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_while_a_session_is_written(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    user = User.objects.create_user("dora@example.org", "dora-password")
    client = Client(raise_request_exception=False)
    client.force_login(user)

    def save(self: Any, must_create: bool = False) -> None:
        raise OperationalError("the connection was lost")

    monkeypatch.setattr(SessionStore, "save", save)
    answer = client.get("/api/libraries")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["code"] == "database_away"


def test_a_session_that_ends_meanwhile(alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    client = Client(raise_request_exception=False)
    client.force_login(alice)

    def save(self: Any, must_create: bool = False) -> None:
        raise UpdateError

    monkeypatch.setattr(SessionStore, "save", save)
    answer = client.get("/api/libraries")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert client.get("/libraries")["Content-Type"].startswith("text/html")


def test_a_fault_of_ours_is_json_too(as_alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "library", None)
    as_alice.raise_request_exception = False
    answer = as_alice.post("/api/libraries", {"name": "x"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")


def test_connecting_gives_up_after_a_while() -> None:
    assert base.databases("postgresql://a@b/c")["default"]["OPTIONS"]["connect_timeout"] == 5
    given = base.databases("postgresql://a@b/c?connect_timeout=9")["default"]["OPTIONS"]
    assert given["connect_timeout"] == "9"


@pytest.mark.parametrize(
    "address",
    [
        "/admin/media/derivative/?deriver=%00",
        "/admin/media/derivative/?status=a%00",
        "/admin/django_celery_results/taskresult/?task_name=%00",
        "/admin/media/file/?q=%00",
        "/?q=%00",
        "/login?next=%00",
        "/a%00b",
    ],
)
def test_nul_in_an_address_of_a_page(plain: Client, address: str) -> None:
    root = User.objects.create_superuser("root@example.org", "root-password")
    plain.force_login(root)
    answer = plain.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert "NUL" in answer.text


def test_nul_in_an_address_or_a_cookie_of_the_api(as_alice: Client, library: Library) -> None:
    answer = as_alice.get(f"/api/libraries/{library.pk}/files?q=%00")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    cookie = Client(raise_request_exception=False, headers={"cookie": 'alcoves-session="abcdefgh\\000"'})
    answer = cookie.get("/api/libraries")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("/admin/backups", {"act": "check", "backup": "a\0b"}),
        ("/admin/backups", {"act": "maintenance", "on": "yes", "reason": "a\0b"}),
        ("/admin/backups", {"act": "stop", "kind": "backup", "row": "\0", "sure": "yes"}),
        ("/admin/backups/restore", {"target": "shelf", "set": "x\0", "name": "127.0.0.1"}),
        ("/admin/reprocess", {"failure": "a\0b", "seen": "1"}),
        ("/admin/reprocess", {"a\0b": "1"}),
        ("/admin/queues", {"act": "pause", "name": "thumbnail", "reason": "\0"}),
        ("/admin/media/library/add/", {"name": "a\0b"}),
        ("/admin/media/derivative/", {"action": "accept", "_selected_action": ["a", "\0"]}),
    ],
)
def test_nul_in_a_form_of_the_console(plain: Client, address: str, form: dict[str, Any]) -> None:
    plain.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    entries = AuditEntry.objects.count()
    answer = plain.post(address, form)
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text == "What was sent has a NUL character. Leave it out; nothing was done.\n"
    assert AuditEntry.objects.count() == entries
    whole = plain.post(address, urlencode(form, doseq=True), "application/x-www-form-urlencoded")
    assert whole.status_code == 400


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("put", "/api/admin/settings/ALERT_MAIL_TO", {"value": "a\0b@example.org"}),
        ("put", "/api/admin/settings/BACKUP_TARGET", {"value": "a\0b"}),
        ("patch", "/api/admin/settings", {"BACKUP_TARGET": "a\0b"}),
        ("post", "/api/admin/reprocess", {"failure": "a\0b", "act": "accept"}),
        ("post", "/api/admin/reprocess", {"library": "\0"}),
        ("post", "/api/libraries", {"name": "a\0b"}),
    ],
)
def test_nul_in_what_programs_send(plain: Client, method: str, address: str, body: dict[str, Any]) -> None:
    plain.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    answer = getattr(plain, method)(address, body, JSON)
    assert answer.status_code == 400, answer.content
    assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize("address", ["/api/libraries", "/admin/failures"])
@pytest.mark.parametrize("place", ["database", "disk"])
def test_nul_that_came_as_far_as_it_cannot_be_kept(
    plain: Client, monkeypatch: pytest.MonkeyPatch, address: str, place: str
) -> None:
    """Whatever way it took: a sentence, and no fault of ours."""

    def kept(*_: Any, **__: Any) -> None:
        if place == "disk":
            Path("a\0b").stat()
        list(Library.objects.filter(name="a\0b"))

    plain.force_login(User.objects.create_superuser("root@example.org", "root-password"))
    monkeypatch.setattr(describing, "library", kept)
    monkeypatch.setattr(admin.site, "each_context", kept)
    answer = plain.post(address, {"name": "x"}, JSON) if "api" in address else plain.get(address)
    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()
