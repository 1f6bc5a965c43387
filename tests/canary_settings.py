"""Settings of a worker that a test makes hang: by a file in its folder of flags, once."""

import threading
import time
from typing import Any

from celery import signals

from tests.derivers import flag
from tests.worker_settings import *

WORKER_STUCK_SECONDS = 10.0
PAUSE = threading.Event()


@signals.worker_ready.connect
def wait_for_trouble(sender: Any, **_: Any) -> None:
    threading.Thread(target=make_trouble, args=(sender,), daemon=True).start()


def make_trouble(consumer: Any) -> None:
    """`hang`: the loop stands still. `deaf`: it turns, and nobody asks the queues any more."""
    while True:
        PAUSE.wait(0.1)
        if flag("hang").exists():
            flag("hang").unlink()
            consumer.hub.call_soon(time.sleep, 600)
        if flag("deaf").exists():
            flag("deaf").unlink()
            consumer.hub.call_soon(consumer.task_consumer.cancel)
