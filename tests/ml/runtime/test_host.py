"""The host as a process: shared, killed, idle, replaced under its feet, asked by strangers."""

import logging
import multiprocessing
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alcoves.embedded.processes import command_line, is_alive, stat_fields
from ml.errors import HostLostError
from ml.runtime import calls, host, places, spawn, wire
from ml.runtime.client import onnx_model
from tests.ml.graphs import plain
from tests.ml.runtime import hosts
from tests.workers import wait_until

ROW = np.ones((1, 3), np.float32)


@pytest.fixture(autouse=True)
def mine(own_host: Path) -> Path:
    return own_host


def asked(path: Path) -> float:
    return float(onnx_model(path).run({"x": ROW})["y"][0, 0])


def test_it_is_started_by_the_first_question_as_nobodys_child(tmp_path: Path) -> None:
    assert hosts.find_pid() is None
    assert asked(plain.doubling(tmp_path / "a.onnx")) == 2
    fields = stat_fields(hosts.pid())
    assert fields is not None
    assert int(fields[1]) != os.getpid()
    assert int(fields[3]) != os.getsid(0)


def test_it_gets_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_SECRET_KEY", "very-secret")
    asked(plain.doubling(tmp_path / "a.onnx"))
    environment = Path(f"/proc/{hosts.pid()}/environ").read_bytes()
    assert b"very-secret" not in environment
    assert b"DATABASE_URL" not in environment
    assert b"PATH=" in environment


def test_who_was_replaced_ends_and_leaves_the_next_one_its_socket(tmp_path: Path) -> None:
    """Its starter was killed before it was ready, and the next one has started another."""
    path = plain.doubling(tmp_path / "a.onnx")
    asked(path)
    first = hosts.pid()
    spawn.launch(places.current())
    second = hosts.pid()
    assert second != first
    wait_until(
        lambda: not is_alive(first), 20, "the first has seen it, though it has clients and is not idle"
    )
    assert hosts.find_pid() == second
    assert asked(path) == 2
    assert hosts.pid() == second, "the client was told, and asks the one that is there"


