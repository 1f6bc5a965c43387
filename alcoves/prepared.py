"""Statements written by hand that Postgres plans once for each connection. A leaf but for Django.

For what is asked at every job: to plan a claim takes several times as long as to do it. A pooler that cannot keep
prepared statements is told of by `DATABASE_URL` (`prepare_threshold=none`); then they are planned each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import NotSupportedError, connection
from django.db.backends.postgresql.base import ServerBindingCursor


@contextmanager
def cursor() -> Iterator[Any]:
    """One of Django's in all but that values go beside the statement, not in it: Postgres must know their types."""
    if connection.queries_logged:  # Only Django's own cursors tell a statement with its values.
        with connection.cursor() as usual:
            yield usual
        return
    with made() as found, preparing(connection.connection):
        yield found


def made() -> Any:
    """By Django, which looks whether the connection is still there, and replaces it if it is not."""
    connection.ensure_connection()
    raw = connection.connection
    factory, raw.cursor_factory = raw.cursor_factory, ServerBindingCursor
    try:
        return connection.cursor()
    finally:
        raw.cursor_factory = factory


@contextmanager
def preparing(raw: Any) -> Iterator[None]:
    """Only now: of what it might prepare, psycopg keeps the text, and that of the ORM has all values in it."""
    raw.prepare_threshold = connection.settings_dict["PREPARE_THRESHOLD"]
    try:
        yield
    except NotSupportedError:
        # A migration has changed the columns of an answer: the plan is good for nothing any more. In a transaction
        # its rollback drops the plans.
        if not connection.in_atomic_block:
            connection.close()
        raise
    finally:
        raw.prepare_threshold = None
