"""Somebody who makes the pictures that a page asks for: one thread, the real queue, the real task."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from alcoves.celery import app
from media import tasks


@contextmanager
def images_made() -> Iterator[None]:
    """While it lasts, sizes that are not in the cache are made as by a worker, and nothing else is."""
    stop = threading.Event()
    maker = threading.Thread(target=work, args=(stop,))
    maker.start()
    try:
        yield
    finally:
        stop.set()
        maker.join()


def work(stop: threading.Event) -> None:
    waiting = next(one for one in app.conf.task_queues if one.name == "imageproxy")
    with app.connection_for_read() as connection:
        messages = connection.SimpleQueue(waiting)
        while not stop.is_set():
            try:
                message = messages.get(timeout=0.1)
            except queue.Empty:
                continue
            arguments, *_ = message.payload
            tasks.make_image(*arguments)
            message.ack()
        messages.close()
    connections.close_all()
