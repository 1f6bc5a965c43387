"""The figures by the API and the page they stand on: for whom they are, and that they change nothing."""

from collections.abc import Callable

import pytest
from django.test import Client

from alcoves.accounts.models import User
from alcoves.console.dashboard.figures import FIGURES
from media.models import AuditEntry, Library
from tests.alcoves.console.dashboard import made_up
from tests.conftest import client_of

LIST = "/api/admin/stats"
ADDRESSES = [LIST, *(f"{LIST}/{one.name}" for one in FIGURES)]
NAMES = (
    *("overview", "types", "statuses", "storage", "uploads", "throughput", "failures", "queues"),
    *("workers", "slowest", "machine", "models", "backups", "warnings"),
)


def test_the_list_names_all_figures(as_auditor: Client) -> None:
    told = as_auditor.get(LIST).json()["figures"]
    assert {one["name"] for one in told} == set(NAMES)
    for one in told:
        assert one["url"] == f"{LIST}/{one['name']}"
        assert one["everySeconds"] in {10, 30}


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_who_looks_at_operations_sees_each_figure(staff: Callable[..., User], role: str) -> None:
    client = client_of(staff(role))
    for name in NAMES:
        answer = client.get(f"{LIST}/{name}")
        assert answer.status_code == 200, name
        told = answer.json()
        assert told["name"] == name
        assert told["asOf"]
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ADDRESSES)
def test_for_others_there_is_nothing(
    client: Client, as_alice: Client, staff: Callable[..., User], library: Library, address: str
) -> None:
    assert client.get(address).status_code == 401
    assert as_alice.get(address).status_code == 404
    assert client_of(staff()).get(address).status_code == 404


def test_a_permission_without_being_staff_is_not_enough(staff: Callable[..., User]) -> None:
    user = staff("auditor")
    client = client_of(user)
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert client.get(f"{LIST}/overview").status_code == 404


def test_bad_questions(as_auditor: Client) -> None:
    assert as_auditor.get(f"{LIST}/nothing").status_code == 404
    for days in ("0", "367", "many"):
        answer = as_auditor.get(f"{LIST}/uploads?days={days}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert as_auditor.post(f"{LIST}/overview").status_code == 405


def test_days_are_as_asked(as_auditor: Client) -> None:
    for days in (1, 30, 90):
        assert len(as_auditor.get(f"{LIST}/uploads?days={days}").json()["data"]["days"]) == days
    assert len(as_auditor.get(f"{LIST}/uploads").json()["data"]["days"]) == 30


def test_looking_changes_nothing(as_auditor: Client, library: Library) -> None:
    made_up.derivatives(made_up.originals(library, 2), status="queued")
    for name in NAMES:
        as_auditor.get(f"{LIST}/{name}")
    assert not AuditEntry.objects.exists()


def page_of(client: Client, user: User) -> str:
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("role", ["auditor", "operator"])
def test_the_page_has_a_panel_for_each_figure(client: Client, staff: Callable[..., User], role: str) -> None:
    text = page_of(client, staff(role))
    for name in NAMES:
        assert f'data-url="{LIST}/{name}"' in text
    assert "js/dashboard.js" in text


def test_staff_without_the_permission_see_a_plain_list(client: Client, staff: Callable[..., User]) -> None:
    text = page_of(client, staff())
    assert "data-figure" not in text
    assert "dashboard.js" not in text


def test_strangers_see_no_page(client: Client, alice: User) -> None:
    assert client.get("/admin/").status_code == 302
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/").status_code == 302


def test_the_page_takes_no_figure(
    client: Client, staff: Callable[..., User], django_assert_max_num_queries: Callable[[int], object]
) -> None:
    user = staff("auditor")
    page_of(client, user)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        assert client.get("/admin/").status_code == 200
