"""Which making of the database this is. A restore makes every table anew, so it is another one afterwards.

Whoever asked for something to be destroyed meant the rows of then: a message that outlived a restore must not act on
the rows that came back. So each such message, and each question on a page, carries the epoch it was asked in, and every
batch compares it in its own transaction. A restore drops tables, and waits for transactions that have read them.
"""

from typing import Final

from django.db import connection

from media.errors import ConflictError

EPOCH: Final = """
    SELECT (SELECT system_identifier FROM pg_control_system()) || '.' || 'media_file'::regclass::oid
    FROM (SELECT FROM media_file LIMIT 0) f RIGHT JOIN (VALUES (1)) one ON TRUE"""
"""Of this server, the number that the table of files got when it was made. Naming the table locks it."""


class StaleError(ConflictError):
    """Asked of the database as it was before a restore."""

    code = "database_restored"


def current() -> str:
    with connection.cursor() as cursor:
        cursor.execute(EPOCH)
        return str(cursor.fetchone()[0])


def require(epoch: str) -> None:
    """StaleError where a restore came since. Call it in the transaction of the act."""
    if epoch != current():
        raise StaleError(
            "A backup was restored since this was asked for, so nothing more was done. Look, and ask for it again."
        )
