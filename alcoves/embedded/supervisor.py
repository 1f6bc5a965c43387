"""Keep parts running: start them by tiers, wait until each is ready, restart what crashes, stop in reverse.

Knows nothing of Alcoves: `parts.py` holds the table, `runner.py` the order of a start.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alcoves.embedded.console import Console
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.logs import PartLog
from alcoves.embedded.processes import kill_group, signal_process, tied

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two questions to a part that is not ready yet."""
CALM = 60.0
"""A part that ran this long before it crashed starts its back-off anew."""
LONGEST_BACKOFF = 30.0
QUICK_LIMIT = 2.0
"""Seconds between the quick signal of a second Ctrl-C and the kill."""

Probe = Callable[[], Coroutine[Any, Any, bool]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A long-running program and how to treat it."""

    name: str
    argv: Sequence[str]
    tier: int
    ready: Probe
    why_not: Callable[[], str] | None = None
    """What the last answer was, where the part itself can tell why it is not ready."""
    warnings: Callable[[], Sequence[str]] | None = None
    """What a person should know although the part is ready."""
    prepare: Callable[[], None] | None = None
    stop_signals: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10.0),)
    """Each signal and the seconds it is given; after the last one the process group is killed."""
    quick_signal: signal.Signals = signal.SIGKILL
    """What a second Ctrl-C sends."""
    death_signal: signal.Signals = signal.SIGKILL
    """What the part gets when the supervisor itself is killed."""
    user_namespace: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    ready_limit: float = 60.0
    attempts: int = 3
    """How often it may end before it was ever ready."""
    alive: Probe | None = None
    """Asked again and again once it is ready; a part that stops answering is killed and started again."""
    alive_every: float = 5.0
    alive_misses: int = 3


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all parts of one supervisor share."""

    folder: Path
    log_folder: Path
    env: Mapping[str, str]
    console: Console
    verbose: bool = False
    first_backoff: float = 1.0

    def open_log(self, name: str) -> PartLog:
        return PartLog(self.log_folder / f"{name}.log", echo=self.echo(name) if self.verbose else None)

    def echo(self, name: str) -> Callable[[str], None]:
        return lambda line: self.console.say(f"{name:>8} | {line}")


async def spawn(
    argv: Sequence[str],
    around: Surroundings,
    log: PartLog,
    *,
    env: Mapping[str, str],
    death_signal: signal.Signals = signal.SIGKILL,
    user_namespace: bool = False,
) -> tuple[asyncio.subprocess.Process, asyncio.Task[None]]:
    """Start a program in its own session, so that Ctrl-C reaches only the supervisor; copy what it prints."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *tied(argv, death_signal=death_signal, user_namespace=user_namespace),
            cwd=around.folder,
            env={**around.env, **env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, asyncio.create_task(_copy(reading, log))


async def _copy(reading: int, log: PartLog) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    pipe = os.fdopen(reading, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    try:
        while data := await stream.read(65536):
            log.write(data)
    finally:
        log.finish()
        transport.close()


async def _drain(copying: asyncio.Task[None]) -> None:
    """A grandchild that keeps the pipe open must not hold us."""
    await asyncio.wait([copying], timeout=1.0)
    copying.cancel()
    await asyncio.gather(copying, return_exceptions=True)


class Keeper:
    """Keeps one part running until it is told to stop."""

    def __init__(self, part: Part, around: Surroundings, on_ready: Callable[[], None]) -> None:
        self.part = part
        self.around = around
        self.on_ready = on_ready
        self.log = around.open_log(part.name)
        self.ready = asyncio.Event()
        self.restarts = 0
        self.process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._planned = False
        self._began = time.monotonic()

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process is not None else None

    async def keep(self) -> None:
        """Returns once stopped; raises when the part ends again and again before it was ever ready."""
        failures = 0
        while not self._stopping.is_set():
            self._began = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if self._planned:
                self._planned = False
                continue
            failures = 1 if time.monotonic() - self._began > CALM else failures + 1
            if not self.ready.is_set() and failures >= self.part.attempts:
                raise EmbeddedError(
                    f"{self.part.name} ended with code {code} before it was ready "
                    f"({self.log.reason}): see {self.log.path}."
                )
            self.restarts += 1
            pause = min(LONGEST_BACKOFF, self.around.first_backoff * 2 ** (failures - 1))
            self._tell("restarting", f"in {pause:.1f} s: it ended with code {code} ({self.log.reason})")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        self._stopping.set()
        await self._end_process()
        self._tell("stopped")

    async def restart(self) -> None:
        """End the process as if it had been asked to; `keep` starts it again at once."""
        self._planned = True
        await self._end_process()

    async def _end_process(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        self._tell("stopping")
        for number, seconds in self.part.stop_signals:
            signal_process(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                break
        kill_group(process.pid)
        await process.wait()

    def kill(self) -> None:
        """At once: the quick signal now, and the end of the process group shortly after."""
        self._stopping.set()
        if self.pid is not None:
            signal_process(self.pid, self.part.quick_signal)
            asyncio.get_running_loop().call_later(QUICK_LIMIT, kill_group, self.pid)

    async def _run_once(self) -> int:
        part = self.part
        self._tell("starting")
        if part.prepare is not None:
            await asyncio.to_thread(part.prepare)
        if self._stopping.is_set():
            return 0
        process, copying = await spawn(
            part.argv,
            self.around,
            self.log,
            env=part.env,
            death_signal=part.death_signal,
            user_namespace=part.user_namespace,
        )
        self.process = process
        if self._stopping.is_set():
            # The stop came while the process was being made and has not seen it.
            kill_group(process.pid)
        probing = asyncio.create_task(self._probe())
        code = await process.wait()
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
        kill_group(process.pid)
        await _drain(copying)
        return code

    async def _probe(self) -> None:
        pause = FIRST_PAUSE
        while not await self.part.ready():
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 1.2)
        self.ready.set()
        self._tell("ready", f"after {time.monotonic() - self._began:.1f} s")
        for line in self.part.warnings() if self.part.warnings is not None else ():
            self.around.console.say(f"Warning: {line}")
        self.on_ready()
        await self._watch()

    async def _watch(self) -> None:
        """A process that hangs is worse than one that ended: nobody would start it again."""
        part, missed = self.part, 0
        while part.alive is not None:
            await asyncio.sleep(part.alive_every)
            missed = 0 if await part.alive() else missed + 1
            if missed >= part.alive_misses and self.pid is not None:
                self._tell("hanging", f"no answer {missed} times, it is ended")
                kill_group(self.pid)
                return

    def _tell(self, state: str, detail: str = "") -> None:
        self.around.console.part(self.part.name, state, detail)


class Supervisor:
    """All keepers of one start."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self.on_ready: Callable[[], None] = lambda: None
        """Called whenever a part is ready, the first time and after each restart."""
        self.keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._step: asyncio.subprocess.Process | None = None

    async def start(self, parts: Sequence[Part]) -> None:
        """Start these together and wait until all are ready."""
        for part in parts:
            self.keepers[part.name] = keeper = Keeper(part, self.around, self._told_ready)
            self._tasks[part.name] = asyncio.create_task(keeper.keep(), name=part.name)
        await asyncio.gather(*(self._wait_ready(part) for part in parts))

    def _told_ready(self) -> None:
        # Looked up at each call: whoever listens may come after the first parts.
        self.on_ready()

    async def _wait_ready(self, part: Part) -> None:
        keeper, task = self.keepers[part.name], self._tasks[part.name]
        ready = asyncio.create_task(keeper.ready.wait())
        try:
            await asyncio.wait({ready, task}, timeout=part.ready_limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done():
            task.result()
        elif not keeper.ready.is_set():
            reason = (part.why_not() if part.why_not is not None else "") or keeper.log.reason
            raise EmbeddedError(
                f"{part.name} was not ready within {part.ready_limit:.0f} s ({reason}): "
                f"see {keeper.log.path}."
            )

    async def run_step(
        self, name: str, argv: Sequence[str], *, show: bool = False, private: bool = False
    ) -> str:
        """Run a program to its end and return what it printed; raises when it fails.

        `show` prints each line as it comes; `private` keeps the output (a first password) out of the logs.
        """
        around = self.around
        path = Path(os.devnull) if private else around.log_folder / f"{name}.log"
        echo = around.console.say if show else around.echo(name) if around.verbose and not private else None
        log = PartLog(path, echo=echo, kept_lines=None)
        began = time.monotonic()
        around.console.part(name, "starting")
        try:
            code = await self._run_to_end(argv, log)
        finally:
            log.close()
        if code != 0:
            where = "" if private else f": see {path}"
            raise EmbeddedError(f"{name} failed with code {code} ({log.reason}){where}.")
        around.console.part(name, "done", f"after {time.monotonic() - began:.1f} s")
        return "\n".join(log.last_lines).strip()

    async def _run_to_end(self, argv: Sequence[str], log: PartLog) -> int:
        self._step, copying = await spawn(argv, self.around, log, env={})
        try:
            return await self._step.wait()
        finally:
            kill_group(self._step.pid)
            await _drain(copying)

    def children(self) -> set[int]:
        """Every process that asyncio waits for, ended or not."""
        started = [keeper.process for keeper in self.keepers.values()]
        return {process.pid for process in [*started, self._step] if process is not None}

    def pids(self) -> dict[str, int]:
        return {name: keeper.pid for name, keeper in self.keepers.items() if keeper.pid is not None}

    async def failed(self) -> None:
        """Waits until a keeper gives up, and raises its error."""
        if not self._tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Stop in reverse order of tiers."""
        if self._step is not None and self._step.returncode is None:
            kill_group(self._step.pid)
        tiers = sorted({keeper.part.tier for keeper in self.keepers.values()}, reverse=True)
        for tier in tiers:
            await asyncio.gather(*(each.stop() for each in self.keepers.values() if each.part.tier == tier))
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for keeper in self.keepers.values():
            keeper.log.close()

    def kill(self) -> None:
        """A second Ctrl-C: every part at once. `stop`, which is running, sees them go."""
        if self._step is not None and self._step.returncode is None:
            kill_group(self._step.pid)
        for keeper in self.keepers.values():
            keeper.kill()
