"""Who sees what of operations: pages, panels and addresses by role, as a table. Decision 29 says why.

The doors of models and of acts are in test_doors and test_steering_doors.
"""

from typing import Any, Final
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR, bring_up_to_date
from alcoves.console.dashboard import figures
from alcoves.console.pages import PAGES
from tests.alcoves.console.test_doors import PEOPLE, addresses, names_in, user_of

O, L, A = OPERATOR, LIBRARIAN, AUDITOR  # noqa: E741  Short, for the tables.
ALL: Final = {O, L, A}
LOOKING: Final = {O, A}
NOBODY: Final[set[str]] = set()
"""But superusers."""
SEEN: Final = {
    **dict.fromkeys(("index", "formats", "reprocess", "reprocess-task", "reprocess-task-live"), ALL),
    **dict.fromkeys(("settings", "alerts", "doctor", "upkeep", "upkeep-live", "failures"), LOOKING),
    **dict.fromkeys(("queues", "queues-live", "workers", "workers-live"), LOOKING),
    **dict.fromkeys(("models", "models-live", "backups", "backups-live"), LOOKING),
    "backups-manifest": {O},
    "backups-restore": NOBODY,
}
"""Pages of our own, by name."""
NOT_THERE: Final = {"reprocess-task", "reprocess-task-live", "backups-manifest"}
"""No such row in this test: 404 is for who may, 403 for all others."""
PANELS: Final = {
    **dict.fromkeys(("overview", "statuses", "types", "uploads", "storage"), ALL),
    **dict.fromkeys(("throughput", "failures", "slowest"), ALL),
    **dict.fromkeys(("warnings", "queues", "workers", "machine", "models", "backups"), LOOKING),
}
"""Of the dashboard, and figures of the API."""
TOLD: Final = {
    "/api/admin/stats": ALL,
    "/api/admin/queues": LOOKING,
    "/api/admin/workers": LOOKING,
    "/api/admin/settings": LOOKING,
    "/api/admin/settings/MAX_RETRIES": LOOKING,
    "/api/admin/maintenance": LOOKING,
    "/api/models": LOOKING,
    **{f"/api/admin/stats/{name}": roles for name, roles in PANELS.items()},
}
"""Addresses for programs."""


@pytest.fixture
def clients(db: None) -> dict[str, Client]:
    bring_up_to_date()
    made = {name: Client() for name in PEOPLE}
    for name, client in made.items():
        if name != "nobody":
            client.force_login(user_of(name))
    return made


def test_the_tables_have_every_page_and_every_panel() -> None:
    assert set(SEEN) == {"index", *(page.name for page in PAGES)}
    assert set(PANELS) == set(figures.BY_NAME)


@pytest.mark.parametrize("name", sorted(SEEN))
def test_who_sees_a_page(name: str, clients: dict[str, Client]) -> None:
    route = next((str(page.address) for page in PAGES if page.name == name), "")
    there = reverse(f"admin:{name}", kwargs={one: uuid4() for one in names_in(route)})
    found = 404 if name in NOT_THERE else 200
    for person, client in clients.items():
        answer = client.get(there)
        if person in {"nobody", "member"}:
            assert answer.status_code == 302, person
        elif person == "staff" and name == "index":
            assert (answer.status_code, b"data-figure" in answer.content) == (200, False)
        else:
            assert answer.status_code == (found if person in {*SEEN[name], "root"} else 403), person


@pytest.mark.parametrize("role", sorted(ALL))
def test_who_sees_a_panel(role: str, clients: dict[str, Client]) -> None:
    text = clients[role].get(reverse("admin:index")).content.decode()
    assert {name for name in PANELS if f'id="panel-{name}"' in text} == seen_by(role)
    told = clients[role].get("/api/admin/stats").json()["figures"]
    assert {one["name"] for one in told} == seen_by(role)


def seen_by(role: str) -> set[str]:
    return {name for name, roles in PANELS.items() if role in roles}


@pytest.mark.parametrize("address", sorted(TOLD))
def test_who_is_told_what(address: str, clients: dict[str, Client]) -> None:
    refused = {403} if address == "/api/models" else {404}
    for person, client in clients.items():
        status = client.get(address).status_code
        if person == "nobody":
            assert status in {401, 403}, person
        else:
            assert status in ({200} if person in {*TOLD[address], "root"} else refused), person


def test_the_dashboard_leads_nobody_to_a_page_that_is_shut(clients: dict[str, Client]) -> None:
    for role in ALL:
        answer: Any = clients[role].get(reverse("admin:index"))
        leads = answer.context["places"]
        assert leads
        for address in leads.values():
            assert clients[role].get(address).status_code == 200, (role, address)


def test_every_address_of_the_api_of_operators_is_in_the_table(clients: dict[str, Client]) -> None:
    """All that answer to GET; the others are in the tests of what they do."""
    from django.urls import get_resolver

    known = {address.removeprefix("/") for address in TOLD}
    found = 0
    for route, _ in addresses(get_resolver().url_patterns):
        if not route.startswith("api/admin/"):
            continue
        filled = route.replace("<str:name>", "{}").format(
            *(["MAX_RETRIES"] if "settings" in route else ["queues"])
        )
        if "<" in filled or clients["root"].get(f"/{filled}").status_code == 405:
            continue
        found += 1
        assert filled in known, f"{filled}: say in TOLD who is told"
    assert found >= 6
