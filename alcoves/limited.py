"""Statements that may take no longer than they are worth: Postgres ends them, and whoever asked says that it did."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import OperationalError, connection, transaction

CANCELLED: Final = "57014"
"""query_canceled, by statement_timeout (Postgres, Appendix A)."""
SET: Final = "SELECT current_setting('statement_timeout'), set_config('statement_timeout', %s, TRUE)"


class TooLateError(Exception):
    """What was asked takes longer than its limit."""


@contextmanager
def ended_in_time() -> Iterator[None]:
    """One transaction, or one savepoint of it. Raises TooLateError where a statement came to its limit."""
    try:
        with transaction.atomic():
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != CANCELLED:
            raise
        raise TooLateError from error


@contextmanager
def statements_within(milliseconds: int) -> Iterator[None]:
    """None of them takes longer. Then the limit is as it was, though a transaction around goes on."""
    with ended_in_time(), connection.cursor() as cursor:
        cursor.execute(SET, [f"{milliseconds}ms"])
        before = cursor.fetchone()[0]
        yield
        cursor.execute(SET, [before])
