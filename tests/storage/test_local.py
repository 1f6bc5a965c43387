import errno
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storage import disk
from storage.base import BlobStore
from storage.errors import (
    BlobNotFoundError,
    InvalidKeyError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    UnreadableError,
)
from storage.local import STAGING, LocalStore
from tests.storage.conformance import MIB, StoreConformance, chunked, data_of, keys_of, read
from tests.storage.probe import growth_of_put


def make(root: Path, **options: object) -> LocalStore:
    return LocalStore("local", root=root, secret="only for tests", **options)  # type: ignore[arg-type]


class TestLocalStore(StoreConformance):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "blobs"

    @pytest.fixture
    def store(self, root: Path) -> LocalStore:
        return make(root)

    @pytest.fixture
    def reopen(self, root: Path) -> Callable[[], BlobStore]:
        return lambda: make(root)

    def fill(self, store: BlobStore, keys: list[str]) -> None:
        assert isinstance(store, LocalStore)
        super().fill(make(store.root, sync=False), keys)

    def assert_nothing_staged(self, store: BlobStore) -> None:
        assert isinstance(store, LocalStore)
        assert list((store.root / STAGING).iterdir()) == []


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return make(tmp_path / "blobs")


def test_files_and_folders_belong_to_us_alone(store: LocalStore) -> None:
    old = os.umask(0o077)
    try:
        store.put("a/b/c", [b"x"])
        shared = make(store.root, file_mode=0o640, dir_mode=0o750)
        shared.put("d/e", [b"x"])
    finally:
        os.umask(old)
    found = {str(path.relative_to(store.root)): path.stat().st_mode & 0o777 for path in store.root.rglob("*")}
    assert found == {
        STAGING: 0o700, "a": 0o700, "a/b": 0o700, "a/b/c": 0o600, "d": 0o750, "d/e": 0o640,
    }  # fmt: skip


def test_a_relative_root_or_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="root must be an absolute path"):
        LocalStore("local", root="var/files", secret="x")
    with pytest.raises(ValueError, match="secret must not be empty"):
        LocalStore("local", root="/srv/files", secret="")


def test_links_are_not_followed(store: LocalStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private").write_bytes(b"private")
    store.put("kept/a", [b"a"])
    (store.root / "folder").symlink_to(outside)
    (store.root / "file").symlink_to(outside / "private")
    (store.root / "inner").symlink_to(store.root / "kept/a")
    for key in ("folder/private", "folder/new", "file", "inner"):
        verbs: list[Callable[[], object]] = [
            lambda key=key: store.open(key),  # type: ignore[misc]
            lambda key=key: store.stat(key),  # type: ignore[misc]
            lambda key=key: store.put(key, [b"x"]),  # type: ignore[misc]
            lambda key=key: store.put(key, [b"x"], if_absent=True),  # type: ignore[misc]
            lambda key=key: store.delete(key),  # type: ignore[misc]
            lambda key=key: store.copy("kept/a", key),  # type: ignore[misc]
            lambda key=key: store.copy(key, "copy"),  # type: ignore[misc]
            lambda key=key: store.local_path(key),  # type: ignore[misc]
            lambda key=key: store.begin(key),  # type: ignore[misc]
        ]
        for verb in verbs:
            with pytest.raises(InvalidKeyError, match="symbolic link"):
                verb()
    assert [path.name for path in outside.iterdir()] == ["private"]
    assert (outside / "private").read_bytes() == b"private"
    assert keys_of(store) == ["kept/a"]


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "blobs").symlink_to(tmp_path / "disk")
    store = make(tmp_path / "blobs")
    store.put("a", [b"x"])
    assert (tmp_path / "disk" / "a").read_bytes() == b"x"


def test_a_pipe_in_the_folder_is_no_blob(store: LocalStore) -> None:
    store.put("a", [b"x"])
    os.mkfifo(store.root / "pipe")
    with pytest.raises(BlobNotFoundError):
        store.open("pipe")
    assert keys_of(store) == ["a"]


