"""Every door of the console, tried by everybody: who may look, who may act. The tables are here; the doors are found.

A new page, address or action that no table knows fails this test: say who may use it.
"""

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from alcoves.accounts.models import User
from alcoves.accounts.roles import AUDITOR, LIBRARIAN, OPERATOR, bring_up_to_date
from alcoves.console.pages import PAGES
from media.models import AuditEntry
from tests.alcoves.console.filling import fill, libraries

ALL: Final = frozenset({OPERATOR, LIBRARIAN, AUDITOR})
NONE: Final[frozenset[str]] = frozenset()
O, L, A = OPERATOR, LIBRARIAN, AUDITOR  # noqa: E741  Short, for the tables.
PEOPLE: Final = ("nobody", "member", "staff", O, L, A, "root")

MAY_ADD: Final = {
    "media.library": {L},
    "ml.choice": {O},
    "ml.acceptance": {O},
}
MAY_CHANGE: Final = {"media.library": {L}, "media.file": {L}, "ml.choice": {O}}
MAY_DELETE: Final = {"ml.acceptance": {O}}
"""Labels of models by which roles may do it; what is not named here, superusers alone may, or nobody."""

MAY_ACT: Final = {
    ("media.derivative", "reprocess"): {O, L},
    ("media.derivative", "cancel"): {O, L},
    ("media.derivative", "accept"): {O, L},
    ("media.derivative", "unaccept"): {O, L},
    ("media.original", "warm_again"): {O, L},
    ("media.original", "hold"): {O, L},
    ("media.original", "release"): {O, L},
    ("media.file", "hold"): {O, L},
    ("media.file", "release"): {O, L},
    ("media.file", "to_trash"): {L},
    ("media.file", "restore"): {L},
    ("media.file", "purge"): {L},
    ("media.library", "empty_trashes"): {L},
    ("media.moment", "export"): {L},
    ("media.momentshare", "revoke"): {L},
    ("ml.person", "merge"): {L},
    ("ml.person", "undo"): {L},
    ("ml.mergeproposal", "accept"): {L},
    ("ml.mergeproposal", "decline"): {L},
    ("ml.faceproposal", "accept"): {L},
    ("ml.faceproposal", "decline"): {L},
    ("ml.download", "fetch_again"): {O},
    ("ml.acceptance", "delete_selected"): {O},
    ("alerts.delivery", "send_again"): {O},
    ("backup.finding", "repair"): {O},
    ("backup.finding", "ignore"): {O},
    ("backup.finding", "reopen"): {O},
}


def user_of(name: str) -> User:
    user: User = User.objects.create_user(
        f"{name}@example.org", "a-password", is_staff=name != "member", is_superuser=name == "root"
    )
    if name in ALL:
        user.groups.add(Group.objects.get(name=name))
    return user


@pytest.fixture
def clients(db: None) -> dict[str, Client]:
    bring_up_to_date()
    made = {name: Client() for name in PEOPLE}
    for name, client in made.items():
        if name != "nobody":
            client.force_login(user_of(name))
    return made


def let_in(answer: Any) -> bool:
    """Not sent to the login page, nor refused."""
    to_login = answer.status_code == 302 and "/login" in answer["Location"]
    return not to_login and answer.status_code not in {403, 404}


def who(clients: dict[str, Client], address: str) -> set[str]:
    return {name for name, client in clients.items() if let_in(client.get(address))}


def label_of(model: Any) -> str:
    return str(model._meta.label_lower)


def address(model: Any, kind: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}", args=args)


ALSO: Final = {"accounts.user", "django_celery_results.taskresult"}
"""What librarians see beside libraries and people."""


def is_media(model: Any) -> bool:
    return model._meta.app_label in {"media", "ml"} and model is not AuditEntry


REGISTERED = sorted(admin.site._registry, key=label_of)


@pytest.mark.parametrize("model", REGISTERED, ids=label_of)
def test_who_opens_a_page_of_a_model(model: Any, clients: dict[str, Client]) -> None:
    label = label_of(model)
    sees = {O, A, "root"} if label not in ALSO and not is_media(model) else {*ALL, "root"}
    assert who(clients, address(model, "changelist")) == sees
    assert who(clients, address(model, "add")) - {"root"} == MAY_ADD.get(label, NONE)


@pytest.mark.parametrize("model", REGISTERED, ids=label_of)
def test_who_changes_and_deletes(model: Any, clients: dict[str, Client]) -> None:
    """By what the page itself says of each; pages ask nothing else before they write."""
    site, label = admin.site.get_model_admin(model), label_of(model)
    for name, client in clients.items():
        request = RequestFactory().get("/")
        key = client.session.get("_auth_user_id")
        if key is None or name in {"root", "member"}:
            continue
        request.user = User.objects.get(pk=key)
        assert site.has_change_permission(request) == (name in MAY_CHANGE.get(label, NONE)), name
        assert site.has_delete_permission(request) == (name in MAY_DELETE.get(label, NONE)), name


@pytest.mark.parametrize("model", REGISTERED, ids=label_of)
def test_who_is_offered_an_action(model: Any, clients: dict[str, Client]) -> None:
    site, label = admin.site.get_model_admin(model), label_of(model)
    known = {name for kind, name in MAY_ACT if kind == label}
    for name, client in clients.items():
        key = client.session.get("_auth_user_id")
        if key is None or name == "member":
            continue
        request = RequestFactory().get("/")
        request.user = User.objects.get(pk=key)
        offered = set(site.get_actions(request))
        if name == "root":
            assert offered - {"delete_selected"} <= known, "say in MAY_ACT who may"
        else:
            assert offered == {one for one in known if name in MAY_ACT[label, one]}, name


