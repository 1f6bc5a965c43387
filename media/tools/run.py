"""The only door to other programs: every ffmpeg, ffprobe and packager of the product starts here.

What each child gets, whoever asks for it:

- an argument list, never a shell; a process group of its own; an environment without our secrets;
- a parent-death signal, so that a worker killed with -9 takes its ffmpeg along;
- limits on memory, output size and CPU time, and a low priority where asked for (`media.tools.launch`);
- an end: on time-out, when the run is abandoned, or when the caller leaves, the whole group is killed;
- bounded memory here: the tail of stderr is kept, stdout is handed on in pieces or capped.

The parent-death signal fires when the *thread* that started the child ends, so the thread that starts it
must be the one that waits. `run` and `stream` both do.
"""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from media.errors import RunAbandonedError, TimedOutError, TooLargeError, ToolMissingError, TransientError
from media.tools import launch

STDERR_TAIL: Final = 8 * 1024
STDOUT_LIMIT: Final = 16 * 1024 * 1024
BLOCK: Final = 64 * 1024
NOTHING: Final = subprocess.DEVNULL
ASK_EVERY: Final = 0.25
"""Seconds between two questions whether the run is abandoned: a cancel is felt well within a second."""

ENVIRONMENT: Final = (
    *("PATH", "HOME", "TMPDIR", "TZ"),
    *("LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "CUDA_VISIBLE_DEVICES"),
)
"""What children may see of our environment. Passwords and keys live in the rest."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings for one child. None is no ceiling."""

    memory_bytes: int | None = None
    file_bytes: int | None = None
    cpu_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """A child that ended by itself."""

    stdout: bytes
    stderr_tail: str
    seconds: float
    returncode: int = 0


class ExitedError(TransientError):
    """The program ended with an error of its own. Callers who know the program turn it into a better one."""

    code = "tool_failed"

    def __init__(self, program: str, returncode: int, stderr_tail: str) -> None:
        super().__init__(
            f"{program} ended with code {returncode}. Try again, or look at the detail.", detail=stderr_tail
        )
        self.returncode = returncode

    @property
    def killed(self) -> bool:
        """By the machine or a person, which says nothing of the file, nor of the way in which it was tried."""
        return self.returncode == -signal.SIGKILL


NO_LIMITS: Final = Limits()


class Child:
    """One running program, its pipes and its deadline. Use `run` or `stream`, which always end it."""

    def __init__(
        self,
        args: Sequence[str | Path],
        *,
        timeout: float,
        abandoned: Callable[[], bool] | None = None,
        stdin: int = subprocess.DEVNULL,
        limits: Limits = NO_LIMITS,
        nice: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.program = Path(args[0]).name
        self.timeout = timeout
        self.abandoned = abandoned
        self.stderr = bytearray()
        self.started = time.monotonic()
        self.asked = self.started
        self.process = subprocess.Popen(
            command_line(args, limits, nice),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
            | {"LC_ALL": "C.UTF-8", **(environment or {})},
            start_new_session=True,
        )
        self.selector = selectors.DefaultSelector()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None  # noqa: S101 - Popen was asked for both pipes three lines above.
            os.set_blocking(pipe.fileno(), False)
            self.selector.register(pipe, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self.selector.close()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def read(self) -> bytes:
        """The next piece of stdout; empty at its end. Reads stderr along, watches the clock and the claim."""
        stdout = self.process.stdout
        while stdout is not None and self.is_open(stdout):
            self.check()
            for key, _ in self.selector.select(self.patience()):
                if key.fileobj is stdout:
                    if data := self.take(stdout):
                        return data
                elif self.process.stderr is not None:
                    self.keep_tail(self.take(self.process.stderr))
        return b""

    def finish(self) -> int:
        """Wait for the end, reading what is left of stderr. Returns the exit code."""
        stderr = self.process.stderr
        while stderr is not None and self.is_open(stderr):
            self.check()
            if self.selector.select(self.patience()):
                self.keep_tail(self.take(stderr))
        while (code := self.process.poll()) is None:
            self.check()
            try:
                self.process.wait(self.patience())
            except subprocess.TimeoutExpired:
                continue
        return code

    def is_open(self, pipe: IO[bytes]) -> bool:
        return not pipe.closed and pipe in self.selector.get_map()

    def take(self, pipe: IO[bytes]) -> bytes:
        try:
            data = os.read(pipe.fileno(), BLOCK)
        except BlockingIOError:
            return b""
        if not data:
            self.selector.unregister(pipe)
        return data

    def keep_tail(self, data: bytes) -> None:
        self.stderr += data
        if len(self.stderr) > 2 * STDERR_TAIL:
            del self.stderr[:-STDERR_TAIL]

    def tail(self) -> str:
        return self.stderr[-STDERR_TAIL:].decode(errors="replace")

    def patience(self) -> float:
        """How long to wait before the next look at the clock and the claim."""
        left = self.started + self.timeout - time.monotonic()
        return max(0.0, min(ASK_EVERY, left))

    def check(self) -> None:
        now = time.monotonic()
        if now - self.started >= self.timeout:
            raise TimedOutError(
                f"{self.program} took longer than {self.timeout:g} seconds and was stopped. Try again later.",
                detail=self.tail(),
            )
        if self.abandoned is not None and now - self.asked >= ASK_EVERY:
            self.asked = now
            if self.abandoned():
                raise RunAbandonedError("The run was cancelled or asked for anew.")

    def kill(self) -> None:
        """End the whole group, if it has not ended; grandchildren too."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def complete(self, stdout: bytes, *, check: bool) -> Completed:
        """Wait, judge the exit code, and hand over the result."""
        code = self.finish()
        self.refuse_signals(code)
        if code == launch.CANNOT_START and b"launch: " in self.stderr:
            raise tool_missing(self.program, self.tail())
        if check and code != 0:
            raise ExitedError(self.program, code, self.tail())
        return Completed(stdout, self.tail(), time.monotonic() - self.started, code)

    def refuse_signals(self, code: int) -> None:
        """The kernel ended the child because it went over one of its limits."""
        if -code == signal.SIGXFSZ:
            raise TooLargeError(
                f"{self.program} wrote more than it may. The result would be too large.",
                code="output_too_large",
            )
        if -code == signal.SIGXCPU:
            raise TimedOutError(f"{self.program} used more processor time than it may. Try a shorter file.")


def run(
    args: Sequence[str | Path],
    *,
    timeout: float,
    abandoned: Callable[[], bool] | None = None,
    stdin: int = subprocess.DEVNULL,
    on_stdout_line: Callable[[str], None] | None = None,
    on_stdout_chunk: Callable[[bytes], None] | None = None,
    limits: Limits = NO_LIMITS,
    nice: int = 0,
    check: bool = True,
    stdout_limit: int = STDOUT_LIMIT,
    environment: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end. `environment` is added to what every child may see.

    With a callback stdout goes there and is not kept; without one it is kept up to `stdout_limit` bytes.
    Raises ToolMissingError, TimedOutError, RunAbandonedError, TooLargeError (output), ExitedError (`check`).
    """
    given: dict[str, Any] = {
        "timeout": timeout,
        "abandoned": abandoned,
        "stdin": stdin,
        "limits": limits,
        "nice": nice,
    }
    with Child(args, **given, environment=environment) as child:
        kept = bytearray()
        lines = LineSplitter(on_stdout_line) if on_stdout_line else None
        while data := child.read():
            if lines:
                lines.feed(data)
            elif on_stdout_chunk:
                on_stdout_chunk(data)
            elif len(kept) + len(data) > stdout_limit:
                raise TooLargeError(
                    f"{child.program} answered with more than {stdout_limit} bytes.", code="output_too_large"
                )
            else:
                kept += data
        if lines:
            lines.end()
        return child.complete(bytes(kept), check=check)


class Stream:
    """Stdout of a running child, read into a buffer of the caller."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.rest = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` (of bytes). Fewer bytes than asked for mean that this was the end."""
        filled = 0
        while filled < len(buffer):
            if not self.rest:
                self.rest = memoryview(self.child.read())
                if not self.rest:
                    break
            count = min(len(self.rest), len(buffer) - filled)
            buffer[filled : filled + count] = self.rest[:count]
            self.rest = self.rest[count:]
            filled += count
        return filled

    def complete(self, *, check: bool = True) -> Completed:
        """After the last byte: the end of stderr and the exit code."""
        return self.child.complete(b"", check=check)


@contextmanager
def stream(
    args: Sequence[str | Path],
    *,
    timeout: float,
    abandoned: Callable[[], bool] | None = None,
    stdin: int = subprocess.DEVNULL,
    limits: Limits = NO_LIMITS,
    nice: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """Run a program and read its stdout in blocks of the caller's size. Leaving the block ends the child."""
    given: dict[str, Any] = {
        "timeout": timeout,
        "abandoned": abandoned,
        "stdin": stdin,
        "limits": limits,
        "nice": nice,
    }
    with Child(args, **given, environment=environment) as child:
        yield Stream(child)


class LineSplitter:
    """Turns pieces of bytes into whole lines."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self.on_line = on_line
        self.rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        # A program that never ends its line must not fill our memory.
        self.rest = self.rest[-BLOCK:]
        for line in lines:
            self.on_line(line.decode(errors="replace").rstrip("\r"))

    def end(self) -> None:
        if self.rest:
            self.on_line(self.rest.decode(errors="replace"))


def command_line(args: Sequence[str | Path], limits: Limits, nice: int) -> list[str]:
    """The child's arguments behind the launcher's."""
    program = shutil.which(str(args[0]))
    if program is None:
        raise tool_missing(str(args[0]), "")
    numbers = (os.getpid(), nice, limits.memory_bytes or 0, limits.file_bytes or 0, limits.cpu_seconds or 0)
    launcher = [sys.executable, "-S", "-E", "-I", launch.__file__, *map(str, numbers)]
    return [*launcher, program, *(str(arg) for arg in args[1:])]


def tool_missing(program: str, detail: str) -> ToolMissingError:
    return ToolMissingError(
        f"The program {program} is not on this machine. Install it or name another in the configuration.",
        detail=detail,
    )
