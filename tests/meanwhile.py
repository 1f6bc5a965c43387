"""What happens on another connection while a test holds its own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.datname = current_database()
"""
"""Other tests may share the server."""


class Meanwhile(threading.Thread):
    """Something that happens on another connection."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.action = action
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.action()
        except BaseException as error:  # noqa: BLE001  Told to the test.
            self.failure = error
        finally:
            connections.close_all()

    def end(self) -> None:
        self.join(60)
        assert not self.is_alive()
        if self.failure is not None:
            raise self.failure


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])
