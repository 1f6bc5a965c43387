"""Pictures that come in by a request are decoded in it: one at a time in a process, and for a few seconds only."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from media.errors import TransientError
from media.tools.vips import PixelLimits

SECONDS: Final = 5.0
"""A picture of 10 MiB takes less, unless it was made to take more."""
WAIT_SECONDS: Final = 15.0
ONE_AT_A_TIME: Final = threading.Lock()
"""A crafted picture of 100 megapixels takes some 400 MB: so many uploads as there are threads would be too much."""


@contextmanager
def in_turn() -> Iterator[PixelLimits]:
    """The limits that hold for such a picture. TransientError where others are taking too long."""
    if not ONE_AT_A_TIME.acquire(timeout=WAIT_SECONDS):
        raise TransientError(
            "Many pictures are coming in at the moment. Try again in a little while.", code="busy"
        )
    try:
        yield replace(PixelLimits.from_environment(), seconds=SECONDS)
    finally:
        ONE_AT_A_TIME.release()
