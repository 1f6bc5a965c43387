"""One supervisor inside the test process, with parts of a few lines."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from alcoves.embedded.console import Console, LiveConsole
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.logs import PartLog
from alcoves.embedded.supervisor import Part, Probe, Supervisor, Surroundings
from tests.embedded.launching import wait_until

WAITS = "import signal; signal.pause()"


def surroundings(folder: Path, *, verbose: bool = False) -> Surroundings:
    return Surroundings(
        folder=folder,
        log_folder=folder,
        env=dict(os.environ),
        console=Console(io.StringIO()),
        verbose=verbose,
        first_backoff=0.05,
    )


def printed(supervisor: Supervisor) -> str:
    stream = supervisor.around.console.stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


def part(name: str, program: str, *, ready: Probe = at_once, **more: object) -> Part:
    return Part(name=name, tier=1, argv=[sys.executable, "-c", program], ready=ready, **more)  # type: ignore[arg-type]


def run(folder: Path, work: Callable[[Supervisor], Awaitable[None]], *, verbose: bool = False) -> Supervisor:
    async def whole() -> Supervisor:
        supervisor = Supervisor(surroundings(folder, verbose=verbose))
        try:
            await work(supervisor)
        finally:
            await supervisor.stop()
        return supervisor

    return asyncio.run(whole())


def test_a_part_that_never_starts_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    broken = part("broken", "import sys; print('no such thing'); sys.exit(4)", ready=never)
    with pytest.raises(EmbeddedError, match="broken ended with code 4 before it was ready") as raised:
        run(tmp_path, lambda supervisor: supervisor.start([broken]))
    assert "no such thing" in str(raised.value)
    assert str(tmp_path / "broken.log") in str(raised.value)
    assert (tmp_path / "broken.log").read_text().count("no such thing") == broken.attempts


def test_a_part_that_is_never_ready_is_given_up_in_time(tmp_path: Path) -> None:
    slow = part("slow", WAITS, ready=never, ready_limit=0.3)
    with pytest.raises(EmbeddedError, match="slow was not ready within"):
        run(tmp_path, lambda supervisor: supervisor.start([slow]))


def test_a_step_returns_what_it_printed_and_keeps_it_in_its_log(tmp_path: Path) -> None:
    seen = []

    async def work(supervisor: Supervisor) -> None:
        seen.append(await supervisor.run_step("hello", [sys.executable, "-c", "print('a\\nb')"]))

    run(tmp_path, work)
    assert seen == ["a\nb"]
    assert (tmp_path / "hello.log").read_text() == "a\nb\n"


def test_a_private_step_leaves_no_log_even_when_everything_is_shown(tmp_path: Path) -> None:
    seen = []

    async def work(supervisor: Supervisor) -> None:
        step = [sys.executable, "-c", "print('password')"]
        seen.append(await supervisor.run_step("admin", step, private=True))

    supervisor = run(tmp_path, work, verbose=True)
    assert seen == ["password"]
    assert list(tmp_path.iterdir()) == []
    assert "password" not in printed(supervisor)


def test_a_step_that_fails_is_told_by_its_last_line(tmp_path: Path) -> None:
    async def work(supervisor: Supervisor) -> None:
        await supervisor.run_step("migrate", [sys.executable, "-c", "raise SystemExit('table is missing')"])

    with pytest.raises(EmbeddedError, match=r"migrate failed with code 1 \(table is missing\)"):
        run(tmp_path, work)


def test_a_program_that_is_missing_is_told(tmp_path: Path) -> None:
    missing = Part(name="missing", tier=1, argv=["/no/such/program"], ready=never)
    with pytest.raises(EmbeddedError, match="/no/such/program cannot be started: No such file"):
        run(tmp_path, lambda supervisor: supervisor.start([missing]))


def test_tiers_stop_in_reverse(tmp_path: Path) -> None:
    ends = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (open('order', 'a').write(sys.argv[1]), sys.exit(0)))\n"
        "open(sys.argv[1], 'w').close()\n"
        "while True: signal.pause()"
    )

    def one(name: str, tier: int) -> Part:
        async def ready() -> bool:
            return (tmp_path / name).exists()

        return Part(name=name, tier=tier, argv=[sys.executable, "-c", ends, name], ready=ready)

    run(tmp_path, lambda supervisor: supervisor.start([one("a", 1), one("b", 2), one("c", 3)]))
    assert (tmp_path / "order").read_text() == "cba"


def test_a_planned_restart_is_no_crash(tmp_path: Path) -> None:
    pids: list[int | None] = []

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start([part("waits", WAITS)])
        keeper = supervisor.keepers["waits"]
        pids.append(keeper.pid)
        await keeper.restart()
        await asyncio.to_thread(wait_until, lambda: keeper.pid is not None)
        pids.append(keeper.pid)

    supervisor = run(tmp_path, work)
    assert None not in pids
    assert pids[0] != pids[1]
    assert supervisor.keepers["waits"].restarts == 0
    assert "restarting" not in printed(supervisor)


def test_a_part_that_stops_answering_is_started_again(tmp_path: Path) -> None:
    """A stopped process is alive for the kernel and dead for everybody who waits for it."""
    answering = tmp_path / "answering"
    answering.touch()

    async def answers() -> bool:
        return answering.exists()

    async def work(supervisor: Supervisor) -> None:
        hanging = part("hanging", WAITS, alive=answers, alive_every=0.02, alive_misses=3)
        await supervisor.start([hanging])
        keeper = supervisor.keepers["hanging"]
        first = keeper.pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        answering.unlink()
        # Asked of another process: there is no event to wait for.
        while keeper.pid in {None, first}:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        answering.touch()
        assert keeper.restarts == 1

    assert "hanging" in printed(run(tmp_path, work))


def test_each_ready_is_told_with_the_warnings_of_the_part(tmp_path: Path) -> None:
    pids: list[dict[str, int]] = []

    async def work(supervisor: Supervisor) -> None:
        await supervisor.start([part("waits", WAITS, warnings=lambda: ["stores: no room."])])
        # A listener that comes late hears of the next one.
        supervisor.on_ready = lambda: pids.append(supervisor.pids())
        before = supervisor.pids()
        await supervisor.keepers["waits"].restart()
        await asyncio.to_thread(wait_until, lambda: pids, what="the second ready")
        assert set(before) == set(pids[0]) == {"waits"}
        assert before != pids[0]

    assert printed(run(tmp_path, work)).count("Warning: stores: no room.\n") == 2


def test_a_part_hears_what_the_shell_of_the_supervisor_let_be_ignored(tmp_path: Path) -> None:
    """`script/up &` in a script: the shell has SIGINT and SIGQUIT ignored, and exec hands that on."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}

    async def ready() -> bool:
        return "up" in (tmp_path / "quits.log").read_text()

    try:
        program = f"print('up', flush=True); {WAITS}"
        quits = part("quits", program, ready=ready, stop_signals=((signal.SIGQUIT, 10.0),))
        supervisor = run(tmp_path, lambda each: each.start([quits]))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    process = supervisor.keepers["quits"].process
    assert process is not None
    assert process.returncode == -signal.SIGQUIT