def test_an_action_that_is_not_offered_does_nothing(clients: dict[str, Client]) -> None:
    libraries()
    for label, name in MAY_ACT:
        model = next(one for one in REGISTERED if label_of(one) == label)
        if model._default_manager.count() == 0:
            fill(model, 3)
        row: Any = model._default_manager.first()
        before = model._default_manager.filter(pk=row.pk).values().get()
        for person in set(PEOPLE) - {"root", "nobody"} - MAY_ACT[label, name]:
            given = {"action": name, "_selected_action": [str(row.pk)], "sure": "yes", "post": "yes"}
            clients[person].post(address(model, "changelist"), given)
            assert model._default_manager.filter(pk=row.pk).values().get() == before, (label, name, person)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_who_opens_a_page_of_our_own(page: Any, clients: dict[str, Client]) -> None:
    wanted = {"root"}
    for name in ALL:
        if User.objects.get(email=f"{name}@example.org").has_perm(page.permission):
            wanted.add(name)
    arguments = {name: uuid4() if "uuid" in str(page.address) else 1 for name in names_in(page.address)}
    there = reverse(f"admin:{page.name}", kwargs=arguments)
    refused = {name for name, client in clients.items() if is_refused(client.get(there))}
    assert set(PEOPLE) - refused == wanted


def names_in(route: str) -> list[str]:
    return [part.partition(">")[0].rpartition(":")[2] for part in route.split("<")[1:]]


def is_refused(answer: Any) -> bool:
    """By rank; that there is no such row is no refusal."""
    if answer.status_code == 302:
        return "/login" in answer["Location"]
    return bool(answer.status_code == 403)


def addresses(patterns: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, before + str(one.pattern))
        elif isinstance(one, URLPattern):
            yield before + str(one.pattern), one.name or ""


def under_the_console() -> list[tuple[str, str]]:
    return [
        (route, name) for route, name in addresses(get_resolver().url_patterns) if route.startswith("admin/")
    ]


OPEN: Final = {"login", "logout", "jsi18n"}


@pytest.mark.parametrize("person", ["nobody", "member"])
def test_no_address_lets_in_who_is_no_staff(person: str, clients: dict[str, Client]) -> None:
    """Every address that the resolver knows under the console, whatever it is for."""
    tried = 0
    for route, name in under_the_console():
        if name in OPEN:
            continue
        there = "/" + filled(route)
        for answer in (clients[person].get(there), clients[person].post(there)):
            assert is_refused(answer) or answer.status_code in {404, 405} or to_login(answer), there
        tried += 1
    assert tried > 100


def to_login(answer: Any) -> bool:
    return answer.status_code in {301, 302} and (
        "login" in answer["Location"] or "/admin/" in answer["Location"]
    )


def filled(route: str) -> str:
    """With a value in place of each argument."""
    parts = route.replace("^", "").replace("$", "").split("<")
    made = parts[0]
    for part in parts[1:]:
        kind, _, rest = part.partition(">")
        made += (str(uuid4()) if kind.startswith("uuid") else "1") + rest
    return made


def test_all_staff_without_a_role_see_nothing(clients: dict[str, Client]) -> None:
    for model in REGISTERED:
        assert not let_in(clients["staff"].get(address(model, "changelist"))), model
        assert not let_in(clients["staff"].post(address(model, "changelist"), {"action": "purge"})), model


def test_auditors_may_nothing_but_look(db: None) -> None:
    bring_up_to_date()
    names = set(Group.objects.get(name=A).permissions.values_list("codename", flat=True))
    assert all(name.startswith(("view_", "see_")) for name in names)


def test_librarians_steer_no_queues_and_no_settings(db: None) -> None:
    bring_up_to_date()
    names = set(Group.objects.get(name=L).permissions.values_list("codename", flat=True))
    steering = {
        "control_queues",
        "run_tasks",
        "change_settings",
        "choose_models",
        "manage_backups",
        "restore_backups",
    }
    assert not names & {*steering, "change_config", "see_audit", "add_user", "change_user", "change_group"}


def test_words_are_for_librarians(clients: dict[str, Client]) -> None:
    from ml.models import Transcript

    libraries()
    fill(Transcript, 3)
    Transcript.objects.update(text="For librarians alone.")
    row = Transcript.objects.first()
    assert row is not None
    for name in (O, L, A):
        rows = clients[name].get(address(Transcript, "changelist")).content.decode()
        page = clients[name].get(address(Transcript, "change", row.pk)).content.decode()
        # It has no segments, and only who may read them is told so.
        assert ("For librarians alone." in rows) is (name == L), name
        assert ("nothing is said" in page) is (name == L), name
        assert ("For librarians alone." in page) is False, name


def test_places_are_shown_to_no_role(db: None) -> None:
    """Where a picture was taken is for the members of its library."""
    private = {"latitude", "longitude", "altitude", "captured_zone"}
    for model in REGISTERED:
        site: Any = admin.site.get_model_admin(model)
        shown = {str(name) for name in (*site.list_display, *(site.fields or ()), *site.readonly_fields)}
        assert not shown & private, model
