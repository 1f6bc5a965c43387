"""Every address of the URLconf, asked without a login: nothing but this list may answer."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC = {
    "login": "the login page",
    "admin/login/": "leads to the login page",
    "api/_auth/session": "says that nobody is logged in",
    "api/auth/login": "the way in",
    "api/schema/": "the OpenAPI document names no data",
    "api/docs/": "the same, to read",
    "healthz": "that the process lives",
    "readyz": "which part fails; no data",
    "metrics": "for this machine; tested in test_scraping",
    "metrics/all": "the same, with the workers",
    "admin/jsi18n/": "words of the admin's scripts",
    "admin/logout/": "ends a session that is not there, then leads to the admin, and so to the login page",
}
BY_SIGNATURE = {"api/files/signed", "api/files/upload-signed", "api/tus", "api/tus/<uuid:upload_id>"}
"""Their own checks: a signed token, and tus answers OPTIONS to anybody."""
TO_LOGIN = {"", "libraries", "files/<uuid:library_id>/<uuid:file_id>", "flower/", "flower/<path:path>"}
METHODS = ("get", "post", "put", "patch", "delete")
VALUES = {"uuid": str(UUID(int=7)), "str": "x", "path": "x", "int": "1", "slug": "x"}


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one.url_patterns, route)
        else:
            yield route


ALL = sorted(set(routes(get_resolver().url_patterns)))


def address(route: str) -> str:
    filled = re.sub(r"<(?:(\w+):)?\w+>", lambda found: VALUES[found[1] or "str"], route)
    filled = re.sub(r"\(\?P<\w+>[^)]*\)", "x", filled)
    return "/" + filled.replace("^", "").replace("\\Z", "").replace("$", "")


def test_the_walk_sees_the_whole_house() -> None:
    assert len(ALL) > 80
    assert "api/libraries/<uuid:library_id>/files/<uuid:file_id>/original" in ALL


@pytest.mark.parametrize("route", [route for route in ALL if route not in PUBLIC])
def test_nobody_gets_in(route: str, client: Client, db: None) -> None:
    for method in METHODS:
        answer = getattr(client, method)(address(route))
        if route.startswith("api/"):
            allowed = {401, 403, 404, 405} | ({400, 412} if route in BY_SIGNATURE else set())
            assert answer.status_code in allowed, f"{method} {route} answers {answer.status_code}"
        else:
            assert answer.status_code in {302, 301, 403, 404, 405}, (
                f"{method} {route} answers {answer.status_code}"
            )
            if answer.status_code == 302:
                assert "login" in answer["Location"], f"{method} {route} leads to {answer['Location']}"


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_the_list_names_only_what_there_is(route: str) -> None:
    assert route in ALL
