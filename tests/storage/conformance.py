"""What every store must do. Each backend's test file makes a subclass with its own `store` fixture."""

import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.base import Assembly, BlobStore
from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    ChecksumMismatchError,
    InvalidKeyError,
    RangeError,
    SizeMismatchError,
)

MIB = 1024 * 1024
PART = 5 * MIB
"""The stores under test with parts use the smallest there can be, so that little data makes many."""

BAD_KEYS = [
    "",
    "/etc/passwd",
    "../outside",
    "a/../../outside",
    "a/..",
    "a/./b",
    "a//b",
    "a/",
    ".hidden",
    "a/.hidden/b",
    "%2e%2e/outside",
    "a\x00b",
    "a\nb",
    "a\n",
    "a b",
    "a\\b",
    "bücher",
    "a\u2215b",
    "x" * 256,
    "/".join(["x" * 100] * 6),
]


def data_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def chunked(data: bytes, size: int = MIB) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(store: BlobStore, key: str, **limits: Any) -> bytes:
    with store.open(key, **limits) as blob:
        return blob.read()


def keys_of(store: BlobStore, prefix: str = "", after: str = "") -> list[str]:
    return [blob.key for blob in store.iterate(prefix, after=after)]


def saved(state: Assembly) -> Assembly:
    """What the database gives back of a state."""
    loaded: Assembly = json.loads(json.dumps(state))
    return loaded


class ClientGoneError(Exception):
    """What a web server raises when the other side has hung up."""


