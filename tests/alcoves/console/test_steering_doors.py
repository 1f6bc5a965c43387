"""What pages of the console are sent: root acts with it, and so do the roles of the table, and nobody else."""

from typing import Any, Final
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR, bring_up_to_date
from alcoves.backup import maintenance
from alcoves.console.pages import PAGES
from alcoves.console.settings import changing
from media import audit
from media.models import AuditEntry, Library
from media.models.audit import Via
from tests.alcoves.console.test_doors import PEOPLE, addresses, filled, names_in, user_of
from tests.alcoves.console.test_queues import report, tell
from tests.derivers import TABLE
from tests.ingesting import run_queued, take_in
from tests.media.api.conftest import PNG

pytestmark = pytest.mark.django_db
Body = dict[str, str]
O, L, A = OPERATOR, LIBRARIAN, AUDITOR  # noqa: E741  Short, for the table.

STEERS: Final[dict[str, tuple[Body, set[str]]]] = {
    "queues": ({"act": "pause", "name": "heavy", "reason": "The disk is slow."}, {O}),
    "workers": ({"act": "drain", "name": "all@left", "reason": "The disk is slow."}, {O}),
    "upkeep": ({"name": "sweep-blobs", "sure": "yes"}, {O}),
    "models": ({"act": "choose", "pipeline": "speech", "model": "tiny"}, {O}),
    "settings": ({"_reset": "MAX_RETRIES", "_apply": "1"}, {O}),
    "backups": ({"act": "look"}, {O}),
    "reprocess": ({"deriver": "echo", "act": "reprocess", "seen": "1"}, {O, L}),
    "alerts": ({"channel": "webhook"}, {O}),
    "doctor": ({}, {O}),
}
"""Pages that take POST, by their names: what does something there, and the roles that may send it."""
ELSEWHERE: Final = {"backups-restore"}
"""Needs a set that was made: test_backups."""


@pytest.fixture
def clients(library: Library, settings: Any, tmp_path: Any) -> dict[str, Client]:
    """On an installation where each of the bodies has something to act on."""
    settings.DATA_PATH = tmp_path / "data"
    settings.BACKUP_PATH = tmp_path / "data" / "backups"
    settings.DERIVERS = {"echo": TABLE["echo"]}
    maintenance.known.forget()
    take_in(library, PNG, "a.png")
    run_queued()
    tell(report("all@left"))
    changing.change({"MAX_RETRIES": 5}, by=audit.COMMAND)
    bring_up_to_date()
    made = {name: Client() for name in PEOPLE}
    for name, client in made.items():
        if name != "nobody":
            client.force_login(user_of(name))
    return made


def acts() -> int:
    return AuditEntry.objects.filter(via=Via.CONSOLE).count()


@pytest.mark.parametrize("name", sorted(STEERS))
def test_nobody_else_acts(name: str, clients: dict[str, Client]) -> None:
    body, may = STEERS[name]
    for person in set(PEOPLE) - may - {"root"}:
        assert clients[person].post(reverse(f"admin:{name}"), body).status_code in {302, 403}, person
        assert acts() == 0, person
    assert clients["root"].post(reverse(f"admin:{name}"), body).status_code in {200, 302}
    assert acts() == 1, "this body does nothing for anybody, so the test shows nothing"


@pytest.mark.parametrize(
    ("name", "role"), [(name, role) for name in sorted(STEERS) for role in sorted(STEERS[name][1])]
)
def test_who_may_acts(name: str, role: str, clients: dict[str, Client]) -> None:
    clients[role].post(reverse(f"admin:{name}"), STEERS[name][0])
    assert acts() == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_other_pages_take_nothing(page: Any, clients: dict[str, Client]) -> None:
    """Even from root: a page that begins to act must come into the table."""
    if page.name in {*STEERS, *ELSEWHERE}:
        return
    arguments = {name: uuid4() if "uuid" in str(page.address) else 1 for name in names_in(page.address)}
    for body, _ in STEERS.values():
        clients["root"].post(reverse(f"admin:{page.name}", kwargs=arguments), body)
    assert acts() == 0


def of_the_api() -> list[str]:
    found = [route for route, _ in addresses(get_resolver().url_patterns) if route.startswith("api/admin/")]
    assert len(found) > 10
    return ["/" + filled(route) for route in found]


@pytest.mark.parametrize("person", ["nobody", "member", "staff", A])
def test_nobody_else_acts_by_the_api(person: str, clients: dict[str, Client]) -> None:
    client = clients[person]
    for address in of_the_api():
        if person != A:
            assert client.get(address).status_code in {401, 403, 404}, address
        for method in (client.post, client.put, client.patch, client.delete):
            answer = method(address, {"reason": "x", "on": True}, content_type="application/json")
            assert answer.status_code in {401, 403, 404, 405}, (address, answer.content)
    assert AuditEntry.objects.exclude(via=Via.COMMAND).count() == 0
