"""Tables in new files, for tests that fill them and look at plans.

What a test has filled and taken back lies in tables and indexes until they are vacuumed, and the indexes stay as long
as they were: Postgres takes a long index for a dear one, and reads the table. Where a table is emptied within the
transaction, its rows come into new files, which go when they are taken back.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection


def afresh(models: Iterable[Any]) -> None:
    """Empties their tables and those that point at them, until the transaction of the test is taken back."""
    tables = ", ".join(sorted({model._meta.db_table for model in models}))
    assert connection.in_atomic_block, "without a transaction they would stay empty"
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")