def dying(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ClientGoneError


class StoreConformance:
    """Subclasses give `store`, empty, and `reopen`, which makes it as another process has it."""

    def fill(self, store: BlobStore, keys: list[str]) -> None:
        for key in keys:
            store.put(key, [b"x"])

    # Put, open, stat, delete.

    @pytest.mark.parametrize("size", [0, 1, 1000, MIB, PART, PART + 1, 2 * PART, 2 * PART + 77])
    def test_what_is_put_is_read_back(self, store: BlobStore, size: int) -> None:
        data = data_of(size)
        put = store.put("a/b.bin", chunked(data), content_type="image/jpeg")
        assert read(store, "a/b.bin") == data
        assert (put.key, put.size, put.sha256) == ("a/b.bin", size, sha256_of(data))
        found = store.stat("a/b.bin")
        assert (found.key, found.size, found.etag) == (put.key, put.size, put.etag)
        assert found.sha256 in {None, put.sha256}
        assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert '"' not in found.etag

    def test_chunks_of_any_size_are_joined(self, store: BlobStore) -> None:
        data = data_of(3 * PART)
        put = store.put("a", [b"", data[:1], b"", data[1 : 2 * PART + 9], data[2 * PART + 9 :], b""])
        assert put.sha256 == sha256_of(data)
        assert read(store, "a") == data

    def test_put_replaces_and_the_etag_changes(self, store: BlobStore) -> None:
        first = store.put("a", [b"one"])
        second = store.put("a", [b"two"])
        assert first.etag != second.etag
        assert read(store, "a") == b"two"

    def test_what_is_not_there_is_not_found(self, store: BlobStore) -> None:
        store.put("a/b", [b"x"])
        for key in ("c", "a", "a/b/c", "a/bb"):
            with pytest.raises(BlobNotFoundError):
                store.stat(key)
            with pytest.raises(BlobNotFoundError):
                read(store, key)
            with pytest.raises(BlobNotFoundError):
                read(store, key, start=1, end=2)
            with pytest.raises(BlobNotFoundError):
                store.copy(key, "d")

    def test_delete_is_idempotent(self, store: BlobStore) -> None:
        store.put("a/b/c", [b"x"])
        store.put("a/d", [b"y"])
        for _ in range(2):
            store.delete("a/b/c")
            store.delete("a/b")
        assert keys_of(store) == ["a/d"]

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_bad_keys_are_refused_by_every_verb(self, store: BlobStore, key: str) -> None:
        store.put("a", [b"x"])
        verbs: list[Callable[[], object]] = [
            lambda: store.put(key, [b"x"]),
            lambda: store.open(key),
            lambda: store.stat(key),
            lambda: store.delete(key),
            lambda: store.copy("a", key),
            lambda: store.copy(key, "a"),
            lambda: store.signed_get_url(key, expires=timedelta(minutes=1)),
            lambda: store.signed_put_url(key, expires=timedelta(minutes=1), size=1, content_type="a/b"),
            lambda: store.local_path(key),
            lambda: store.begin(key),
        ]
        for verb in verbs:
            with pytest.raises(InvalidKeyError):
                verb()
        assert keys_of(store) == ["a"]

    # Ranges.

    @pytest.mark.parametrize(
        ("start", "end"),
        [(0, 1), (0, 10), (3, 7), (9, 10), (9, None), (0, 99), (5, 99), (0, None), (10, 12), (4, 4), (0, 0)],
    )
    def test_ranges(self, store: BlobStore, start: int, end: int | None) -> None:
        store.put("a", [b"0123456789"])
        assert read(store, "a", start=start, end=end) == b"0123456789"[start:end]

    @pytest.mark.parametrize(("start", "end"), [(11, None), (11, 12), (99, 100), (11, 11), (-1, None)])
    def test_ranges_beyond_the_end(self, store: BlobStore, start: int, end: int | None) -> None:
        store.put("a", [b"0123456789"])
        with pytest.raises(RangeError):
            read(store, "a", start=start, end=end)

    def test_ranges_of_an_empty_blob(self, store: BlobStore) -> None:
        store.put("a", [])
        assert read(store, "a") == b""
        assert read(store, "a", start=0, end=5) == b""
        with pytest.raises(RangeError):
            read(store, "a", start=1)

    def test_reading_in_pieces(self, store: BlobStore) -> None:
        data = data_of(3 * MIB + 5)
        store.put("a", [data])
        with store.open("a", start=7) as blob:
            pieces = list(iter(lambda: blob.read(100_000), b""))
        assert b"".join(pieces) == data[7:]
        assert len(pieces) > 30

    # Promises and atomicity.

    @pytest.mark.parametrize("size", [10, 2 * PART + 3])
    def test_broken_promises_store_nothing(self, store: BlobStore, size: int) -> None:
        data = data_of(size)
        for promised in (size - 1, size + 1, 0):
            with pytest.raises(SizeMismatchError):
                store.put("a", chunked(data), size=promised)
        with pytest.raises(ChecksumMismatchError):
            store.put("a", chunked(data), size=size, sha256=sha256_of(b"other"))
        assert keys_of(store) == []
        self.assert_nothing_staged(store)

    def test_kept_promises(self, store: BlobStore) -> None:
        data = data_of(2 * PART + 3)
        put = store.put("a", chunked(data), size=len(data), sha256=sha256_of(data).upper())
        assert put.sha256 == sha256_of(data)

    @pytest.mark.parametrize("size", [10, 2 * PART + 3])
    def test_a_source_that_fails_leaves_the_old_blob(self, store: BlobStore, size: int) -> None:
        store.put("a", [b"old"])
        with pytest.raises(ClientGoneError):
            store.put("a", dying(data_of(size)))
        assert read(store, "a") == b"old"
        self.assert_nothing_staged(store)

    def assert_nothing_staged(self, store: BlobStore) -> None:
        """Subclasses look where their store keeps what is unfinished."""
        assert store.sweep_staging(timedelta(seconds=-60)) == 0

    def test_readers_see_the_old_or_the_new_never_a_mix(self, store: BlobStore) -> None:
        blobs = [bytes([letter]) * (300_000 + letter) for letter in b"ab"]
        store.put("a", [blobs[0]])
        done = threading.Event()

        def watch() -> int:
            reads = 0
            while not done.is_set() or reads == 0:
                assert read(store, "a") in blobs
                reads += 1
            return reads

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(watch) for _ in range(3)]
            try:
                for turn in range(30):
                    store.put("a", chunked(blobs[turn % 2], 50_000))
            finally:
                done.set()
            assert all(reader.result() > 0 for reader in readers)

    def test_if_absent(self, store: BlobStore) -> None:
        for size in (3, 2 * PART + 1):
            key = f"blob-{size}"
            store.put(key, chunked(data_of(size)), if_absent=True)
            with pytest.raises(BlobExistsError):
                store.put(key, [b"other"], if_absent=True)
            with pytest.raises(BlobExistsError):
                store.put(key, chunked(data_of(2 * PART + 1, seed=2)), if_absent=True)
            assert read(store, key) == data_of(size)
        self.assert_nothing_staged(store)

    def test_if_absent_has_exactly_one_winner(self, store: BlobStore) -> None:
        start = threading.Barrier(12)

        def attempt(number: int) -> int | None:
            def chunks() -> Iterator[bytes]:
                start.wait(30)  # Everyone has passed any early look before the first one publishes.
                yield f"writer {number}".encode()

            try:
                store.put("race", chunks(), if_absent=True)
            except BlobExistsError:
                return None
            return number

        with ThreadPoolExecutor(12) as pool:
            winners = [number for number in pool.map(attempt, range(12)) if number is not None]
        assert len(winners) == 1
        assert read(store, "race") == f"writer {winners[0]}".encode()
        self.assert_nothing_staged(store)

    # Copy and iterate.

    @pytest.mark.parametrize("size", [0, 10, 2 * PART + 3])
    def test_copy(self, store: BlobStore, size: int) -> None:
        data = data_of(size)
        store.put("a/b", chunked(data))
        store.put("c/d", [b"replaced"])
        copied = store.copy("a/b", "c/d")
        assert (copied.key, copied.size) == ("c/d", size)
        assert copied.sha256 in {None, sha256_of(data)}
        assert store.stat("c/d").etag == copied.etag
        assert store.stat("c/d").sha256 in {None, sha256_of(data)}
        store.delete("a/b")
        assert read(store, "c/d") == data

    def test_keys_come_in_order(self, store: BlobStore) -> None:
        names = [
            "a-b",
            "a/b",
            "a/c/d",
            "a.b",
            "a0",
            "a_b",
            "A",
            "b",
            "a/b-c",
            "a/b.c",
            "a/b0/x",
            "a/bb",
            "ab/x",
        ]
        self.fill(store, names)
        assert keys_of(store) == sorted(names)
        for prefix in ("a", "a/", "a/b", "a/b0/", "ab/x", "zz", "a/b0/x/y", "b"):
            assert keys_of(store, prefix) == sorted(name for name in names if name.startswith(prefix))
        for after in (*names, "a/", "a/b/zz", "0", "zz", "a/c"):
            assert keys_of(store, after=after) == sorted(name for name in names if name > after)
            assert keys_of(store, "a/", after) == sorted(n for n in names if n > after and n[:2] == "a/")

    def test_iterating_tells_size_and_etag(self, store: BlobStore) -> None:
        put = store.put("a/b", [b"12345"])
        (found,) = store.iterate("a/")
        assert (found.key, found.size, found.etag) == ("a/b", 5, put.etag)
        assert found.modified_at.tzinfo is not None

    def test_more_keys_than_a_page(self, store: BlobStore) -> None:
        names = [f"many/{number % 40:02}/{number:05}" for number in range(2050)]
        self.fill(store, names)
        assert keys_of(store) == sorted(names)
        middle = sorted(names)[1030]
        assert keys_of(store, "many/", middle) == sorted(names)[1031:]

    def test_blobs_may_vanish_while_iterating(self, store: BlobStore) -> None:
        self.fill(store, ["a/1", "a/2", "b/3"])
        found = []
        for blob in store.iterate():
            found.append(blob.key)
            store.delete(blob.key)
        assert found == ["a/1", "a/2", "b/3"]
        assert keys_of(store) == []

    # Assemblies.

    @pytest.mark.parametrize(
        "sizes",
        [
            [],
            [0],
            [1],
            [0, 3, 0, 4, 0],
            [PART],
            [PART, PART],
            [PART - 1, 2, PART - 1],
            [PART + 1, 0, 2 * PART + 5, 7, 1],
            [3 * PART + 3],
            [MIB] * 7,
            [PART, 1, PART, 1],
        ],
    )
    def test_a_blob_grows(self, store: BlobStore, reopen: Callable[[], BlobStore], sizes: list[int]) -> None:
        state, whole = saved(store.begin("up/load", content_type="video/mp4")), b""
        for number, size in enumerate(sizes):
            data = data_of(size, seed=number)
            state, kept = reopen().append(saved(state), len(whole), chunked(data, 700_001))
            assert kept == size
            whole += data
            assert keys_of(store) == []
        done = reopen().finish(saved(state), size=len(whole))
        assert (done.key, done.size) == ("up/load", len(whole))
        assert done.sha256 in {None, sha256_of(whole)}
        assert store.stat("up/load").etag == done.etag
        assert read(store, "up/load") == whole
        assert keys_of(store) == ["up/load"]
        self.assert_nothing_staged(store)

    @pytest.mark.parametrize("size", [10, PART + 3])
    def test_a_client_that_goes_away_loses_nothing_that_arrived(self, store: BlobStore, size: int) -> None:
        data = data_of(size + 100)
        state = store.begin("a")
        state, kept = store.append(state, 0, dying(data[: size // 2], data[size // 2 : size]))
        assert kept == size
        state, kept = store.append(saved(state), size, dying())
        assert kept == 0
        state, kept = store.append(saved(state), size, [data[size:]])
        assert kept == 100
        store.finish(state, size=len(data))
        assert read(store, "a") == data

    @pytest.mark.parametrize("before", [0, 10, PART, PART + 10, 2 * PART - 1])
    @pytest.mark.parametrize("lost", [1, 10, PART + 7])
    def test_a_server_that_died_before_saving(self, store: BlobStore, before: int, lost: int) -> None:
        """The state that was saved goes on at its own offset; bytes beyond it are overwritten."""
        data = data_of(before + lost + 5)
        state, _ = store.append(store.begin("a"), 0, chunked(data[:before]))
        old = saved(state)
        store.append(saved(old), before, chunked(data_of(lost, seed=9)))
        state, kept = store.append(saved(old), before, chunked(data[before:]))
        assert kept == lost + 5
        store.finish(saved(state), size=len(data))
        assert read(store, "a") == data
        self.assert_nothing_staged(store)

    def test_an_offset_behind_the_end_cuts(self, store: BlobStore) -> None:
        state, _ = store.append(store.begin("a"), 0, [b"0123456789"])
        state, kept = store.append(state, 4, [b"xy"])
        assert kept == 2
        with pytest.raises(SizeMismatchError):
            store.append(state, 7, [b"gap"])
        with pytest.raises(SizeMismatchError):
            store.append(state, -1, [b"gap"])
        store.finish(state, size=6)
        assert read(store, "a") == b"0123xy"

    @pytest.mark.parametrize("size", [10, PART + 10])
    def test_finish_with_another_size(self, store: BlobStore, size: int) -> None:
        state, _ = store.append(store.begin("a"), 0, [data_of(size)])
        for wrong in (0, size - 1, size + 1):
            with pytest.raises(SizeMismatchError):
                store.finish(state, size=wrong)
        assert keys_of(store) == []
        assert store.finish(state, size=size).size == size

    @pytest.mark.parametrize("size", [0, 10, PART + 10])
    def test_finish_again(self, store: BlobStore, size: int) -> None:
        state, _ = store.append(store.begin("a"), 0, [data_of(size)])
        first = store.finish(saved(state), size=size)
        assert store.finish(saved(state), size=size).etag == first.etag
        assert read(store, "a") == data_of(size)

    @pytest.mark.parametrize("size", [0, 10, PART + 10])
    def test_abort_frees(self, store: BlobStore, size: int) -> None:
        state, _ = store.append(store.begin("a"), 0, [data_of(size)])
        for _ in range(2):
            store.abort(saved(state))
        self.assert_nothing_staged(store)
        assert keys_of(store) == []
        with pytest.raises(BlobNotFoundError):
            store.finish(state, size=size)

    def test_uploads_of_the_same_key_do_not_meet(self, store: BlobStore) -> None:
        one, _ = store.append(store.begin("a"), 0, [b"one"])
        two, _ = store.append(store.begin("a"), 0, [b"other"])
        store.abort(one)
        store.finish(two, size=5)
        assert read(store, "a") == b"other"

    def test_sweeping_frees_what_nobody_finished(self, store: BlobStore) -> None:
        store.put("a", [b"stays"])
        store.append(store.begin("b"), 0, [data_of(10)])
        assert store.sweep_staging(timedelta(hours=1)) == 0
        assert store.sweep_staging(timedelta(seconds=-60)) >= 1
        self.assert_nothing_staged(store)
        assert keys_of(store) == ["a"]

    # The rest.

    def test_check_leaves_nothing_behind(self, store: BlobStore) -> None:
        store.check()
        assert keys_of(store) == []
        self.assert_nothing_staged(store)
        free = store.free_bytes()
        assert free is None or free > 0

    def test_local_path_is_a_file_or_nothing(self, store: BlobStore) -> None:
        store.put("a/b", [b"here"])
        path = store.local_path("a/b")
        assert path is None or path.read_bytes() == b"here"
        assert store.local_path("a/c") is None
        assert store.local_path("a") is None

    def test_its_name_is_known_and_no_secret_is_shown(self, store: BlobStore) -> None:
        assert store.name in repr(store)
        assert "secret" not in repr(store).lower()
