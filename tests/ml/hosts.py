"""The model host of a test, found and killed as a machine would when its memory is short."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ml.runtime import places


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
    """Somebody else is connected all the time: a host that has nobody goes after a few seconds."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(places.current().socket))
        yield


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
