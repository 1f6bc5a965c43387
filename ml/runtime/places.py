"""Where the host's socket lies, and with which options it runs.

There is one host for a folder and a set of options: who asks with others gets a host of his own, and the old one ends
when its last client has gone. The folder is open to its owner alone.
"""

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final, Self

from django.conf import settings

from media import live
from media.errors import InfrastructureError

PROTOCOL: Final = 2
"""Raised when messages change: after an update new clients do not talk to an old host."""
LONGEST: Final = 107
"""Bytes of a socket's path (sockaddr_un, less the zero at its end)."""
FOLDER: Final = "models-host"


@dataclass(frozen=True, slots=True)
class Options:
    """How a host runs."""

    concurrency: int
    """Ordinary runs at once. A query that somebody waits for runs beside them."""
    threads: int
    """Of one run."""
    idle_seconds: float
    """After which a model that nobody has asked for is freed, and a host that nobody asks ends."""
    linger_seconds: float = 5.0
    """How long a host stays that has no client any more."""

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            concurrency=settings.ML_CONCURRENCY,
            threads=settings.ML_THREADS or len(os.sched_getaffinity(0)),
            idle_seconds=live.value("ML_IDLE_SECONDS"),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """One host: its socket, and the lock that one of its starters holds."""

    folder: Path
    options: Options

    @property
    def name(self) -> str:
        # A folder that several machines share holds a socket of each.
        told = json.dumps([PROTOCOL, boot(), asdict(self.options)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @property
    def socket(self) -> Path:
        return self.folder / f"{self.name}.sock"

    @property
    def lock(self) -> Path:
        return self.folder / f"{self.name}.lock"


def current() -> Place:
    """By the settings of this moment. InfrastructureError where no folder of ours can be had."""
    return Place(own_folder(Path(settings.ML_HOST_PATH) / FOLDER), Options.from_settings())


@cache
def boot() -> str:
    """This machine, since its last start."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def own_folder(wanted: Path) -> Path:
    """`wanted`, or a folder for it among the temporary ones where a socket's path would get too long."""
    if len(os.fsencode(wanted)) + 20 > LONGEST:
        digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
        wanted = Path(tempfile.gettempdir()) / f"alcoves-{os.getuid()}-{digest}"
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = wanted.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InfrastructureError(
            f"The folder {wanted.name} of the model host is open to others. Remove it, it is made anew.",
            code="model_host_folder",
            detail=str(wanted),
        )
    return wanted
