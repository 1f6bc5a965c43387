"""Room on the disk of the models. Pure."""

import errno
import shutil
from pathlib import Path
from typing import Final

from media.errors import InfrastructureError
from ml.downloads.errors import NoRoomError

MEGABYTE: Final = 1_000_000


def check(folder: Path, needed: int, reserve: int) -> None:
    """NoRoomError before the first byte of what would not fit."""
    free = shutil.disk_usage(folder).free
    if free < needed + reserve:
        raise NoRoomError(
            f"The disk of the models has {free // MEGABYTE} MB free, {(needed + reserve) // MEGABYTE} MB are needed."
            " Make room, or set ALCOVES_MODELS_PATH to a larger disk."
        )


def full(folder: Path, error: OSError) -> InfrastructureError:
    """What a failed write says to people."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NoRoomError("The disk of the models is full. Make room.", detail=str(error))
    return InfrastructureError(
        f"The folder of the models cannot be written to: {error.strerror}. Give the workers access to it.",
        code="models_folder",
        detail=f"{folder}: {error}",
    )
