"""Every address of understanding, taken from the URLconf: who may come in, and what is asked of what they send.

A new address is in none of the tables below, so a test says so. What serializers take is read from the OpenAPI
document, and each field of it is given what it is not.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from alcoves.accounts.models import User
from media import shares
from media.libraries import set_member
from media.models import Moment
from ml.api.urls import urlpatterns
from ml.models import Choice
from tests.conftest import client_of, make_user
from tests.media.api.test_schema import strict
from tests.ml.api.house import CURSORS, House, build, furnish

pytestmark = pytest.mark.django_db

LIBRARY: Final = "libraries/<uuid:library_id>"
FILE: Final = f"{LIBRARY}/files/<uuid:file_id>"
PERSON: Final = f"{LIBRARY}/people/<uuid:person_id>"
FACES: Final = f"{LIBRARY}/faces"
TRACK: Final = f"{FILE}/transcripts/<str:track>"

LISTS: Final = {
    f"{FILE}/objects": "",
    f"{FILE}/sounds": "",
    f"{FILE}/faces": "",
    f"{FILE}/transcripts": "",
    TRACK: "",
    f"{LIBRARY}/objects": "?label=dog",
    f"{LIBRARY}/objects/labels": "",
    f"{LIBRARY}/sounds": "?label=Speech",
    f"{LIBRARY}/sounds/labels": "",
    f"{LIBRARY}/people": "",
    f"{LIBRARY}/people/proposals": "",
    f"{PERSON}/files": "",
    f"{PERSON}/faces": "",
    f"{FACES}/unassigned": "",
    f"{FACES}/proposals": "",
    f"{LIBRARY}/similar": "",
    f"{LIBRARY}/similar/preview": "",
    "search": "?q=dog",
    "models": "",
}
"""What answers with many, and how it is asked."""
BUDGETS: Final = {"search": 13, "models": 8}
"""Queries of those that cost more than six, who is asking included; two are for what their role may."""
ONES: Final = {PERSON: "", f"{LIBRARY}/language": "", f"{TRACK}/transcript.<str:form>": ""}
WRITES: Final[Mapping[tuple[str, str], str]] = {
    ("post", f"{FILE}/faces"): "drawn",
    ("post", TRACK): "",
    ("patch", TRACK): "edit",
    ("post", f"{TRACK}/revert"): "revision",
    ("post", f"{TRACK}/cancel"): "",
    ("delete", f"{TRACK}/kept/<uuid:key>"): "",
    ("put", f"{LIBRARY}/language"): "language",
    ("post", f"{LIBRARY}/transcripts"): "files",
    ("post", f"{LIBRARY}/people/merge"): "people",
    ("post", f"{LIBRARY}/people/proposals/<uuid:proposal_id>/accept"): "",
    ("post", f"{LIBRARY}/people/proposals/<uuid:proposal_id>/decline"): "",
    ("patch", PERSON): "cover",
    ("delete", PERSON): "",
    ("post", f"{PERSON}/undo-merge"): "",
    ("post", f"{PERSON}/split"): "faces",
    ("post", f"{FACES}/assign"): "assign",
    ("post", f"{FACES}/confirm"): "faces",
    ("post", f"{FACES}/reject"): "faces",
    ("post", f"{FACES}/remove"): "faces",
    ("post", f"{FACES}/restore"): "faces",
    ("post", f"{FACES}/proposals/<uuid:proposal_id>/accept"): "",
    ("post", f"{FACES}/proposals/<uuid:proposal_id>/decline"): "",
    ("post", f"{LIBRARY}/similar/keep"): "files",
    ("post", f"{LIBRARY}/similar/reconsider"): "files",
}
"""What changes something in a library, and which of the bodies below it takes."""
STAFF: Final = {
    ("get", "models"),
    ("put", "models/<str:pipeline>"),
    ("delete", "models/<str:pipeline>/<str:model>"),
    ("post", "models/<str:pipeline>/<str:model>/download"),
    ("post", "licences/<str:licence>/accept"),
}
READS: Final = {("get", route) for route in (*LISTS, *ONES) if route != "models"}
TOLD: Final = READS | set(WRITES) | STAFF

NUMBERS: Final = (0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**40, 1e308)
LONE: Final = chr(0xD800)
"""Half of a pair of UTF-16, which no encoding takes. Written out it would break the cache of type checkers."""
TEXTS: Final = ("", "x", "x" * 100_000, "\0", "a\0b", LONE, "nan", "Infinity", "1e999", "9" * 5000)
NESTED: Final[tuple[Any, ...]] = (
    [],
    {},
    [[]],
    [{}],
    [None],
    ["x"],
    ["\0"],
    [10**40],
    {"\0": "\0"},
    {"id": "x"},
)
HUGE: Final = (10**40, -(2**63) - 1)
"""For no number."""
NEVER: Final = ("\0", "a\0b", LONE, ["\0"], [10**40])
"""For no field at all."""
JUNK: Final = (None, True, False, *NUMBERS, *TEXTS, *NESTED)
WORDS: Final = (
    "",
    "x",
    "-1",
    "0",
    "1e999",
    "nan",
    "-inf",
    "9" * 40,
    "9" * 5000,
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF",
    "²",
)


def routes() -> Iterator[tuple[str, str]]:
    """Every method of every address."""
    for pattern in urlpatterns:
        view: Any = pattern.callback.view_class  # type: ignore[union-attr]  # All are plain paths.
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                yield method, str(pattern.pattern)


def address(route: str, keys: Mapping[str, str]) -> str:
    found = {**keys, "track": "default", "form": "json", "pipeline": "objects", "model": "x", "licence": "x"}
    found["proposal_id"] = keys["merge_id" if "/people/" in route else "face_proposal_id"]
    found["key"] = keys["file_id"]
    filled = route.replace("<uuid:", "<").replace("<str:", "<")
    for name, value in found.items():
        filled = filled.replace(f"<{name}>", value)
    return f"/api/{filled}"


def bodies(house: House) -> dict[str, Any]:
    return {
        "": {},
        "drawn": {"x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1, "personId": str(house.person.pk)},
        "edit": {"revision": 1, "changes": []},
        "revision": {"revision": 1},
        "language": {"language": "en"},
        "files": {"fileIds": [str(house.file.pk), str(house.twin.pk)]},
        "people": {"personIds": [str(house.person.pk), str(house.other.pk)]},
        "faces": {"faceIds": [str(house.face.pk)]},
        "assign": {"faceIds": [str(house.face.pk)], "personId": str(house.person.pk)},
        "cover": {"coverFaceId": str(house.face.pk)},
    }


def ask(client: Client, method: str, url: str, body: Any = None) -> Any:
    if method == "get":
        return client.get(url)
    text = body if isinstance(body, str) else json.dumps(body if body is not None else {})
    return getattr(client, method)(url, text, content_type="application/json")


def query_of(route: str) -> str:
    return {**LISTS, **ONES}[route]


@pytest.fixture
def house(alice: User, bob: User) -> House:
    """Alice's; Bob may look."""
    made = build(alice, "Family")
    set_member(made.library, bob, "viewer")
    return made


