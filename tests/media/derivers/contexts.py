"""A run of one deriver without the engine: real files, real tools, a scratch folder of the test."""

import io
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pytest

from alcoves.embedded.processes import children_of
from media.derivers.base import Context, FinishedPart, Ready, Result
from media.errors import RunAbandonedError
from media.probing import probe
from media.sniffing import sniff_path
from media.subject import Subject
from media.tools import run as door
from media.tools.sources import Source


@dataclass
class Run:
    """Fulfils the Context protocol."""

    path: Path
    scratch: Path
    subject: Subject
    variant: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[FinishedPart] = ()
    told: list[tuple[float, float | None]] = field(default_factory=list)
    stop: Callable[[], bool] = lambda: False

    def open_source(self, start: int = 0, end: int | None = None) -> BinaryIO:
        content = self.source_path().read_bytes()
        return io.BytesIO(content[start:end])

    def source_path(self) -> Path:
        return self.path

    def source_input(self) -> Source:
        return self.path

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        self.told.append((percent, eta_seconds))

    def check(self) -> None:
        if self.stop():
            raise RunAbandonedError("Stopped by the test.")

    def abandoned(self) -> bool:
        return self.stop()


@dataclass
class FatalRun(Run):
    """Kills the program that works for it once that is so far, in percent."""

    after: float = 0.0
    killed: int = 0

    def progress(self, percent: float, eta_seconds: float | None = None) -> None:
        super().progress(percent, eta_seconds)
        for pid in programs() if percent > self.after and not self.killed else ():
            os.kill(pid, signal.SIGKILL)
            self.killed += 1


def programs() -> list[int]:
    """The ffmpegs that work for us at this moment."""
    return [pid for pid in children_of(os.getpid()) if name_of(pid).startswith("ffmpeg")]


def name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    return ""


def fatal(run: Run, after: float = 0.0) -> FatalRun:
    return FatalRun(run.path, run.scratch, run.subject, after=after)


def kill_at_start(monkeypatch: pytest.MonkeyPatch, *, number: int = 1) -> list[int]:
    """The n-th ffmpeg is killed before it has done anything, as the kernel does when memory is short."""
    real, killed, started = door.Child.__init__, list[int](), list[int]()

    def start(child: door.Child, args: Sequence[str | Path], **options: Any) -> None:
        real(child, args, **options)
        if Path(args[0]).name.startswith("ffmpeg"):
            started.append(child.process.pid)
            if len(started) == number:
                child.process.kill()
                killed.append(child.process.pid)

    monkeypatch.setattr(door.Child, "__init__", start)
    return killed


def run_of(
    path: Path, scratch: Path, *, with_probe: bool = True, stop: Callable[[], bool] | None = None
) -> Run:
    sniffed = sniff_path(path)
    facts = probe(path, sniffed) if with_probe else None
    subject = Subject(
        kind=facts.kind if facts else sniffed.kind,
        mime=sniffed.mime,
        size=path.stat().st_size,
        probe=facts.as_json() if facts else None,
    )
    scratch.mkdir(exist_ok=True)
    return Run(path, scratch, subject, stop=stop or (lambda: False))


class Derives(Protocol):
    def derive(self, context: Context) -> Result: ...


def derive(deriver: Derives, path: Path, scratch: Path, *, with_probe: bool = True) -> Ready:
    """Run a deriver whose answer must be Ready."""
    result = deriver.derive(run_of(path, scratch, with_probe=with_probe))
    assert isinstance(result, Ready)
    return result
