"""A process of its own that downloads, where workers have no way out: it reads rows, and no message and no media.

`compose.yaml` has it as the container `models`, the only one of ours that reaches the world.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from django.db import close_old_connections

from media.errors import MediaError
from ml.downloads import flow, ordering, tending
from ml.downloads.flow import Outcome

logger = logging.getLogger(__name__)
PAUSE: Final = 5.0
"""Seconds between two looks at the rows, where nothing waits or another process has the turn."""
TURN_SECONDS: Final = 300.0


def follow(alive: Callable[[], None]) -> None:
    """For ever. `alive` is called at least each minute, but for what a silent mirror takes."""
    tending.prefetch()
    while True:
        alive()
        close_old_connections()
        if not take_turn(alive):
            time.sleep(PAUSE)


def take_turn(alive: Callable[[], None]) -> bool:
    """One turn for the model that has waited longest; False where there is nothing to do at the moment."""
    ordering.send_lost()
    spec = ordering.longest_waiting()
    if spec is None:
        return False
    try:
        outcome = flow.ensure(spec, seconds=TURN_SECONDS, shown=lambda *_: alive())
    except MediaError as error:
        logger.warning("%s is not here: %s", spec.id, error.message)
        return False
    return outcome is not Outcome.TAKEN
