import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from media.errors import RunAbandonedError, TimedOutError, TooLargeError, ToolMissingError
from media.tools import ffmpeg, run
from media.tools.run import ExitedError, Limits, LineSplitter

PYTHON = sys.executable


def is_running(pid: int) -> bool:
    """A zombie has ended; who reaps it is not our matter."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    waiter = threading.Event()
    while time.monotonic() < deadline:
        if condition():
            return True
        waiter.wait(0.02)
    return False


def test_output_and_the_tail_of_stderr_come_back() -> None:
    done = run.run(["sh", "-c", "echo out; echo err >&2"], timeout=10)
    assert done.stdout == b"out\n"
    assert done.stderr_tail == "err\n"
    assert done.returncode == 0
    assert 0 < done.seconds < 10


def test_only_the_tail_of_a_long_stderr_is_kept() -> None:
    done = run.run(["sh", "-c", "seq 1 200000 >&2; echo last >&2"], timeout=20)
    assert len(done.stderr_tail) <= run.STDERR_TAIL
    assert done.stderr_tail.endswith("last\n")


def test_a_missing_program_is_told_by_name() -> None:
    with pytest.raises(ToolMissingError, match="no-such-program"):
        run.run(["no-such-program"], timeout=5)


def test_a_program_that_cannot_be_executed_is_missing_too(tmp_path: Path) -> None:
    broken = tmp_path / "tool"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(ToolMissingError, match="tool"):
        run.run([broken], timeout=5)


def test_a_failing_program_raises_with_its_last_words() -> None:
    with pytest.raises(ExitedError) as caught:
        run.run(["sh", "-c", "echo oh dear >&2; exit 3"], timeout=5)
    assert caught.value.returncode == 3
    assert caught.value.detail == "oh dear\n"
    assert caught.value.retry


def test_a_failing_program_may_be_asked_for() -> None:
    assert run.run(["sh", "-c", "exit 4"], timeout=5, check=False).returncode == 4


def test_stdin_is_empty() -> None:
    assert run.run(["cat"], timeout=5).stdout == b""


def test_arguments_never_meet_a_shell() -> None:
    assert run.run(["echo", "$(id); `id` && id"], timeout=5).stdout == b"$(id); `id` && id\n"


def test_children_do_not_see_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://user:very-secret@host/db")
    assert b"very-secret" not in run.run(["env"], timeout=5).stdout


def test_time_out_ends_the_whole_group() -> None:
    pids: list[int] = []
    started = time.monotonic()
    with pytest.raises(TimedOutError, match=r"longer than 0\.5 seconds"):
        run.run(
            ["sh", "-c", "sleep 300 & echo $!; wait"],
            timeout=0.5,
            on_stdout_line=lambda line: pids.append(int(line)),
        )
    assert time.monotonic() - started < 5
    assert len(pids) == 1
    assert wait_until(lambda: not is_running(pids[0]))


def test_abandoned_stops_ffmpeg_within_a_second(tmp_path: Path) -> None:
    started = time.monotonic()
    seen: list[float] = []

    def abandoned() -> bool:
        seen.append(time.monotonic() - started)
        return len(seen) >= 2

    source = ["-re", "-f", "lavfi", "-i", "testsrc=duration=300"]
    with pytest.raises(RunAbandonedError):
        ffmpeg.run([*source, "-f", "null", "-"], timeout=120, abandoned=abandoned)
    assert time.monotonic() - started - seen[-1] < 1.0


def test_an_error_in_a_callback_ends_the_child() -> None:
    pids: list[int] = []

    def refuse(line: str) -> None:
        pids.append(int(line))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        run.run(["sh", "-c", "echo $$; exec sleep 300"], timeout=60, on_stdout_line=refuse)
    assert wait_until(lambda: not is_running(pids[0]))


def test_kill_9_of_the_parent_kills_ffmpeg() -> None:
    script = (
        "from media.tools import ffmpeg, run\n"
        "args = [ffmpeg.binary(), '-re', '-f', 'lavfi', '-i', 'testsrc=duration=300', '-f', 'null', '-']\n"
        "child = run.Child(args, timeout=300)\n"
        "print(child.process.pid, flush=True)\n"
        "child.finish()\n"
    )
    with run.stream(["env", f"PYTHONPATH={Path.cwd()}", PYTHON, "-c", script], timeout=60) as parent:
        child = int(parent.child.read())
        assert wait_until(lambda: b"ffmpeg" in Path(f"/proc/{child}/cmdline").read_bytes()[:200])
        assert is_running(child)
        os.kill(parent.child.process.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_running(child))


def test_output_larger_than_allowed_ends_the_run(tmp_path: Path) -> None:
    out = tmp_path / "large"
    with pytest.raises(TooLargeError) as caught:
        run.run(
            ["dd", "if=/dev/zero", f"of={out}", "bs=100k", "count=50"],
            timeout=20,
            limits=Limits(file_bytes=1_000_000),
        )
    assert caught.value.code == "output_too_large"
    assert out.stat().st_size <= 1_000_000


def test_memory_is_limited() -> None:
    with pytest.raises(ExitedError, match="ended with code") as caught:
        run.run(
            [PYTHON, "-S", "-E", "-c", "bytearray(2_000_000_000)"],
            timeout=20,
            limits=Limits(memory_bytes=600_000_000),
        )
    assert "MemoryError" in caught.value.detail


def test_processor_time_is_limited() -> None:
    with pytest.raises(TimedOutError, match="processor time"):
        run.run([PYTHON, "-S", "-c", "while True: pass"], timeout=30, limits=Limits(cpu_seconds=1))


def test_priority_is_lowered() -> None:
    own = os.nice(0)
    assert int(run.run(["nice"], timeout=5, nice=5).stdout) == min(19, own + 5)


def test_kept_output_is_bounded() -> None:
    with pytest.raises(TooLargeError):
        run.run(["head", "-c", "500000", "/dev/zero"], timeout=10, stdout_limit=100_000)


def test_chunks_are_handed_on_and_not_kept() -> None:
    sizes: list[int] = []
    done = run.run(
        ["head", "-c", "500000", "/dev/zero"],
        timeout=10,
        stdout_limit=1,
        on_stdout_chunk=lambda data: sizes.append(len(data)),
    )
    assert sum(sizes) == 500_000
    assert done.stdout == b""


def test_stream_fills_the_callers_buffer() -> None:
    buffer = bytearray(30_000)
    with run.stream(["head", "-c", "100000", "/dev/zero"], timeout=10) as stream:
        counts = [stream.readinto(memoryview(buffer)) for _ in range(5)]
        assert stream.complete().returncode == 0
    assert counts == [30_000, 30_000, 30_000, 10_000, 0]


def test_leaving_a_stream_ends_its_child() -> None:
    with run.stream(["yes"], timeout=60) as stream:
        pid = stream.child.process.pid
        assert stream.readinto(memoryview(bytearray(10))) == 10
    assert not is_running(pid)


def test_many_threads_may_run_children_at_once() -> None:
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda number=number: results.append(run.run(["echo", str(number)], timeout=20).stdout)
        )
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(result) for result in results) == list(range(12))


def test_lines_are_put_together_from_pieces() -> None:
    lines: list[str] = []
    splitter = LineSplitter(lines.append)
    for piece in (b"on", b"e\ntw", b"o\r\nthree"):
        splitter.feed(piece)
    splitter.end()
    assert lines == ["one", "two", "three"]
