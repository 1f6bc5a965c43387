"""Derivers that misbehave on purpose, for tests of the engine. Named by dotted path in the DERIVERS setting."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from uuid import UUID

from media.derivers.base import BaseDeriver, Context, Divided, NotNeeded, Output, Part, Ready, Result
from media.errors import InfrastructureError, PermanentError, TransientError
from media.subject import Subject

PAUSE = threading.Event()
TABLE = {
    name: f"tests.derivers.{name.title()}Deriver"
    for name in ("echo", "slow", "fussy", "poison", "flaky", "later", "face", "split", "piece", "seen")
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


class SeenDeriver(LaterDeriver):
    """Made only while the library has its switch for faces on. Counts, and notes whose traces it has wiped out."""

    name: ClassVar[str] = "seen"
    switch: ClassVar[str] = "faces"
    forgotten: ClassVar[list[UUID]] = []

    def holdings(self, library_id: UUID) -> Mapping[str, int]:
        return {"people": 2, "dogs": 0}

    def forget(self, library_id: UUID) -> None:
        self.forgotten.append(library_id)


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


class SplitDeriver(BaseDeriver):
    """Divides its work into as many pieces as its parameters say (3), and joins them by putting them side by side."""

    name: ClassVar[str] = "split"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        if not context.parts:
            given = dict(context.parameters)
            names = given.pop("names", [f"p{number}" for number in range(int(given.pop("pieces", 3)))])
            return Divided(tuple(Part("piece", name, given) for name in names))
        if context.parameters.get("join") == "fails":
            raise TransientError("The pieces do not stick yet.", code="not_sticky")
        if context.parameters.get("join") == "divides":
            return Divided((Part("piece", "again"),))
        path = context.scratch / "whole"
        with path.open("wb") as whole:
            for part in context.parts:
                if "reason" not in part.facts:
                    with part.open("piece") as piece:
                        whole.write(piece.read(part.size("piece")))
        context.progress(50)
        return Ready((Output("whole", path, "text/plain"),), {"pieces": len(context.parts)})


class PieceDeriver(BaseDeriver):
    """One piece. With `wait` it notes its start and goes on when the test says go to all, or to this piece."""

    name: ClassVar[str] = "piece"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "waveform"
    planned: ClassVar[bool] = False
    hidden: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return True

    def derive(self, context: Context) -> Result:
        if context.parameters.get("wait"):
            self.wait(context)
        match context.parameters.get(context.variant):
            case "permanent":
                raise PermanentError("This piece is broken. Upload it again.", code="broken_piece")
            case "transient":
                raise TransientError("Not now.")
            case "unneeded":
                return NotNeeded("empty_piece")
            case "divides":
                return Divided((Part("piece", "deeper"),))
        path = context.scratch / "piece"
        path.write_text(f"[{context.variant}]")
        return Ready((Output("piece", path, "text/plain"),))

    def wait(self, context: Context) -> None:
        with flag("starts").open("a") as starts:
            starts.write(f"{context.variant} {os.getpid()}\n")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if flag("go").exists() or flag(f"go-{context.variant}").exists():
                return
            context.progress(50)
            context.check()
            PAUSE.wait(0.02)
