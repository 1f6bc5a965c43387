from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from storage.base import BlobStore
from storage.memory import MemoryStore
from storage.signing import verify
from tests.storage.conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore("memory", secret="only for tests")

    @pytest.fixture
    def reopen(self, store: MemoryStore) -> Callable[[], BlobStore]:
        return lambda: store

    def test_signed_urls_name_the_store(self, store: MemoryStore) -> None:
        url = store.signed_get_url("a/b", expires=timedelta(minutes=1), filename="x.jpg")
        (token,) = parse_qs(urlsplit(url).query)["token"]
        grant = verify(token, "only for tests", verb="get")
        assert (grant.store, grant.key, grant.filename) == ("memory", "a/b", "x.jpg")