def test_processes_share_one_host(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as processes:
        told = processes.map(ask_and_tell, [path] * 12)
    assert {answer for answer, _ in told} == {2.0}
    assert len({number for _, number in told}) == 1


def ask_and_tell(path: Path) -> tuple[float, int]:
    return asked(path), hosts.pid()


def test_a_child_that_was_forked_connects_anew(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    assert asked(path) == 2
    assert calls.connections.idle
    with multiprocessing.get_context("fork").Pool(1) as processes:
        assert processes.apply(kept_and_asked, (path,)) == (0, 2.0)
    assert asked(path) == 2


def kept_and_asked(path: Path) -> tuple[int, float]:
    return len(calls.connections.idle), asked(path)


def test_threads_of_a_process_ask_side_by_side(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    answers = [hosts.in_background(lambda: asked(path)) for _ in range(20)]
    assert [answer.result(30) for answer in answers] == [2] * 20
    assert len(calls.connections.idle) <= calls.KEPT


def test_a_host_that_is_killed_in_mid_run_is_told_and_started_anew(tmp_path: Path) -> None:
    path = plain.slow(tmp_path / "slow.onnx")
    model = onnx_model(path)
    running = hosts.busy(model)
    old = hosts.pid()
    hosts.kill(old)
    with pytest.raises(HostLostError):
        running.result(10)
    assert model.run(hosts.turns(1))["y"] == 1
    assert hosts.pid() != old


def test_a_host_that_is_killed_while_it_is_idle_is_nobodys_trouble(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    assert asked(path) == 2
    hosts.kill(hosts.pid())
    assert asked(path) == 2


def test_a_client_that_is_killed_ends_its_run(tmp_path: Path) -> None:
    path = plain.slow(tmp_path / "slow.onnx")
    model = onnx_model(path)
    context = multiprocessing.get_context("fork")
    client = context.Process(target=run_for_ever, args=(path,))
    began = hosts.cpu_seconds(hosts.pid())
    client.start()
    wait_until(lambda: hosts.cpu_seconds(hosts.pid()) > began + 0.3, 120)
    client.kill()
    client.join()
    # The one lane is free again: else this would wait for minutes.
    assert hosts.in_background(lambda: model.run(hosts.turns(1))).result(30)["y"] == 1


def run_for_ever(path: Path) -> None:
    onnx_model(path).run(hosts.turns(100_000_000))


def test_what_somebody_waits_for_goes_before_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = plain.doubling(tmp_path / "a.onnx"), plain.slow(tmp_path / "slow.onnx")
    model = onnx_model(quick)
    running = hosts.busy(onnx_model(slow))
    taken = hosts.watch_taken(monkeypatch)
    behind = hosts.in_background(lambda: model.run({"x": ROW}))
    # Else it might come after the urgent one, or after the host's end: then it asks the next host, and is answered.
    assert taken.wait(120)
    assert hosts.in_background(lambda: model.run({"x": ROW}, urgent=True)).result(120)["y"][0, 0] == 2
    assert not running.done()
    assert not behind.done()
    hosts.kill(hosts.pid())
    for one in (running, behind):
        with pytest.raises(HostLostError):
            one.result(120)


def test_a_model_is_replaced_while_it_is_in_use(settings: Any, tmp_path: Path) -> None:
    settings.ML_CONCURRENCY = 2
    path = plain.slow(tmp_path / "a.onnx", factor=1)
    model = onnx_model(path)
    old = hosts.in_background(lambda: model.run(hosts.turns(60_000)))
    wait_until(lambda: hosts.cpu_seconds(hosts.pid()) > 0.5, 120)
    plain.slow(tmp_path / "new.onnx", factor=2).replace(path)
    assert model.run(hosts.turns(1))["y"] == 2
    assert old.result(60)["y"] == 1
    assert model.run(hosts.turns(1))["y"] == 2


def test_memory_of_an_idle_model_goes_back_while_another_is_in_use(settings: Any, tmp_path: Path) -> None:
    settings.ML_IDLE_SECONDS = 1.0
    small, large = plain.doubling(tmp_path / "small.onnx"), plain.large(tmp_path / "large.onnx", 100)
    asked(small)
    number = hosts.pid()
    before = hosts.resident(number)
    onnx_model(large).run({"x": np.ones((1024, 1), np.float32)})
    held = hosts.resident(number)
    assert held > before + 90_000_000

    def given_back() -> bool:
        assert asked(small) == 2
        return hosts.resident(number) < before + 20_000_000

    wait_until(given_back, 120, "the memory is given back")
    print(f"before {before >> 20} MB, with the model {held >> 20}, after {hosts.resident(number) >> 20}")
    assert hosts.pid() == number


def test_a_host_that_is_idle_ends_and_the_next_question_starts_another(settings: Any, tmp_path: Path) -> None:
    settings.ML_IDLE_SECONDS = 1.0
    path = plain.doubling(tmp_path / "a.onnx")
    assert asked(path) == 2
    old = hosts.pid()
    assert calls.connections.idle
    wait_until(lambda: not is_alive(old), 60, "the host has ended")
    assert not places.current().socket.exists()
    assert asked(path) == 2
    assert hosts.pid() != old


def test_it_ends_when_its_clients_have_gone(tmp_path: Path) -> None:
    asked(plain.doubling(tmp_path / "a.onnx"))
    number = hosts.pid()
    calls.connections.forget()
    wait_until(lambda: not is_alive(number), 60, "the host has ended")


def test_questions_at_the_moment_of_its_end_are_answered_by_the_next(settings: Any, tmp_path: Path) -> None:
    settings.ML_IDLE_SECONDS = 1.0
    path = plain.doubling(tmp_path / "a.onnx")
    seen: set[int] = set()
    for turn in range(60):
        assert asked(path) == 2
        seen.add(hosts.pid())
        if len(seen) > 3:
            break
        # A little longer each time: once it is the very moment.
        threading.Event().wait(1.0 + turn / 50)
    assert len(seen) > 1


def test_a_folder_that_is_removed_takes_no_run_along(mine: Path, settings: Any, tmp_path: Path) -> None:
    settings.ML_IDLE_SECONDS = 1.0
    asked(plain.doubling(tmp_path / "a.onnx"))
    number = hosts.pid()
    for path in places.current().folder.iterdir():
        path.unlink()
    places.current().folder.rmdir()
    wait_until(lambda: not is_alive(number), 60, "the host has ended")


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, wire.LENGTH.pack(2**40)],
    ids=["http", "noise", "endless"],
)
def test_who_speaks_otherwise_is_shown_the_door_and_nobody_else_notices(
    tmp_path: Path, garbage: bytes
) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    assert asked(path) == 2
    number = hosts.pid()
    channel = spawn.connect(places.current())
    assert channel is not None
    with channel:
        channel.settimeout(10)
        assert "hello" in wire.receive(channel)[0]
        channel.sendall(garbage)
        # A reset where it has not read all of it.
        with suppress(ConnectionResetError):
            assert channel.recv(1) == b""
    assert asked(path) == 2
    assert hosts.pid() == number


def test_a_question_that_nobody_knows_is_answered(tmp_path: Path) -> None:
    from ml.errors import ModelError

    with pytest.raises(ModelError):
        calls.ask({"do": "dance", "path": str(tmp_path / "a.onnx")})
    with pytest.raises(Exception, match="failed"):
        calls.ask({"do": "run"})


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_another_user_cannot_connect(tmp_path: Path) -> None:
    asked(plain.doubling(tmp_path / "a.onnx"))
    with multiprocessing.get_context("fork").Pool(1) as processes:
        assert processes.apply(connect_as_nobody, (places.current().socket,)) == "PermissionError"


def connect_as_nobody(path: Path) -> str:
    os.setuid(65534)
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(path))
    except OSError as error:
        return type(error).__name__
    return "connected"


def test_a_connection_of_another_user_is_closed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"threads": 1, "concurrency": 1, "idle_seconds": 60, "linger_seconds": 0.1}
    monkeypatch.setattr(host, "user_of", lambda _: os.getuid() + 1)
    path = tmp_path / "own.sock"
    one = host.Host(path, options)
    serving = threading.Thread(target=one.serve)
    with caplog.at_level(logging.WARNING), socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(10)
        channel.connect(str(path))
        serving.start()
        assert channel.recv(1) == b""
    serving.join(10)
    assert "another user" in caplog.text
    assert one.clients == set()


