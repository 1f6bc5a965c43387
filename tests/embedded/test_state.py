import json
import stat
from pathlib import Path

import pytest

from alcoves.embedded import state

URLS = {"DATABASE_URL": "postgresql://postgres@/alcoves?host=/s", "REDIS_URL": "unix:///s/redis.sock?db=0"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    ports = {"flower_port": 5601, "metrics_port": 0}
    state.save(tmp_path, urls=URLS, pids={"web": 1}, web_url="http://127.0.0.1:8000", ports=ports)
    return tmp_path


def change(data: Path, **values: object) -> None:
    path = state.path_in(data)
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_was_saved_is_found_and_private(data: Path) -> None:
    assert state.load(data) == {
        "database_url": URLS["DATABASE_URL"],
        "redis_url": URLS["REDIS_URL"],
        "url": "http://127.0.0.1:8000",
        "flower_port": "5601",
        "metrics_port": "0",
    }
    assert stat.S_IMODE(state.path_in(data).stat().st_mode) == 0o600
    state.remove(data)
    assert state.load(data) is None


def test_a_file_whose_runner_is_gone_is_ignored(data: Path) -> None:
    change(data, runner=2**22 + 1)
    assert state.load(data) is None


def test_a_runner_number_that_was_given_to_another_process_is_ignored(data: Path) -> None:
    change(data, runner_started="1")
    assert state.load(data) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"runner": "x"}', "null"])
def test_a_broken_file_is_ignored(data: Path, content: str) -> None:
    state.path_in(data).write_text(content)
    assert state.load(data) is None
