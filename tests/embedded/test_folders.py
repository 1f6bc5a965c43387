"""The data folder, the sockets' folder, the lock: each refusal is one clear sentence."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from alcoves.embedded import folders
from alcoves.embedded.errors import EmbeddedError


def test_rooms_are_made_and_private(tmp_path: Path) -> None:
    data = tmp_path / "new" / "var"
    folders.prepare_data_folder(data, minimum_free=0)
    assert sorted(path.name for path in data.iterdir()) == ["log", "run"]
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="MB are free on the disk") as raised:
        folders.prepare_data_folder(tmp_path, minimum_free=2**62)
    assert "\n" not in str(raised.value)


def test_an_install_that_filled_its_disk_starts_with_less_room_than_a_first_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=folders.LATER_FREE))
    with pytest.raises(EmbeddedError, match="500 MB are needed"):
        folders.prepare_data_folder(tmp_path)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    folders.prepare_data_folder(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=folders.LATER_FREE - 1))
    with pytest.raises(EmbeddedError, match="50 MB are needed"):
        folders.prepare_data_folder(tmp_path)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EmbeddedError, match="cannot be written") as raised:
        folders.prepare_data_folder(tmp_path / "file" / "var", minimum_free=0)
    assert "ALCOVES_DATA_PATH" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedError, match="Permission denied"):
        folders.prepare_data_folder(tmp_path, minimum_free=0)


def test_the_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    folders.prepare_data_folder(tmp_path, minimum_free=0)
    with (
        folders.hold(tmp_path),
        pytest.raises(EmbeddedError, match=f"process {os.getpid()}"),
        folders.hold(tmp_path),
    ):
        pytest.fail("the lock was given twice")
    assert list((tmp_path / "run").iterdir()) == []
    with folders.hold(tmp_path):
        assert (tmp_path / "run" / "runner.lock").exists()


def test_the_lock_file_of_a_dead_process_does_not_matter(tmp_path: Path) -> None:
    folders.prepare_data_folder(tmp_path, minimum_free=0)
    (tmp_path / "run" / "runner.lock").write_text("1\n")
    with folders.hold(tmp_path):
        assert (tmp_path / "run" / "runner.lock").read_text() == f"{os.getpid()}\n"


def test_the_socket_folder_is_private_and_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "r"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    first = folders.make_socket_folder(tmp_path / "a")
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    assert folders.make_socket_folder(tmp_path / "a") == first
    assert folders.make_socket_folder(tmp_path / "b") != first
    for path in runtime.iterdir():
        path.rmdir()


def test_a_socket_folder_that_others_may_enter_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first = folders.make_socket_folder(tmp_path / "a")
    first.chmod(0o755)
    second = folders.make_socket_folder(tmp_path / "a")
    assert second != first
    assert stat.S_IMODE(second.stat().st_mode) == 0o700
    second.rmdir()


def test_a_long_runtime_path_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    found = folders.make_socket_folder(tmp_path)
    assert len(os.fsencode(found / ".s.PGSQL.5432.lock")) < folders.SOCKET_PATH_LIMIT
    assert not found.is_relative_to(long)
    found.rmdir()
