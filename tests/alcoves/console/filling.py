"""Many rows in every big table, made by the database itself.

The rare ones are the oldest: a list that looks for them from its newest row on, without an index, reads everything.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db import connection, models

from media.models import Library

RARE: Final = 40
"""So many rows, the oldest, differ from all others."""
KEY: Final = "('00000000-0000-7000-8000-' || lpad(to_hex({}), 12, '0'))::uuid"
LIBRARIES: Final = 3
MANY: Final = 1_000
"""Rows from which on it is quicker to make their indexes of words afterwards."""
BEYOND: Final = 10_000_000
"""Numbers that no sequence has come to, which go on when what was made with them is taken back."""

SPECIAL: Final[dict[tuple[str, str], str]] = {
    ("derivative", "status"): f"CASE WHEN i <= {RARE} THEN 'failed' ELSE 'ready' END",
    ("derivative", "error_code"): f"CASE WHEN i <= {RARE} THEN 'code-' || i % 4 ELSE '' END",
    ("derivative", "parent"): f"CASE WHEN i <= {RARE} THEN {KEY.format('i + 100')} END",
    ("derivative", "deriver"): f"CASE WHEN i <= {RARE} THEN 'sprites' ELSE 'preview' END",
    ("derivative", "queue"): f"CASE WHEN i <= {RARE} THEN 'waveform' ELSE 'thumbnail' END",
    ("derivative", "ready_version"): "1",
    ("derivative", "variant"): "''",
    ("derivative", "lease_owner"): "''",
    ("derivative", "lease_expires_at"): "NULL",
    ("derivative", "parts_left"): "NULL",
    ("file", "stack"): "NULL",
    ("folder", "parent"): "NULL",
    ("stack", "primary"): "NULL",
    ("stack", "chosen"): "NULL",
    ("person", "cover"): "NULL",
    ("upload", "folder"): "NULL",
    ("upload", "file"): "NULL",
    ("original", "sha256"): "encode(sha256(i::text::bytea), 'hex')",
    ("original", "kind"): f"CASE WHEN i <= {RARE} THEN 'audio' ELSE 'image' END",
    ("tag", "color"): "'#EF4444'",
    ("moment", "end"): "2",
    ("moment", "start"): "1",
    ("soundevent", "end_seconds"): "2",
    ("soundevent", "start_seconds"): "1",
    ("face", "assigned_by"): f"CASE WHEN i <= {RARE} THEN 'user' ELSE 'model' END",
    ("face", "person"): KEY.format("1 + i % 1000"),
    ("mergeproposal", "second"): KEY.format("i + 1"),
    ("mergeproposal", "first"): KEY.format("i"),
    ("similardecision", "second"): KEY.format("i + 1"),
    ("similardecision", "first"): KEY.format("i"),
    ("stack", "kind"): f"CASE WHEN i <= {RARE} THEN 'raw' ELSE 'burst' END",
    ("upload", "kind"): f"CASE WHEN i <= {RARE} THEN 'presigned' ELSE 'tus' END",
    ("auditentry", "via"): f"CASE WHEN i <= {RARE} THEN 'command' ELSE 'console' END",
    ("auditentry", "action"): f"CASE WHEN i <= {RARE} THEN 'rare.' || i % 4 ELSE 'files.purge' END",
    ("pictureembedding", "embedding"): "'[1,2,3,4]'::halfvec",
    ("backup", "blobs"): f"CASE WHEN i <= {RARE} THEN 'all' ELSE 'originals' END",
    ("finding", "store"): f"CASE WHEN i <= {RARE} THEN 'cold' ELSE 'main' END",
    ("finding", "state"): f"CASE WHEN i <= {RARE} THEN 'open' ELSE 'repaired' END",
    ("delivery", "event"): f"CASE WHEN i <= {RARE} THEN 'test' ELSE 'alerts' END",
    ("cachedimage", "variants_version"): f"CASE WHEN i <= {RARE} THEN 1 ELSE 0 END",
}
"""What the database asks of a column, and which of its values are rare."""


def fill(model: type[models.Model], count: int, *, with_others: bool = True) -> None:
    """`count` rows, and as many of those they point at. No trigger counts them (`session_replication_role`)."""
    for other in pointed_at(model) if with_others else ():
        fill(other, count)
    there = model._default_manager.count()
    if there < count:
        insert(model, count, there + 1)


def pointed_at(model: Any) -> set[Any]:
    found = (
        field.related_model
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and value_of(model, field) != "NULL"
    )
    return {other for other in found if other not in {model, Library, get_user_model()}}


def insert(model: type[models.Model], count: int, first: int = 1) -> None:
    fields = [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(value_of(model, field) for field in fields)
    table = model._meta.db_table
    with connection.cursor() as cursor:
        with indexed_afterwards(cursor, table, count + 1 - first):
            cursor.execute("SET LOCAL session_replication_role = 'replica'")
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series({first}, {count}) i"
            )
            cursor.execute("SET LOCAL session_replication_role = 'origin'")
        cursor.execute(f"ANALYZE {table}")


@contextmanager
def indexed_afterwards(cursor: Any, table: str, rows: int) -> Iterator[None]:
    """Words of many rows are put into an index at once in a tenth of the time of one row after the other."""
    if rows < MANY:
        yield
        return
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%USING gin%%'",
        [table],
    )
    found = cursor.fetchall()
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
    for _, definition in found:
        cursor.execute(definition)


def value_of(model: Any, field: Any) -> str:
    """The expression of a column, of the number `i` of its row."""
    special = SPECIAL.get((model._meta.model_name, field.name))
    if special is not None:
        return special
    if isinstance(field, models.ForeignKey):
        return key_of(model, field)
    if field.primary_key:
        return f"i + {BEYOND}" if isinstance(field, models.AutoField) else KEY.format("i")
    return plain_value(field)


def key_of(model: Any, field: Any) -> str:
    if field.related_model is Library:
        return KEY.format(f"CASE WHEN i <= {RARE} THEN 2 ELSE 1 END")
    wanted = (
        "(SELECT id FROM accounts_user LIMIT 1)"
        if field.related_model is get_user_model()
        else KEY.format("i")
    )
    return f"CASE WHEN i <= {RARE} THEN {wanted} END" if field.null else wanted


def plain_value(field: Any) -> str:
    rare = f"i <= {RARE}"
    if isinstance(field, models.DateTimeField):
        return f"CASE WHEN {rare} THEN now() END" if field.null else "now() - (i || ' s')::interval"
    if field.null and not field.unique:
        return "NULL"
    if isinstance(field, models.CharField | models.TextField):
        return text_of(field)
    if isinstance(field, models.IntegerField):
        return str(field.get_default() if field.has_default() else 1)
    if isinstance(field, models.JSONField):
        return f"'{json.dumps(field.get_default() if field.has_default() else {})}'::jsonb"
    return {
        "BooleanField": f"({rare})",
        "ArrayField": "'{}'",
        "UUIDField": KEY.format("i"),
        "FloatField": "0.5",
        "DecimalField": "0.5",
        "GenericIPAddressField": "'127.0.0.1'::inet",
    }[field.get_internal_type()]


def text_of(field: Any) -> str:
    if field.choices:
        return f"'{field.choices[0][0]}'"
    longest = min(field.max_length or 60, 60)
    words = f"CASE WHEN i <= {RARE} THEN 'Rarity ' ELSE 'Common ' END || md5(i::text)"
    if field.unique:
        return "md5(i::text)"
    return f"left({words}, {longest})" if longest > 7 else "'x'"


def libraries() -> list[Library]:
    """With the keys that the rows point at."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {KEY.format('i')} FROM generate_series(1, {LIBRARIES}) i")
        keys = [key for (key,) in cursor.fetchall()]
    made: list[Library] = [
        Library.objects.create(pk=key, name=f"Library {at}") for at, key in enumerate(keys)
    ]
    return made