@pytest.fixture
def elsewhere(alice: User) -> House:
    """Another library of Alice's."""
    return build(alice, "Work")


@pytest.fixture
def owner(alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def staff(db: None) -> Client:
    user = make_user("root@example.org", "root-password", name="Root")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("see_operations", "choose_models")))
    return client_of(user)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@pytest.fixture(scope="module")
def paths(schema: dict[str, Any]) -> dict[str, Any]:
    """The addresses of the OpenAPI document, with every reference in it resolved."""

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(schema["components"]["schemas"][part["$ref"].rpartition("/")[2]])
        return {name: resolved(one) for name, one in part.items()}

    return {path: resolved(told) for path, told in schema["paths"].items()}


def operation(paths: Mapping[str, Any], method: str, route: str) -> Any:
    return paths["/api/" + route.replace("<uuid:", "{").replace("<str:", "{").replace(">", "}")][method]


def test_the_tables_name_every_address() -> None:
    assert set(routes()) == TOLD


def test_nobody_comes_in_without_a_name_and_no_link_opens_anything(
    house: House, alice: User, client: Client
) -> None:
    house.library.sharing = True
    house.library.save(update_fields=["sharing"])
    moment = Moment.objects.create(file=house.file, name="Goal", start=1, end=2)
    token = shares.token_of(shares.create_share(moment, alice))
    bearer = Client(headers={"authorization": f"Bearer {token}"})
    for method, route in sorted(TOLD):
        url = address(route, house.keys())
        for asker, asked in ((client, url), (bearer, url), (client, f"{url}?token={token}&share={token}")):
            assert ask(asker, method, asked).status_code == 401, (method, asked)


