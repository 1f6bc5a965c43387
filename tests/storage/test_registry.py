import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from storage import registry
from storage.checks import check_stores
from storage.errors import StoreAccessError
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.registry import get_store, reset, store_names

MEMORY = {"BACKEND": "storage.memory.MemoryStore"}


def local(root: object, **options: Any) -> dict[str, Any]:
    return {"BACKEND": "storage.local.LocalStore", "OPTIONS": {"root": root, "secret": "x", **options}}


def s3(**options: Any) -> dict[str, Any]:
    return {"BACKEND": "storage.s3.S3Store", "OPTIONS": options}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    reset()
    yield
    reset()


def test_stores_by_name(tmp_path: Path) -> None:
    with override_settings(BLOB_STORES={"files": local(tmp_path, min_free_bytes=5), "cache": MEMORY}):
        files = get_store("files")
        assert isinstance(files, LocalStore)
        assert (files.name, files.root, files.min_free_bytes) == ("files", tmp_path.resolve(), 5)
        assert isinstance(get_store("cache"), MemoryStore)
        assert get_store("files") is files
        assert store_names() == ["files", "cache"]


def test_other_settings_make_other_stores(tmp_path: Path) -> None:
    with override_settings(BLOB_STORES={"files": MEMORY}):
        first = get_store("files")
        with override_settings(BLOB_STORES={"files": local(tmp_path)}):
            assert isinstance(get_store("files"), LocalStore)
        assert isinstance(get_store("files"), MemoryStore)
        assert get_store("files") is not first


def test_a_name_that_nobody_configured() -> None:
    with (
        override_settings(BLOB_STORES={"files": MEMORY, "cache": MEMORY}),
        pytest.raises(StoreAccessError, match="No blob store is named films; BLOB_STORES has: files, cache"),
    ):
        get_store("films")


def test_many_threads_get_the_same_store() -> None:
    start = threading.Barrier(8)

    def get(_: int) -> int:
        start.wait(30)
        return id(get_store("files"))

    with override_settings(BLOB_STORES={"files": MEMORY}), ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(get, range(8)))) == 1


def test_reset_closes_connections() -> None:
    with override_settings(BLOB_STORES={"files": s3(bucket="photos", access_key="a", secret_key="b")}):
        store: Any = get_store("files")
        assert store._bucket.client is not None
        reset()
        assert store._bucket._client is None
        assert get_store("files") is not store


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "has no BACKEND"),
    ({"BACKEND": "storage.nowhere.Store"}, "cannot be imported"),
    ({"BACKEND": "storage.local.Nothing"}, "cannot be imported"),
    (local("relative/folder"), "root must be an absolute path"),
    ({"BACKEND": "storage.local.LocalStore", "OPTIONS": {"secret": "x"}}, "missing 1 required .*'root'"),
    ({"BACKEND": "storage.local.LocalStore", "OPTIONS": {"root": "/srv/x"}}, "'secret'"),
    (local("/srv/x", colour="red"), "unexpected keyword argument 'colour'"),
    (s3(), "'bucket'"),
    (s3(bucket=""), "bucket must not be empty"),
    (s3(bucket="photos", access_key="a"), "access_key and secret_key go together"),
]


@pytest.mark.parametrize(("configured", "reason"), WRONG)
def test_wrong_settings_name_themselves(configured: dict[str, Any], reason: str) -> None:
    with override_settings(BLOB_STORES={"files": configured, "good": MEMORY}):
        with pytest.raises(ImproperlyConfigured, match=rf"^BLOB_STORES\['files'\].*{reason}"):
            get_store("files")
        (message,) = check_stores(None)
        assert message.id == "storage.E001"
        assert message.hint == "Correct BLOB_STORES['files']."


def test_right_settings_pass_the_check(tmp_path: Path) -> None:
    right = {
        "files": local(tmp_path / "files"),
        "cache": local(tmp_path / "cache"),
        "media": s3(bucket="photos", prefix="media", access_key="a", secret_key="b"),
    }
    with override_settings(BLOB_STORES=right):
        assert check_stores(None) == []
    assert list(tmp_path.glob("files")) == []  # Checking makes no folders.


def test_a_store_inside_another_is_refused(tmp_path: Path) -> None:
    nested = {
        "files": local(tmp_path / "a"),
        "cache": local(tmp_path / "a" / "cache"),
        "other": local(tmp_path / "ab"),
    }
    with override_settings(BLOB_STORES=nested):
        (message,) = check_stores(None)
    assert message.id == "storage.E002"
    assert "BLOB_STORES['cache'] keeps its files inside the folder of 'files'" in str(message.msg)
    with override_settings(BLOB_STORES={"one": local(tmp_path), "two": local(tmp_path)}):
        assert len(check_stores(None)) == 2


def test_no_settings_are_no_stores() -> None:
    with override_settings(BLOB_STORES={}):
        assert store_names() == []
        assert registry.stores.names() == []
        with pytest.raises(StoreAccessError, match="none"):
            get_store("files")
