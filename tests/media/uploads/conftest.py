"""Every store the ways in must work with."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from media.uploads import digests
from storage import registry
from tests.storage.s3server import S3Server, running_server

_numbers = count()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with running_server() as server:
        yield server


@pytest.fixture(autouse=True)
def fresh_process(settings: Any, tmp_path: Path) -> None:
    """No hash state of an earlier test; a folder for static files, which WhiteNoise wants to see."""
    digests.forget()
    settings.STATIC_ROOT = tmp_path


@pytest.fixture(params=["local", "memory", "s3"])
def any_store(request: pytest.FixtureRequest, settings: Any, own_stores: None) -> str:
    """The store of files is local, in memory, or on an S3 server, in turn."""
    kind: str = request.param
    if kind == "memory":
        use(settings, "storage.memory.MemoryStore", {"secret": "test-store-secret"})
    if kind == "s3":
        server: S3Server = request.getfixturevalue("s3")
        bucket = server.create_bucket(f"uploads-{next(_numbers)}")
        use(settings, "storage.s3.S3Store", server.options | {"bucket": bucket, "part_size": 5 * 1024 * 1024})
    return kind


def use(settings: Any, backend: str, options: dict[str, Any]) -> None:
    settings.BLOB_STORES = settings.BLOB_STORES | {"files": {"BACKEND": backend, "OPTIONS": options}}
    registry.reset()