def test_strangers_learn_nothing(house: House, charlie: User) -> None:
    stranger, keys = client_of(charlie), house.keys()
    nowhere = {name: str(UUID(int=7)) for name in keys}
    for method, route in sorted(TOLD - STAFF - {("get", "search")}):
        body = bodies(house)[WRITES.get((method, route), "")]
        answer = ask(stranger, method, address(route, keys), body)
        assert answer.status_code == 404, (method, route)
        assert ask(stranger, method, address(route, nowhere), body).content == answer.content, (method, route)


def test_strangers_find_nothing(house: House, charlie: User) -> None:
    stranger = client_of(charlie)
    assert stranger.get("/api/search?q=dog").json()["total"] == 0
    assert stranger.get(f"/api/search?q=like:{house.file.pk}").json()["total"] == 0
    assert stranger.get(f"/api/search?q=dog&library={house.library.pk}").status_code == 404


def test_viewers_read_everything_and_change_nothing(house: House, bob: User) -> None:
    viewer = client_of(bob)
    for (method, route), body in sorted(WRITES.items()):
        answer = ask(viewer, method, address(route, house.keys()), bodies(house)[body])
        assert answer.status_code == 403, (method, route)
    for method, route in sorted(READS):
        answer = ask(viewer, method, address(route, house.keys()) + query_of(route))
        assert answer.status_code == (404 if route.endswith("<str:form>") else 200), (route, answer.content)


def test_models_are_for_staff_alone(house: House, owner: Client, staff: Client) -> None:
    for method, route in sorted(STAFF):
        url = address(route, house.keys())
        assert ask(owner, method, url, {"model": "x"}).status_code == 403, (method, route)
        assert ask(staff, method, url, {"model": "x"}).status_code in {200, 400, 404}, (method, route)
    assert not Choice.objects.exists()


def test_keys_of_another_library_are_unknown_in_this_one(
    house: House, elsewhere: House, owner: Client
) -> None:
    keys = {**elsewhere.keys(), "library_id": str(house.library.pk)}
    for method, route in sorted(call for call in READS | set(WRITES) if call[1].count("<uuid:") == 2):
        body = bodies(house)[WRITES.get((method, route), "")]
        query = query_of(route) if method == "get" else ""
        assert ask(owner, method, address(route, keys) + query, body).status_code == 404, (method, route)
    for (method, route), body in sorted(WRITES.items()):
        if body in NAMING:
            answer = ask(owner, method, address(route, house.keys()), bodies(elsewhere)[body])
            assert answer.status_code == PASSED_OVER.get(route, 404), (method, route, answer.content)
            told = answer.json()
            assert answer.status_code != 202 or not told["queued"]


PASSED_OVER: Final = {
    f"{LIBRARY}/transcripts": 202,
    f"{LIBRARY}/similar/keep": 400,
    f"{LIBRARY}/similar/reconsider": 400,
}
"""Where keys of elsewhere are passed over: each is told, or too few are left."""
NAMING: Final = frozenset({"drawn", "files", "people", "faces", "assign", "cover"})
"""Bodies that name things."""
TAKING: Final = sorted(set(WRITES) | {("put", "models/<str:pipeline>")})


