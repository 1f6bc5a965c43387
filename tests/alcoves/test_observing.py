import pytest
from django.test import Client

from alcoves import metrics
from alcoves.accounts.models import User
from media.models import Library
from tests.conftest import client_of


def count(route: str, status: str) -> float:
    labels = {"method": "GET", "route": route, "status": status}
    return float(metrics.HTTP_SECONDS.labels(**labels)._sum.get())


def test_requests_are_counted_by_route_and_never_by_path(alice: User, library: Library) -> None:
    route = "api/libraries/<uuid:library_id>"
    before = count(route, "200")
    client_of(alice).get(f"/api/libraries/{library.pk}")
    assert count(route, "200") > before
    client_of(alice).get("/invented/by/somebody")
    assert str(library.pk).encode() not in metrics.render()
    assert b"invented" not in metrics.render()
    assert count("unmatched", "404") > 0


def test_a_request_has_a_name(client: Client, db: None) -> None:
    assert len(client.get("/api/_auth/session")["X-Request-ID"]) == 32
    given = client.get("/api/_auth/session", headers={"x-request-id": "abc-12345678"})
    assert given["X-Request-ID"] == "abc-12345678"
    for bad in ("a b", "x" * 100, "short", "<script>"):
        assert client.get("/api/_auth/session", headers={"x-request-id": bad})["X-Request-ID"] != bad


@pytest.mark.parametrize("path", ["/login", "/api/_auth/session", "/nothing"])
def test_every_answer_has_a_strict_policy(path: str, client: Client, db: None) -> None:
    policy = client.get(path)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
