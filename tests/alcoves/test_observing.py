from typing import Any

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


def test_nobody_chooses_the_name_of_a_request(client: Client, db: None) -> None:
    given = client.get("/api/_auth/session", headers={"x-request-id": "abc-12345678"})
    assert len(given["X-Request-ID"]) == 32


def test_a_proxy_that_is_trusted_names_requests(client: Client, db: None, settings: Any) -> None:
    settings.TRUST_REQUEST_IDS = True
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


@pytest.mark.parametrize(
    ("style", "origin"), [("path", "https://s3.example.org"), ("virtual", "https://photos.s3.example.org")]
)
def test_pages_show_what_the_bucket_sends(
    style: str, origin: str, client: Client, db: None, settings: Any
) -> None:
    """Where clients are redirected to the bucket, the policy of the page must let its pictures in."""
    settings.S3_OPTIONS = {"public_endpoint_url": "https://s3.example.org"}
    options = {
        **settings.S3_OPTIONS,
        "endpoint_url": "http://minio:9000",
        "bucket": "photos",
        "access_key": "key",
        "secret_key": "secret",
        "addressing_style": style,
    }
    settings.BLOB_STORES = {
        **settings.BLOB_STORES,
        "files": {"BACKEND": "storage.s3.S3Store", "OPTIONS": options},
    }
    policy = client.get("/login")["Content-Security-Policy"]
    assert f"img-src 'self' {origin} data: blob:; media-src 'self' {origin} blob:;" in policy
    assert policy.count("example.org") == 2


def test_a_bucket_that_only_we_reach_is_in_no_policy(client: Client, db: None, settings: Any) -> None:
    settings.S3_OPTIONS = {"endpoint_url": "http://minio:9000"}
    assert "img-src 'self' data: blob:;" in client.get("/login")["Content-Security-Policy"]