@contextmanager
def undone() -> Iterator[None]:
    """What is done within is not done for those who come after."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def fields_of(paths: Mapping[str, Any], method: str, route: str) -> dict[str, Any]:
    content = operation(paths, method, route).get("requestBody", {}).get("content", {})
    found: dict[str, Any] = content.get("application/json", {}).get("schema", {}).get("properties", {})
    return found


def test_bodies_that_are_none_are_refused(
    paths: dict[str, Any], house: House, owner: Client, staff: Client
) -> None:
    for method, route in TAKING:
        asker = staff if route.startswith("models") else owner
        fields = fields_of(paths, method, route)
        for text in ("[]", "1", '"x"', "[1]", "null", "{", "\0", '{"a":' * 2000):
            with undone():
                answer = ask(asker, method, address(route, house.keys()), text)
            told = (method, route, text[:20], answer.status_code, answer.content[:200])
            assert answer.status_code < 500, told
            assert answer.status_code == 400 or not fields, told


def fits(value: Any, field: Mapping[str, Any]) -> bool:
    """Whether JSON of this type may be meant for the field: then what it says decides."""
    if value is None:
        return bool(field.get("nullable"))
    kinds: dict[str, tuple[type, ...]] = {"array": (list,), "object": (dict,)}
    if field.get("type") == "string" and isinstance(value, bool):
        return False
    return isinstance(value, kinds.get(field.get("type", "string"), (str, int, float)))


@pytest.mark.parametrize(("method", "route"), TAKING)
def test_every_field_is_given_what_it_is_not(
    method: str, route: str, paths: dict[str, Any], house: House, owner: Client, staff: Client
) -> None:
    models = route.startswith("models")
    good = {"model": "x"} if models else bodies(house)[WRITES[method, route]]
    for name, field in fields_of(paths, method, route).items():
        for junk in JUNK:
            with undone():
                url = address(route, house.keys())
                answer = ask(staff if models else owner, method, url, {**good, name: junk})
            told = (name, str(junk)[:30], answer.status_code, answer.content[:200])
            assert answer.status_code < 500, told
            assert answer.status_code >= 400 or fits(junk, field), told
            assert answer.status_code >= 400 or junk not in NEVER, told
            assert answer.status_code >= 400 or field["type"] == "string" or junk not in HUGE, told


def test_fields_are_found_in_the_document(paths: dict[str, Any]) -> None:
    assert sum(len(fields_of(paths, *call)) for call in TAKING) > 20


@pytest.mark.parametrize("route", sorted({route for _, route in READS} | {"models"}))
def test_every_question_is_asked_badly(
    route: str, paths: dict[str, Any], house: House, owner: Client, staff: Client
) -> None:
    url = address(route, house.keys()) + query_of(route)
    asker = staff if route == "models" else owner
    told = [one for one in operation(paths, "get", route).get("parameters", ()) if one["in"] == "query"]
    for name, schema in ((one["name"], one["schema"]) for one in told):
        strict_one = schema.get("type") in {"integer", "number", "boolean"}
        strict_one |= schema.get("format") == "uuid" or "enum" in schema
        for word in (*WORDS, *(CURSORS if name == "cursor" else ())):
            # The last of two of a name counts.
            answer = asker.get(f"{url}{'&' if '?' in url else '?'}{name}={word}")
            about = (name, word[:30], answer.status_code, answer.content[:200])
            assert answer.status_code < 500, about
            if "%00" in word or (word == "x" and strict_one):
                assert answer.status_code == 400, about


def test_answers_are_what_the_document_says(
    schema: dict[str, Any], house: House, owner: Client, staff: Client
) -> None:
    for method, route in sorted(READS | {("get", "models")}):
        if route.endswith("<str:form>"):
            continue  # Bytes.
        asker = staff if route == "models" else owner
        answer = ask(asker, method, address(route, house.keys()) + query_of(route))
        content = operation(schema["paths"], method, route)["responses"]["200"]["content"]["application/json"]
        validator = Draft202012Validator(strict(content["schema"], schema["components"]))
        assert list(validator.iter_errors(answer.json())) == [], route


def test_words_in_addresses_are_names_or_nothing(house: House, owner: Client, staff: Client) -> None:
    for method, route in sorted(call for call in TOLD if "<str:" in call[1]):
        asker = owner if route.startswith(LIBRARY) else staff
        for part in re.findall(r"<str:\w+>", route):
            for word in (*WORDS[1:], "..", "%2e%2e", "default%0a"):
                url = address(route.replace(part, word), house.keys())
                answer = ask(asker, method, url, {"revision": 1, "model": "x"})
                assert answer.status_code in {400, 404}, (method, url[:200], answer.status_code)


def test_a_list_costs_the_same_however_long_it_is(house: House, owner: Client, staff: Client) -> None:
    def cost(route: str) -> int:
        asker = staff if route == "models" else owner
        with CaptureQueriesContext(connection) as captured:
            answer = ask(asker, "get", address(route, house.keys()) + query_of(route))
        assert answer.status_code == 200, (route, answer.content)
        return len(captured)

    for route in LISTS:
        cost(route)  # What is remembered by the process is remembered now.
    short = {route: cost(route) for route in LISTS}
    for _ in range(3):
        furnish(house.library)
    assert {route: cost(route) for route in LISTS} == short
    assert {route: queries for route, queries in short.items() if queries > BUDGETS.get(route, 6)} == {}
