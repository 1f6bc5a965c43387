"""Derivers that misbehave on purpose, for tests of the engine. Named by dotted path in the DERIVERS setting."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import ClassVar

from media.derivers.base import BaseDeriver, Context, NotNeeded, Output, Ready, Result
from media.errors import InfrastructureError, PermanentError, TransientError
from media.subject import Subject

PAUSE = threading.Event()
TABLE = {
    name: f"tests.derivers.{name.title()}Deriver"
    for name in ("echo", "slow", "fussy", "poison", "flaky", "later", "face")
}


class EchoDeriver(BaseDeriver):
    """Copies the source: one output, one fact."""

    name: ClassVar[str] = "echo"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "metadata"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        data = context.source_path().read_bytes()
        path = context.scratch / "copy"
        path.write_bytes(data)
        context.progress(50, 1)
        return Ready(
            (Output("copy", path, "application/octet-stream"),), {"size": len(data)}, {"model": "none"}
        )


class LaterDeriver(EchoDeriver):
    """Planned only once there is a probe."""

    name: ClassVar[str] = "later"
    needs_probe: ClassVar[bool] = True


class FaceDeriver(EchoDeriver):
    """On a queue that de-duplicates."""

    name: ClassVar[str] = "face"
    queue: ClassVar[str] = "face-detection"


def flag(name: str) -> Path:
    """A file in the folder that the test names by ALCOVES_TEST_FLAGS: how a test speaks to a worker's child."""
    return Path(os.environ["ALCOVES_TEST_FLAGS"]) / name


class SlowDeriver(BaseDeriver):
    """Runs until the test says go; notes every start, so that twins are seen."""

    name: ClassVar[str] = "slow"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        with flag("starts").open("a") as starts:
            starts.write(f"{os.getpid()}\n")
        until = time.monotonic() + 60
        while not flag("go").exists() and time.monotonic() < until:
            context.check()
            PAUSE.wait(0.02)
        path = context.scratch / "done"
        path.write_text(str(os.getpid()))
        return Ready((Output("done", path, "text/plain"),))


class FussyDeriver(BaseDeriver):
    """Says whatever the file's parameters tell it to."""

    name: ClassVar[str] = "fussy"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "thumbnail"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        match context.parameters.get("mood"):
            case "permanent":
                raise PermanentError("This picture is broken. Upload it again.", code="broken")
            case "transient":
                raise TransientError("Not now.")
            case "infrastructure":
                raise InfrastructureError("The disk is full. Make room.", code="scratch_full")
            case "crash":
                raise ZeroDivisionError("a fault in the program")
            case "nul":
                return Ready(facts={"title": "a\0b"})
            case "memory":
                raise MemoryError
            case "unneeded":
                return NotNeeded("fine_as_it_is")
        return Ready(facts={"mood": "good"})


class PoisonDeriver(BaseDeriver):
    """Kills its worker's child."""

    name: ClassVar[str] = "poison"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "metadata"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        os.kill(os.getpid(), signal.SIGKILL)
        return NotNeeded("never")


class FlakyDeriver(BaseDeriver):
    """Fails twice, then works."""

    name: ClassVar[str] = "flaky"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "metadata"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        with flag("flaky").open("a") as starts:
            starts.write("x")
        if flag("flaky").stat().st_size < 3:
            raise TransientError("Not yet.")
        return Ready()