def test_a_key_cannot_be_file_and_folder(store: LocalStore) -> None:
    store.put("a/b", [b"x"])
    for if_absent in (False, True):
        with pytest.raises(InvalidKeyError, match="choose another"):
            store.put("a", [b"y"], if_absent=if_absent)
        with pytest.raises(InvalidKeyError, match="choose another"):
            store.put("a/b/c", [b"y"], if_absent=if_absent)
    assert keys_of(store) == ["a/b"]


def test_delete_removes_empty_folders_only(store: LocalStore) -> None:
    store.put("a/b/c/d", [b"x"])
    store.put("a/e", [b"x"])
    store.delete("a/b/c/d")
    assert sorted(path.name for path in store.root.iterdir()) == [STAGING, "a"]
    assert [path.name for path in (store.root / "a").iterdir()] == ["e"]
    store.delete("a/e")
    assert [path.name for path in store.root.iterdir()] == [STAGING]


def test_puts_and_deletes_in_the_same_folder_do_not_disturb_each_other(store: LocalStore) -> None:
    quick = make(store.root, sync=False)
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait(30)
        for _ in range(300):
            quick.put(f"x/y/z/{number}", [b"mine"])
            assert read(quick, f"x/y/z/{number}") == b"mine"
            quick.delete(f"x/y/z/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [path.name for path in store.root.iterdir()] == [STAGING]


def test_a_half_written_file_is_never_under_its_key(store: LocalStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        assert not (store.root / "a").exists()
        assert [path.stat().st_size for path in (store.root / STAGING).iterdir()] == [4]
        yield b"whole"

    assert store.put("a", chunks()).size == 9


# What the disk can refuse.


@pytest.fixture
def full(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """Writes go to the kernel's own full disk."""
    store.put("old", [b"old"])
    monkeypatch.setattr(store, "_create", lambda _path: os.open("/dev/full", os.O_RDWR))
    return store


def test_a_full_disk(full: LocalStore) -> None:
    with pytest.raises(StoreFullError, match="make room") as caught:
        full.put("a", [b"x"])
    assert caught.value.retry
    assert caught.value.http_status == 507
    with pytest.raises(StoreFullError):
        full.check()
    assert keys_of(full) == ["old"]


def test_a_full_disk_in_the_middle_of_an_upload(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = store.append(store.begin("a"), 0, [b"12345"])
    real = disk.write_all

    def runs_full(fd: int, data: bytes) -> None:
        real(fd, data[:2])
        device = os.open("/dev/full", os.O_WRONLY)
        try:
            real(device, data[2:])
        finally:
            os.close(device)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "write_all", runs_full)
        with pytest.raises(StoreFullError):
            store.append(state, 5, [b"67890"])
    state, kept = store.append(state, 5, [b"67890"])
    assert kept == 5
    store.finish(state, size=10)
    assert read(store, "a") == b"1234567890"


def test_the_reserve_is_kept_free(tmp_path: Path) -> None:
    store = make(tmp_path, min_free_bytes=1 << 60)
    verbs: list[Callable[[], object]] = [
        lambda: store.put("a", [b"x"]),
        lambda: store.append(store.begin("a"), 0, [b"x"]),
        store.check,
    ]
    for verb in verbs:
        with pytest.raises(StoreFullError, match="in reserve; make room"):
            verb()
    with pytest.raises(StoreFullError):
        make(tmp_path).put("a", [b"x"], size=1 << 60)
    free = make(tmp_path).free_bytes()
    assert free is not None
    assert free < 1 << 60


def _put_under_a_limit(root: Path) -> tuple[str, bool, list[str]]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
    store = make(root)
    try:
        store.put("big", chunked(data_of(3 * MIB)))
    except StoreError as error:
        return type(error).__name__, error.retry, keys_of(store)
    return "nothing raised", False, keys_of(store)


def test_a_limit_on_file_sizes(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_put_under_a_limit, tmp_path).result(60) == ("StoreAccessError", False, [])


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFullError),
        (errno.EDQUOT, StoreFullError),
        (errno.EACCES, StoreAccessError),
        (errno.EROFS, StoreAccessError),
        (errno.EIO, StoreUnavailableError),
        (errno.ESTALE, StoreUnavailableError),
        (errno.ENOENT, BlobNotFoundError),
        (errno.ELOOP, InvalidKeyError),
    ],
)
def test_what_the_kernel_says(number: int, kind: type[StoreError]) -> None:
    with pytest.raises(StoreError) as caught, disk.translated("files", "a/b"):
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind
    assert caught.value.retry == (kind in {StoreFullError, StoreUnavailableError})
    assert "files" in str(caught.value)