def test_the_next_signal_follows_when_the_first_is_not_heard(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True)"
    deaf += "\nwhile True: signal.pause()"
    log = tmp_path / "deaf.log"

    async def ready() -> bool:
        return "deaf" in log.read_text()

    stubborn = part("deaf", deaf, ready=ready, stop_signals=((signal.SIGTERM, 0.2), (signal.SIGQUIT, 10.0)))
    supervisor = run(tmp_path, lambda each: each.start([stubborn]))
    process = supervisor.keepers["deaf"].process
    assert process is not None
    assert process.returncode == -signal.SIGQUIT


def test_logs_turn_over_at_their_size_and_remember_last_words(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "web.log", largest=100)
    for number in range(30):
        log.write(f"line {number}\n".encode())
    log.write(b"half a")
    log.finish()
    log.close()
    assert log.reason == "half a"
    assert (tmp_path / "web.log").stat().st_size < 100
    assert (tmp_path / "web.log.1").stat().st_size >= 100


def test_a_log_that_is_large_already_turns_over_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("x" * 200)
    PartLog(tmp_path / "web.log", largest=100).close()
    assert (tmp_path / "web.log").read_text() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_table_shows_every_part_and_what_is_said() -> None:
    stream = Terminal()
    console = LiveConsole(stream)
    console.start()
    console.part("web", "starting")
    console.say("a [bracketed] word")
    console.part("web", "ready", "after 1.2 s")
    console.close()
    text = stream.getvalue()
    assert "a [bracketed] word" in text
    assert "after 1.2 s" in text


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    console = Console(stream)
    console.say("nobody hears this")
    console.framed("title", "text")
    assert stream.closed
