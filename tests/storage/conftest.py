"""The S3 server that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from tests.storage.s3server import S3Server, running_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for all tests of a run; each test makes a bucket of its own."""
    with running_server() as server:
        yield server