def test_a_host_whose_run_hangs_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Native code that does not come back: the client has gone, and the lane would be blocked for ever."""
    begun, release = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        begun.set()
        release.wait(120)

    monkeypatch.setattr(host.Host, "done", hang)
    monkeypatch.setattr(host, "STUCK_AFTER", 0.5)
    options = {"threads": 1, "concurrency": 1, "idle_seconds": 60, "linger_seconds": 60}
    one = host.Host(tmp_path / "own.sock", options)
    serving = threading.Thread(target=one.serve)
    serving.start()
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(tmp_path / "own.sock"))
        assert "hello" in wire.receive(channel)[0]
        wire.send(channel, {"do": "probe", "path": "x"})
        assert "taken" in wire.receive(channel)[0]
        # Who has gone before it begins is not served at all.
        assert begun.wait(60)
    serving.join(60)
    assert not serving.is_alive()
    assert "does not end" in caplog.text
    release.set()
    one.listener.close()


def test_a_host_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(spawn, "PROJECT", tmp_path)
    with pytest.raises(HostLostError) as caught:
        asked(plain.doubling(tmp_path / "a.onnx"))
    assert "its log says why" in caught.value.detail


def test_a_host_that_never_gets_ready_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "ml" / "runtime"
    package.mkdir(parents=True)
    (package / "host.py").write_text("import signal; signal.alarm(20); signal.pause()", encoding="ascii")
    monkeypatch.setattr(spawn, "PROJECT", tmp_path)
    monkeypatch.setattr(spawn, "PATIENCE", 1.0)
    with pytest.raises(HostLostError) as caught:
        calls.ask({"do": "probe", "path": "x"})
    assert "not ready" in caught.value.detail


def test_many_who_start_it_at_once_start_one(tmp_path: Path) -> None:
    path = plain.doubling(tmp_path / "a.onnx")
    answers = [hosts.in_background(lambda: ask_and_tell(path)) for _ in range(8)]
    assert len({answer.result(60)[1] for answer in answers}) == 1
    ours = [one for one in Path("/proc").iterdir() if one.name.isdigit() and is_ours(int(one.name))]
    assert len(ours) == 1


def is_ours(number: int) -> bool:
    return str(places.current().socket) in command_line(number) and "ml.runtime.host" in command_line(number)


def test_it_is_the_interpreter_of_the_client(tmp_path: Path) -> None:
    asked(plain.doubling(tmp_path / "a.onnx"))
    assert command_line(hosts.pid())[0] == sys.executable