@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN, errno.EBADMSG])
def test_bytes_that_the_disk_cannot_read_cost_one_blob(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Told by the blob's own key; the others are read."""
    for key in ("a/bad", "a/good"):
        store.put(key, [key.encode()])
    bad, real = (store.root / "a/bad").stat().st_ino, os.preadv

    def preadv(fd: int, *more: Any) -> int:
        if os.fstat(fd).st_ino == bad:
            raise OSError(number, os.strerror(number))
        return real(fd, *more)

    monkeypatch.setattr(os, "preadv", preadv)
    with store.open("a/bad") as file, pytest.raises(UnreadableError, match="cannot read a/bad"):
        file.read()
    assert read(store, "a/good") == b"a/good"


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError):
        make(tmp_path / "file").check()


def test_a_folder_we_may_not_write(tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        tmp_path.chmod(0o555)
        try:
            assert pool.submit(_check_as_nobody, tmp_path).result(60) == ("StoreAccessError", False)
        finally:
            tmp_path.chmod(0o755)


def _check_as_nobody(root: Path) -> tuple[str, bool]:
    if os.geteuid() == 0:
        # Root may write anywhere; without its capabilities it is like everybody else. The folders above
        # belong to root, so the check ends there at the latest.
        os.setresuid(65534, 65534, 65534)
    try:
        make(root / "blobs").check()
    except StoreError as error:
        return type(error).__name__, error.retry
    return "nothing raised", False


def test_errors_of_the_source_pass_as_they_are(store: LocalStore) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, "the caller's own disk")

    with pytest.raises(OSError, match="the caller's own disk"):
        store.put("a", chunks())
    assert keys_of(store) == []


def test_copying_without_help_from_the_kernel(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: int, _target: int, _count: int) -> int:
        raise OSError(errno.EXDEV, "not on this file system")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    store.put("a", chunked(data_of(3 * MIB)))
    store.copy("a", "b")
    assert read(store, "b") == data_of(3 * MIB)


# Unfinished things.


def test_sweeping_spares_the_young(store: LocalStore) -> None:
    state, _ = store.append(store.begin("a"), 0, [b"young"])
    old = store.begin("b")
    part = store.root / STAGING / f"{old['id']}.part"
    os.utime(part, (1, 1))
    assert store.sweep_staging(timedelta(hours=1)) == 1
    assert not part.exists()
    with pytest.raises(BlobNotFoundError, match="begin it again"):
        store.append(old, 0, [b"x"])
    assert store.finish(state, size=5).size == 5


def test_a_forged_state_reaches_no_other_file(store: LocalStore) -> None:
    store.put("a", [b"x"])
    state = store.begin("b") | {"id": "../a"}
    for verb in (lambda: store.append(state, 0, [b"y"]), lambda: store.abort(state)):
        with pytest.raises(BlobNotFoundError):
            verb()
    assert read(store, "a") == b"x"


def test_memory_stays_small(tmp_path: Path) -> None:
    options = {"root": str(tmp_path), "secret": "x", "sync": False}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        growth, size = pool.submit(growth_of_put, "storage.local.LocalStore", options, 200).result(120)
    assert size == 200 * MIB
    assert growth < 8 * MIB


def test_new_folders_and_names_are_synced_before_put_returns(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes before they have their name; then each folder in which something is new, above all the key's own."""
    store.put("a/kept", [b"x"])
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def noted(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        synced.append((str(path.relative_to(store.root)), (store.root / "a/b/c/key").exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    store.put("a/b/c/key", [b"y"])
    (staged, named), *folders = synced
    assert staged.startswith(STAGING)
    assert not named
    assert folders == [("a/b/c", True), ("a/b", True), ("a", True)]
    synced.clear()
    store.put("a/b/c/other", [b"y"])
    assert [name for name, _ in synced[1:]] == ["a/b/c"]
