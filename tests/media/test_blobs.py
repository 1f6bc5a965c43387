"""Outputs of a run are stored side by side, in order, and none of them is ever without a row or an entry."""

import threading
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from media import blobs
from media.derivers.base import Output
from media.models import UnnamedBlob
from storage.errors import StoreUnavailableError
from storage.local import LocalStore
from storage.registry import get_store

pytestmark = pytest.mark.django_db


def outputs_in(folder: Path, count: int) -> list[Output]:
    made = [Output(f"{number}.bin", folder / f"{number}.bin", "text/plain") for number in range(count)]
    for number, output in enumerate(made):
        output.path.write_bytes(b"x" * number)
    return made


def test_outputs_are_written_side_by_side_and_told_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, put = threading.Barrier(2), LocalStore.put

    def meeting(self: LocalStore, *arguments: Any, **options: Any) -> Any:
        both.wait(20)
        return put(self, *arguments, **options)

    monkeypatch.setattr(LocalStore, "put", meeting)
    named = blobs.store_outputs(uuid4(), uuid4(), "faces", "1", outputs_in(tmp_path, 6))
    assert [(row["name"], row["size"]) for row in named] == [(f"{number}.bin", number) for number in range(6)]
    assert {row["key"] for row in named} == set(UnnamedBlob.objects.values_list("key", flat=True))
    assert [row["sha256"] for row in named] == [sha256(b"x" * number).hexdigest() for number in range(6)]
    assert [get_store("files").stat(row["key"]).size for row in named] == list(range(6))


def test_where_one_cannot_be_stored_all_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = LocalStore.put

    def failing(self: LocalStore, key: str, *arguments: Any, **options: Any) -> Any:
        if key.endswith("/1.bin"):
            raise StoreUnavailableError("Full.")
        return put(self, key, *arguments, **options)

    monkeypatch.setattr(LocalStore, "put", failing)
    with pytest.raises(StoreUnavailableError):
        blobs.store_outputs(uuid4(), uuid4(), "faces", "1", outputs_in(tmp_path, 3))
    assert UnnamedBlob.objects.count() == 3
    UnnamedBlob.objects.update(due_at="2000-01-01T00:00Z")
    assert blobs.sweep() == 3
    assert list(get_store("files").iterate()) == []


def test_nothing_is_stored_of_nothing() -> None:
    assert blobs.store_outputs(uuid4(), uuid4(), "faces", "1", []) == []
    assert not UnnamedBlob.objects.exists()
