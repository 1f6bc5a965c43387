"""Changing run-time settings: the flow, the API, the command, files of settings."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from constance import config
from constance.codecs import dumps
from constance.models import Constance
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR
from alcoves.console.settings import changing, describing, portable
from alcoves.console.settings.changing import RESET, BadSettingError, UnknownSettingError
from media import audit, dispatch, live
from media.models import AuditEntry
from tests.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "IMAGE_QUEUE_LIMIT"
SECRET = "ALERT_WEBHOOK_URL"
HOOK = "https://hooks.example.org/services/t0k3n"


@pytest.fixture(autouse=True)
def roles(transactional_db: None) -> None:
    from alcoves.accounts import roles

    roles.bring_up_to_date()


def member_of(role: str) -> User:
    from django.contrib.auth.models import Group

    user: User = User.objects.create_user(f"{role}@example.org", "a-password", name=role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def operator() -> Client:
    return client_of(member_of(OPERATOR))


def entries() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="settings.change").order_by("pk"))


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    data = "" if body is None else json.dumps(body)
    return getattr(client, method)(f"/api/admin/settings{path}", data=data, content_type="application/json")


# The flow.


def test_a_change_counts_at_once_and_is_noted_with_what_was_before() -> None:
    (first,) = changing.change({NAME: 80}, by=audit.COMMAND)
    assert (first.old, first.new) == (500, 80)
    assert live.value(NAME) == 80
    changing.change({NAME: 90}, by=audit.COMMAND)
    changing.change({NAME: RESET}, by=audit.COMMAND)
    assert live.value(NAME) == 500
    assert not Constance.objects.exists()
    assert [entry.detail["changes"][NAME] for entry in entries()] == [
        {"old": 500, "new": 80, "reset": False},
        {"old": 80, "new": 90, "reset": False},
        {"old": 90, "new": 500, "reset": True},
    ]
    assert entries()[0].text == f"{NAME}: 500 to 80"


def test_what_is_so_already_is_no_change() -> None:
    changing.change({NAME: 80}, by=audit.COMMAND)
    assert changing.change({NAME: 80, "RETRY_SECONDS": RESET}, by=audit.COMMAND) == []
    assert len(entries()) == 1


def test_all_or_none() -> None:
    with pytest.raises(BadSettingError) as caught:
        changing.change({NAME: 80, "MAX_RETRIES": 11, "RETRY_SECONDS": "soon"}, by=audit.COMMAND)
    assert "MAX_RETRIES must be a whole number from 0 to 10 (tries). 11 is not." in str(caught.value)
    assert 'RETRY_SECONDS must be a number from 0 to 600 (seconds). "soon" is not.' in str(caught.value)
    assert not Constance.objects.exists()
    assert live.value(NAME) == 500


def test_a_change_that_cannot_be_noted_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("no room for the log")

    monkeypatch.setattr(audit, "note", failing)
    with pytest.raises(RuntimeError):
        changing.change({NAME: 80}, by=audit.COMMAND)
    assert not Constance.objects.exists()
    assert live.value(NAME) == 500


def test_an_unknown_name_is_refused_with_what_may_be_meant() -> None:
    with pytest.raises(UnknownSettingError, match=f"Do you mean {NAME}"):
        changing.change({"image_queue_limits": 80}, by=audit.COMMAND)


def test_secrets_are_in_no_entry_of_the_log() -> None:
    changing.change({SECRET: HOOK}, by=audit.COMMAND)
    changing.change({SECRET: RESET}, by=audit.COMMAND)
    told = json.dumps([[entry.text, entry.detail] for entry in entries()])
    assert "t0k3n" not in told
    assert "********" in told


def test_constance_itself_neither_writes_defaults_nor_passes_by_the_log(settings: Any) -> None:
    assert config.IMAGE_QUEUE_LIMIT == 500
    assert not Constance.objects.exists()
    settings.IMAGE_QUEUE_LIMIT = 7
    assert config.IMAGE_QUEUE_LIMIT == 7
    config.IMAGE_QUEUE_LIMIT = 8
    assert live.value(NAME) == 8
    assert entries()[0].via == "system"


def test_describing_says_where_a_value_comes_from(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert describing.one(NAME).source == "default"
    monkeypatch.setenv("ALCOVES_IMAGE_QUEUE_LIMIT", "500")
    assert describing.one(NAME).source == "environment"
    changing.change({NAME: 80}, by=audit.COMMAND)
    assert (describing.one(NAME).source, describing.one(NAME).value) == ("database", 80)
    Constance.objects.update(value=dumps("many"))
    told = describing.one(NAME)
    assert (told.source, told.value) == ("environment", 500)
    assert "is not used" in told.problem
    changing.change({NAME: RESET}, by=audit.COMMAND)  # Which is the way out.
    assert not describing.one(NAME).problem


# The API.


def test_all_settings_in_one_query(operator: Client, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(6):  # Token, permissions of user and groups, settings.
        answer = send(operator, "get", "")
    told = {one["name"]: one for one in answer.json()}
    assert told[NAME]["value"] == told[NAME]["default"] == 500
    assert (told[NAME]["low"], told[NAME]["high"], told[NAME]["group"]) == (1, 100_000, "Pictures")
    assert told[NAME]["source"] == "default"
    assert told[NAME]["variable"] == "ALCOVES_IMAGE_QUEUE_LIMIT"


def test_one_is_set_read_and_reset(operator: Client) -> None:
    assert send(operator, "put", f"/{NAME}", {"value": 80}).json()["value"] == 80
    assert send(operator, "get", f"/{NAME}").json()["source"] == "database"
    assert send(operator, "patch", f"/{NAME}", {"value": 81}).json()["value"] == 81
    assert live.value(NAME) == 81
    answer = send(operator, "delete", f"/{NAME}")
    assert (answer.status_code, answer.json()["value"], answer.json()["source"]) == (200, 500, "default")
    assert [entry.via for entry in entries()] == ["api"] * 3
    assert entries()[0].actor_name == "operator@example.org"


def test_many_at_once_or_none(operator: Client) -> None:
    answer = send(operator, "patch", "", {NAME: 80, "MAX_RETRIES": 0})
    assert {one["name"]: one["value"] for one in answer.json()} == {NAME: 80, "MAX_RETRIES": 0}
    answer = send(operator, "patch", "", {NAME: None, "MAX_RETRIES": 99})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_setting")
    assert (live.value(NAME), live.value("MAX_RETRIES")) == (80, 0)
    assert send(operator, "patch", "", {NAME: None}).status_code == 200
    assert live.value(NAME) == 500


@pytest.mark.parametrize("value", ["80", 80.5, True, None, 0, 10**9, [], {}, "x" * 10_000])
def test_a_bad_value_is_refused_with_a_sentence(operator: Client, value: Any) -> None:
    answer = send(operator, "put", f"/{NAME}", {"value": value})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_setting")
    assert answer.json()["message"].startswith(f"{NAME} must be a whole number from 1 to 100000 (pictures).")
    assert len(answer.json()["message"]) < 300


@pytest.mark.parametrize("body", [{}, [], {"value": 1, "other": 2}, 5, "x"])
def test_a_body_of_another_shape_is_refused(operator: Client, body: Any) -> None:
    assert send(operator, "put", f"/{NAME}", body).status_code == 400


def test_a_list_is_no_change_of_many(operator: Client) -> None:
    assert send(operator, "patch", "", [NAME]).status_code == 400


def test_an_unknown_name_is_not_found(operator: Client) -> None:
    answer = send(operator, "put", "/IMAGE_QUEUE_LIMITS", {"value": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_setting")
    assert NAME in answer.json()["message"]


WAYS = [
    ("get", "", None),
    ("patch", "", {NAME: 80}),
    ("get", f"/{NAME}", None),
    ("put", f"/{NAME}", {"value": 80}),
    ("patch", f"/{NAME}", {"value": 80}),
    ("delete", f"/{NAME}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_for_others_there_is_nothing(alice: User, method: str, path: str, body: Any) -> None:
    assert send(client_of(alice), method, path, body).status_code == 404
    assert send(Client(), method, path, body).status_code in {401, 403}
    assert not entries()


@pytest.mark.parametrize("role", [AUDITOR, LIBRARIAN])
@pytest.mark.parametrize(("method", "path", "body"), WAYS)
def test_staff_without_the_permission_look_only(role: str, method: str, path: str, body: Any) -> None:
    expected = 200 if method == "get" and role == AUDITOR else 404
    assert send(client_of(member_of(role)), method, path, body).status_code == expected
    assert not entries()


def test_staff_of_no_role_see_nothing() -> None:
    clerk = User.objects.create_user("clerk@example.org", "a-password", is_staff=True)
    assert send(client_of(clerk), "get", "").status_code == 404
    clerk.user_permissions.add(Permission.objects.get(codename="view_config"))
    assert send(client_of(User.objects.get(pk=clerk.pk)), "get", "").status_code == 200


def test_a_secret_is_never_answered(operator: Client) -> None:
    assert send(operator, "put", f"/{SECRET}", {"value": HOOK}).json()["value"] == "********"
    assert "t0k3n" not in send(operator, "get", "").content.decode()
    assert live.value(SECRET) == HOOK


# The command and its files.


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("settings", *words, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_shows_sets_and_resets() -> None:
    assert f"{NAME} = 500 pictures (default)" in run("list")
    assert run("set", NAME, "80") == f"{NAME}: 500 to 80.\n"
    assert live.value(NAME) == 80
    assert run("get", NAME).splitlines()[0] == "80"
    assert f"{NAME} = 80 pictures (database)" in run("list", "--changed")
    assert "RETRY_SECONDS" not in run("list", "--changed")
    assert json.loads(run("get", NAME, "--json"))["source"] == "database"
    assert run("reset", NAME) == f"{NAME}: 80 to 500, by reset.\n"
    assert run("reset", NAME) == "Nothing was changed: it is so already.\n"
    assert [entry.via for entry in entries()] == ["command", "command"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("set", NAME, "many"), 'must be a whole number from 1 to 100000 (pictures). "many" is not.'),
        (("set", NAME, "1.5"), "must be a whole number"),
        (("set", "IMAGE_PREWARM_ENABLED", "perhaps"), "must be true or false"),
        (("set", "IMAGE_QUEUE_LIMT", "5"), f"Do you mean {NAME}?"),
        (("get", "NOTHING_LIKE_IT_AT_ALL_ZZZ"), "manage.py settings list tells all."),
        (("import", "/nowhere/settings.json"), "cannot be read"),
    ],
)
def test_the_command_refuses_with_the_sentence_of_the_flow(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert sentence in str(caught.value)
    assert not entries()


def test_out_and_in_again_gives_the_same(tmp_path: Path) -> None:
    changing.change({NAME: 80, "IMAGE_PREWARM_ENABLED": False, SECRET: HOOK}, by=audit.COMMAND)
    path = tmp_path / "settings.json"
    run("export", str(path), "--with-secrets")
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["version"] == portable.VERSION
    run("reset", NAME, "IMAGE_PREWARM_ENABLED", SECRET)
    assert f"Would change {NAME}: 500 to 80." in run("import", str(path), "--dry-run")
    assert live.value(NAME) == 500
    run("import", str(path))
    assert (live.value(NAME), live.value("IMAGE_PREWARM_ENABLED"), live.value(SECRET)) == (80, False, HOOK)
    assert run("import", str(path)) == "Nothing was changed: it is so already.\n"


def test_secrets_leave_only_when_asked_for(tmp_path: Path) -> None:
    changing.change({SECRET: HOOK}, by=audit.COMMAND)
    for words in (("list",), ("list", "--json"), ("get", SECRET), ("export",)):
        assert "t0k3n" not in run(*words)
        assert "t0k3n" in run(*words, "--with-secrets")
    path = tmp_path / "settings.json"
    path.write_text(run("export"))
    assert "is hidden in this file and stays as it is here" in run("import", str(path))
    assert live.value(SECRET) == HOOK


def test_an_export_of_all_has_what_is_not_in_the_database_too() -> None:
    assert json.loads(run("export"))["settings"] == {}
    assert json.loads(run("export", "--all"))["settings"][NAME] == 500


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"settings": {}}',
        '{"format": "alcoves-settings", "version": 2, "settings": {}}',
        '{"format": "alcoves-settings", "version": 1, "settings": []}',
        '{"format": "alcoves-settings", "version": 1, "settings": {"IMAGE_QUEUE_LIMIT": 80, "NO_SUCH": 1}}',
        '{"format": "alcoves-settings", "version": 1, "settings": {"IMAGE_QUEUE_LIMIT": 80, "MAX_RETRIES": "2"}}',
    ],
)
def test_a_file_is_taken_whole_or_not_at_all(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    for words in (("import", str(path), "--dry-run"), ("import", str(path))):
        with pytest.raises(CommandError):
            run(*words)
    assert not Constance.objects.exists()


def test_the_environment_is_copied_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALCOVES_RETRY_SECONDS", "ALCOVES_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALCOVES_IMAGE_QUEUE_LIMIT", "70")
    settings.IMAGE_QUEUE_LIMIT = 70  # As base reads it.
    would = run("migrate-from-env", "--dry-run")
    assert f"{NAME} would be copied from ALCOVES_IMAGE_QUEUE_LIMIT: 70." in would
    assert not Constance.objects.filter(key=NAME).exists()
    assert f"{NAME} was copied from ALCOVES_IMAGE_QUEUE_LIMIT: 70." in run("migrate-from-env")
    settings.IMAGE_QUEUE_LIMIT = 60
    assert live.value(NAME) == 70
    assert f"{NAME} is in the database already" in run("migrate-from-env")
    assert live.value(NAME) == 70
    assert not Constance.objects.filter(key="RETRY_SECONDS").exists()


def test_a_change_is_made_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = redis.Redis(port=1, socket_connect_timeout=1)
    monkeypatch.setattr(dispatch, "redis_client", lambda: away)
    changing.change({NAME: 80}, by=audit.COMMAND)
    assert live.value(NAME) == 80
    assert "settings was not told" in caplog.text


def test_a_change_inside_a_transaction_that_is_taken_back_is_none() -> None:
    with transaction.atomic():
        changing.change({NAME: 80}, by=audit.COMMAND)
        transaction.set_rollback(True)
    live.forget()
    assert live.value(NAME) == 500
    assert not entries()


def test_two_who_change_at_once_both_tell_the_truth() -> None:
    """The second waits for the first, and its entry begins where the first one ended."""

    def change(value: int) -> None:
        try:
            changing.change({NAME: value}, by=audit.COMMAND)
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(value,)) for value in range(10, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps = [entry.detail["changes"][NAME] for entry in entries()]
    assert [step["old"] for step in steps] == [500, *(step["new"] for step in steps[:-1])]
    assert live.value(NAME) == steps[-1]["new"]


def test_an_export_over_a_file_that_all_may_read_shuts_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("x" * 10_000)
    path.chmod(0o644)
    run("export", str(path), "--with-secrets")
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["settings"] == {}
