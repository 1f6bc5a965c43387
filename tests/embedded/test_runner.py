"""The supervisor as a whole, in a process of its own: signals, kills, leftovers."""

import os
import signal
import sys
from pathlib import Path

import pytest

from alcoves.embedded.folders import usual_socket_folders
from alcoves.embedded.processes import children_of, command_line, is_alive, stat_fields
from tests.embedded.launching import SMALL_RUNNER, launched, small_runner, wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with small_runner(tmp_path, "postgres", "redis", "escaping") as program:
        program.wait_for_text("all ready")
        family = program.family()
        assert len(family) >= 5  # Postgres and its backends, Valkey, the part and its escaped child.
        program.send(number)
        assert program.wait() == 0, program.text
    assert not [pid for pid in family if is_alive(pid)]
    assert not [folder for folder in usual_socket_folders(tmp_path) if folder.exists()]
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    assert not (tmp_path / "run" / "runner.lock").exists()


def test_killing_the_runner_ends_every_part(tmp_path: Path) -> None:
    with small_runner(tmp_path, "postgres", "redis", "waits") as program:
        program.wait_for_text("all ready")
        family = program.family()
        program.send(signal.SIGKILL)
        program.wait()
        wait_until(lambda: not [pid for pid in family if is_alive(pid)], what="the end of all parts")
    # And the next start works on what the kill left behind.
    with small_runner(tmp_path, "postgres", "redis") as program:
        program.wait_for_text("all ready")
        program.send(signal.SIGINT)
        assert program.wait() == 0, program.text


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    with small_runner(tmp_path, "stubborn", "postgres") as program:
        program.wait_for_text("all ready")
        family = program.family()
        program.send(signal.SIGINT)
        program.wait_for_text("Stopping")
        assert program.process.poll() is None
        program.send(signal.SIGINT)
        assert program.wait(15) == 0  # The stubborn part has 30 s by itself.
    assert not [pid for pid in family if is_alive(pid)]


def test_a_second_start_names_the_process_that_holds_the_folder(tmp_path: Path) -> None:
    with small_runner(tmp_path, "waits") as first:
        first.wait_for_text("all ready")
        with small_runner(tmp_path, "waits") as second:
            assert second.wait() == 1
        assert len(second.printed) == 1
        assert f"process {first.process.pid}" in second.text
        assert first.process.poll() is None
        first.send(signal.SIGINT)
        assert first.wait() == 0


def test_a_part_that_crashes_is_started_again(tmp_path: Path) -> None:
    with small_runner(tmp_path, "crashes") as program:
        program.wait_for_text("crashes restarting")
        assert "this went wrong" in program.text
        wait_until(program.family, what="a second life")
        program.send(signal.SIGINT)
        assert program.wait() == 0
    assert "Traceback" not in program.text


def test_orphans_that_ended_are_taken_away_and_parts_are_not(tmp_path: Path) -> None:
    with small_runner(tmp_path, "leaving", "crashes") as program:
        wait_until(lambda: len(list(tmp_path.glob("left-*"))) == 3, what="three orphans")
        left = [int(path.read_text()) for path in tmp_path.glob("left-*")]
        wait_until(lambda: not [pid for pid in left if stat_fields(pid)], what="their burial")
        program.wait_for_text("crashes restarting")
        # The code of the part that crashed was still there for its keeper.
        assert "it ended with code 3" in program.text
        wait_until(lambda: len(children_of(program.process.pid)) == 2, what="both parts")
        program.send(signal.SIGINT)
        assert program.wait() == 0, program.text
    assert "Unknown child" not in program.text


def test_a_killed_postgres_comes_back(tmp_path: Path) -> None:
    with small_runner(tmp_path, "postgres") as program:
        program.wait_for_text("all ready")
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        first = int(pid_file.read_text().split()[0])
        os.kill(first, signal.SIGKILL)
        wait_until(
            lambda: pid_file.exists() and int(pid_file.read_text().split()[0]) != first, what="a new Postgres"
        )
        wait_until(lambda: program.text.count("postgres ready") == 2, what="readiness again")
        program.send(signal.SIGINT)
        assert program.wait() == 0


def test_a_runner_whose_reader_is_gone_still_stops_cleanly(tmp_path: Path) -> None:
    with launched(["bash", "-c", f"exec 3>&1; {_runner(tmp_path)} | head -n 1 >&3"]) as program:
        wait_until(lambda: [pid for pid in program.family() if _is_runner(pid)], what="the runner")
        runner = next(pid for pid in program.family() if _is_runner(pid))
        wait_until((tmp_path / "log" / "waits.log").exists, what="the part")
        os.kill(runner, signal.SIGTERM)
        wait_until(lambda: not is_alive(runner), what="the end of the runner")
        assert not (tmp_path / "run" / "runner.lock").exists()


def _runner(data: Path) -> str:
    return f"{sys.executable} {SMALL_RUNNER} {data} waits"


def _is_runner(pid: int) -> bool:
    return any(word.endswith("small_runner.py") for word in command_line(pid)[:2])
