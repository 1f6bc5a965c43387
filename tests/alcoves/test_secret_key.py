"""The signing secret of an embedded install: whole, private, on the disk; and what is said of a broken one."""

import os
import stat
from pathlib import Path

import pytest
from django.conf import settings

from alcoves.env import BadVariableError
from alcoves.settings import secret_key
from tests.workers import run_python


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    made = secret_key.get(tmp_path / "new")
    assert len(made) == 64
    assert secret_key.get(tmp_path / "new") == made
    assert stat.S_IMODE((tmp_path / "new" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret_key"]


def test_file_and_folder_reach_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def watching(handle: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), (tmp_path / "secret_key").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", watching)
    secret_key.get(tmp_path)
    assert synced == [(f"{tmp_path}/secret_key.{os.getpid()}", False), (str(tmp_path), True)]


@pytest.mark.parametrize(("content", "said"), [("", "empty"), ("\n", "empty"), ("k7Jq0p2mX9", "cut short")])
def test_a_broken_one_is_a_sentence_with_its_name(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "secret_key").write_text(content)
    with pytest.raises(BadVariableError) as raised:
        secret_key.get(tmp_path)
    sentence = str(raised.value)
    assert f"{tmp_path}/secret_key is {said}" in sentence
    assert "delete it" in sentence
    assert "\n" not in sentence
    assert (tmp_path / "secret_key").read_text() == content


def test_a_start_with_an_empty_one_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    done = run_python("manage.py", "check", ALCOVES_DATA_PATH=str(tmp_path), REDIS_URL=settings.REDIS_URL)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert str(tmp_path / "secret_key") in done.stderr
