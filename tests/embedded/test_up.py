"""Everything that `script/up` runs, for real: ready, found by another terminal, stopped without a trace."""

import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

from alcoves.embedded import state
from alcoves.embedded.parts import any_free_port
from alcoves.embedded.processes import is_alive
from tests.embedded.launching import Launched, launched, wait_until

UP = [sys.executable, "-m", "alcoves.embedded", "up"]
ADDRESS = "from django.conf import settings; print('public address', settings.PUBLIC_URL)"


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return int(answer.status)


def test_one_command_runs_everything_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    port = any_free_port()
    here = {"ALCOVES_DATA_PATH": str(tmp_path)}
    with launched([*UP, "--port", str(port)], here) as program:
        program.wait_for_text("Everything is ready", seconds=120)
        program.wait_for_text("Logs")
        for name in ("postgres", "redis", "migrate", "admin", "web", "workers", "beat", "flower"):
            assert f"{name} " in program.text
        assert "First administrator" in program.text
        assert get(f"http://127.0.0.1:{port}/readyz") == 200
        assert get(f"http://127.0.0.1:{port}/api/docs/") == 200

        found = state.load(tmp_path)
        assert found is not None
        with launched([sys.executable, "manage.py", "migrate", "--check"], here) as other:
            assert other.wait(60) == 0, other.text
        with launched([sys.executable, "manage.py", "doctor"], here) as other:
            assert other.wait(60) == 0, other.text
            assert f"Flower answers on port {found['flower_port']}." in other.text
            assert f"The worker's probes answer on port {found['metrics_port']}." in other.text
            assert f"People come by http://127.0.0.1:{port}." in other.text
            assert "Forms of the public address are refused" not in other.text
        with launched([sys.executable, "manage.py", "shell", "-c", ADDRESS], here) as other:
            assert other.wait(60) == 0, other.text
            assert f"public address http://127.0.0.1:{port}" in other.text
        with launched([*UP, "--port", str(port)], here) as second:
            assert second.wait() == 1
            assert f"process {program.process.pid}" in second.text
        family = program.family()
        assert len(family) >= 6
        program.send(signal.SIGINT)
        assert program.wait(40) == 0, program.text
    assert not [pid for pid in family if is_alive(pid)]
    assert list((tmp_path / "run").glob("*.json")) == []
    assert state.load(tmp_path) is None
    assert "Traceback" not in program.text


def log_in(port: int, invented: str) -> int:
    """The answer to a wrong password from a client that says it is somebody else."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/auth/login",
        json.dumps({"email": "somebody@example.org", "password": "wrong"}).encode(),
        {"Content-Type": "application/json", "X-Forwarded-For": invented},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_unlucky_day(tmp_path: Path) -> None:
    """In one run, for a run takes long: a store without room, a stranger at the login, a part that is killed."""
    port = any_free_port()
    here = {
        "ALCOVES_DATA_PATH": str(tmp_path),
        "ALCOVES_STORE_RESERVE_BYTES": str(1 << 60),
        "ALCOVES_LOGIN_FAILURES": "2",
    }
    with launched([*UP, "--port", str(port)], here) as program:
        program.wait_for_text("Everything is ready", seconds=120)
        a_full_store_is_one_warning(program)
        assert [log_in(port, f"198.51.100.{number}") for number in range(3)] == [401, 429, 429]
        a_part_that_is_started_again_is_known(tmp_path)
        program.send(signal.SIGINT)
        assert program.wait(40) == 0, program.text


def a_full_store_is_one_warning(program: Launched) -> None:
    (warning,) = [line for line in program.printed if line.startswith("Warning: ")]
    assert warning.startswith("Warning: stores: The disk of the store")
    assert warning.endswith("Uploads will be refused until there is room.")


def a_part_that_is_started_again_is_known(data: Path) -> None:
    first = pids(data)
    assert set(first) == {"postgres", "redis", "web", "workers", "beat", "flower"}
    os.kill(first["beat"], signal.SIGKILL)
    wait_until(lambda: pids(data).get("beat", first["beat"]) != first["beat"], what="the new pid")
    again = pids(data)
    assert is_alive(again.pop("beat"))
    assert again == {name: pid for name, pid in first.items() if name != "beat"}


def pids(data: Path) -> dict[str, int]:
    found = state.read(data)
    assert found is not None
    return dict(found["pids"])  # type: ignore[call-overload, no-any-return]


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        with launched([*UP, "--port", str(port)], {"ALCOVES_DATA_PATH": str(tmp_path)}) as program:
            assert program.wait() == 1
    assert len(program.printed) == 1
    assert f"Port {port} on 127.0.0.1 is taken" in program.text


def test_a_bad_value_names_its_variable(tmp_path: Path) -> None:
    here = {"ALCOVES_DATA_PATH": str(tmp_path), "ALCOVES_MODE": "sideways"}
    with launched(UP, here) as program:
        assert program.wait() == 1
    assert len(program.printed) == 1
    assert "ALCOVES_MODE='sideways'" in program.text


def test_stop_and_status_without_a_runner_say_so(tmp_path: Path) -> None:
    for command, code in (("stop", 0), ("status", 1)):
        argv = [sys.executable, "-m", "alcoves.embedded", command]
        with launched(argv, {"ALCOVES_DATA_PATH": str(tmp_path)}) as program:
            assert program.wait() == code
        assert program.text == "Alcoves does not run on this data folder."
