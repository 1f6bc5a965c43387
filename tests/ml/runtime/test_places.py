import os
from pathlib import Path
from typing import Any

import pytest

from media.errors import InfrastructureError
from ml.runtime import places


def test_the_folder_is_open_to_nobody_else(tmp_path: Path) -> None:
    folder = places.own_folder(tmp_path / "sub" / "host")
    assert folder == tmp_path / "sub" / "host"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_path_that_is_too_long_for_a_socket_is_put_among_the_temporary_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    long = tmp_path / ("x" * 100)
    folder = places.own_folder(long)
    assert folder.parent == tmp_path
    assert folder == places.own_folder(long)
    assert folder != places.own_folder(tmp_path / ("y" * 100))
    assert not long.exists()


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir(mode=0o755)
    with pytest.raises(InfrastructureError, match="open to others"):
        places.own_folder(tmp_path / "host")


def test_a_link_to_somewhere_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "else").mkdir(mode=0o700)
    (tmp_path / "host").symlink_to(tmp_path / "else")
    with pytest.raises(InfrastructureError):
        places.own_folder(tmp_path / "host")


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes folders of others")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir(mode=0o700)
    os.chown(tmp_path / "host", 65534, 65534)
    with pytest.raises(InfrastructureError):
        places.own_folder(tmp_path / "host")


def test_other_options_are_another_host(settings: Any, tmp_path: Path) -> None:
    settings.ML_HOST_PATH = tmp_path
    before = places.current()
    assert before.socket == places.current().socket
    settings.ML_CONCURRENCY = 7
    assert places.current().socket != before.socket
    assert len(os.fsencode(before.socket)) <= places.LONGEST


def test_no_number_of_threads_is_all_cores(settings: Any) -> None:
    settings.ML_THREADS = 0
    assert places.Options.from_settings().threads == len(os.sched_getaffinity(0))
    settings.ML_THREADS = 3
    assert places.Options.from_settings().threads == 3
