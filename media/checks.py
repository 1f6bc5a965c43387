"""Start-up checks: which ffmpeg is used, what it lacks, what films are encoded with. Run by `manage.py check`."""

import logging
from functools import lru_cache
from typing import Any

from django.core import checks

from media.errors import MediaError
from media.tools import encoders, ffmpeg

logger = logging.getLogger(__name__)


@checks.register("ffmpeg")
def check_ffmpeg(**_: Any) -> list[checks.CheckMessage]:
    """W001: no ffmpeg that runs. W002: not the encoder that was asked for. I001: it lacks something we would use."""
    try:
        found = ffmpeg.capabilities()
    except MediaError as error:
        hint = "Set ALCOVES_FFMPEG_BINARY to an ffmpeg that runs here."
        return [checks.Warning(f"ffmpeg cannot be used: {error.message}", hint=hint, id="media.W001")]
    told = check_encoder()
    if found.lacks:
        sentence = f"ffmpeg {found.version} lacks {', '.join(found.lacks)}; what needs them is made in a plainer way."
        told.append(checks.Info(sentence, id="media.I001"))
    return told


def check_encoder() -> list[checks.CheckMessage]:
    """Films are made in software where the encoder in hardware that an operator wants does not work."""
    wanted = encoders.setting()
    if wanted in {"auto", "software", encoders.choose().family}:
        return []
    tried = [trial.problem for trial in encoders.survey() if trial.encoder.family == wanted]
    return [
        checks.Warning(
            f"ALCOVES_VIDEO_ENCODER is {wanted}, which does not work here; films are encoded in software.",
            hint=tried[0] if tried else "This ffmpeg does not have that encoder.",
            id="media.W002",
        )
    ]


@lru_cache(maxsize=1)
def log_once() -> None:
    """For servers that never run the checks: one line in the log of each process."""
    try:
        found = ffmpeg.capabilities()
    except MediaError as error:
        logger.warning("ffmpeg cannot be used: %s", error.message)
        return
    lacks = f"; it lacks {', '.join(found.lacks)}" if found.lacks else ""
    logger.info(
        "ffmpeg %s at %s%s; encodes with %s", found.version, found.binary, lacks, encoders.choose().name
    )
