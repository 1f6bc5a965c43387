"""Statements written by hand that Postgres plans once for each connection. A leaf but for Django.

For what is asked at every job: to plan a claim takes several times as long as to do it. A pooler that cannot keep
prepared statements is told of by `DATABASE_URL` (`prepare_threshold=none`); then they are planned each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.postgresql.base import ServerBindingCursor


@contextmanager
def cursor() -> Iterator[Any]:
    """One of Django's in all but that values go beside the statement, not in it: Postgres must know their types."""
    if connection.queries_logged:  # Only Django's own cursors tell a statement with its values.
        with connection.cursor() as usual:
            yield usual
        return
    connection.ensure_connection()
    raw = connection.connection
    factory, raw.cursor_factory = raw.cursor_factory, ServerBindingCursor
    try:
        made = connection.cursor()
    finally:
        raw.cursor_factory = factory
    with made:
        yield made
