"""Start a program beside the tests and watch it; wait for conditions, never for a fixed time."""

import os
import signal
import subprocess  # noqa: TID251 -- these tests are about real processes and their signals.
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alcoves.embedded.processes import descendants_of, kill_group

PROJECT = Path(__file__).resolve().parents[2]
SMALL_RUNNER = Path(__file__).with_name("small_runner.py")


def wait_until(
    condition: Callable[[], object], *, seconds: float = 20.0, what: str = "the condition"
) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come true within {seconds} s"
        threading.Event().wait(0.02)


def own_environment() -> dict[str, str]:
    """Without what points to the servers and settings of this test run."""
    ours = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "ALCOVES_DATA_PATH"}
    return {name: value for name, value in os.environ.items() if name not in ours}


class Launched:
    """A running program and what it has printed so far."""

    def __init__(self, argv: list[str], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            cwd=PROJECT,
            env={**own_environment(), "PYTHONPATH": str(PROJECT), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.printed)

    def wait_for_text(self, wanted: str, *, seconds: float = 30.0) -> None:
        def seen() -> bool:
            assert wanted in self.text or self.process.poll() is None, f"it ended early:\n{self.text}"
            return wanted in self.text

        wait_until(seen, seconds=seconds, what=f"{wanted!r} in the output")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def family(self) -> list[int]:
        return descendants_of(self.process.pid)


@contextmanager
def launched(argv: list[str], env: Mapping[str, str] | None = None) -> Iterator[Launched]:
    program = Launched(argv, env)
    try:
        yield program
    finally:
        for pid in [program.process.pid, *program.family()]:
            kill_group(pid)
        program.wait(10)
        program.close()


@contextmanager
def small_runner(data: Path, *names: str) -> Iterator[Launched]:
    """The supervisor with a few small parts; see small_runner.py for their names."""
    with launched([sys.executable, str(SMALL_RUNNER), str(data), *names]) as program:
        yield program
