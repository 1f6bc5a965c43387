"""A start-up check: which ffmpeg is used and what it lacks. Runs with `manage.py check`, and so before every server."""

import logging
from functools import lru_cache
from typing import Any

from django.core import checks

from media.errors import MediaError
from media.tools import ffmpeg

logger = logging.getLogger(__name__)


@checks.register("ffmpeg")
def check_ffmpeg(**_: Any) -> list[checks.CheckMessage]:
    """W001: no ffmpeg that runs. I001: it runs, and lacks something we would use."""
    try:
        found = ffmpeg.capabilities()
    except MediaError as error:
        hint = "Set ALCOVES_FFMPEG_BINARY to an ffmpeg that runs here."
        return [checks.Warning(f"ffmpeg cannot be used: {error.message}", hint=hint, id="media.W001")]
    if found.lacks:
        sentence = f"ffmpeg {found.version} lacks {', '.join(found.lacks)}; what needs them is made in a plainer way."
        return [checks.Info(sentence, id="media.I001")]
    return []


@lru_cache(maxsize=1)
def log_once() -> None:
    """For servers that never run the checks: one line in the log of each process."""
    try:
        found = ffmpeg.capabilities()
    except MediaError as error:
        logger.warning("ffmpeg cannot be used: %s", error.message)
        return
    lacks = f"; it lacks {', '.join(found.lacks)}" if found.lacks else ""
    logger.info("ffmpeg %s at %s%s", found.version, found.binary, lacks)
