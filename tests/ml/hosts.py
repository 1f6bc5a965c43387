"""The model host of a test, found and killed as a machine would when its memory is short."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from media.heartbeat import TICK_SECONDS
from ml.runtime import calls, places
from ml.runtime.client import onnx_model
from tests.workers import PAUSE


def hosts() -> list[int]:
    """Processes that listen on the socket which the settings of this moment name."""
    path = str(places.current().socket).encode()
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and path in arguments_of(folder)
    ]


def arguments_of(folder: Path) -> list[bytes]:
    try:
        return (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


@contextmanager
def attended() -> Iterator[None]:
    """A host is there all the time: somebody is connected, and one that has nobody goes after a few seconds."""
    with calls.greeted(places.current()):
        yield


@contextmanager
def held(*models: Path) -> Iterator[None]:
    """A host that has loaded these answers when the test lets it: a run comes no further than `led_to` leads it."""
    for model in models:
        onnx_model(model)
    with attended():
        assert tell(signal.SIGSTOP) == 1
        yield


def led_to(least: int, percent: Callable[[], int], *, moment: float = 0.02) -> bool:
    """Whether the run has told of so much; if not, the host that is held goes on for so many seconds."""
    before = percent()
    if before >= least:
        return True
    tell(signal.SIGCONT)
    PAUSE.wait(moment)
    tell(signal.SIGSTOP)
    until = time.monotonic() + 2 * TICK_SECONDS
    while percent() == before and time.monotonic() < until:
        PAUSE.wait(0.05)
    return False


def kill_hosts() -> int:
    return tell(signal.SIGKILL)


def tell(what: signal.Signals) -> int:
    """How many have been told."""
    found = hosts()
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, what)
    return len(found)


def use(settings: Any, folder: Path, *registries: str) -> None:
    """These models, as if they lay on this machine since ever, and a host for this test alone."""
    settings.MODELS_PATH = folder
    settings.ML_HOST_PATH = folder
    settings.MODEL_REGISTRIES = [*settings.MODEL_REGISTRIES, *registries]
