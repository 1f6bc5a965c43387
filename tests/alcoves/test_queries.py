"""Statements of the database are counted by their first word."""

import pytest
from django.db import connection

from alcoves import metrics, queries


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT 1", "select"),
        ("\n  select\n1", "select"),
        ("(SELECT 1) UNION (SELECT 2)", "select"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "with"),
        ("\nWITH RECURSIVE a AS (SELECT 1) SELECT 1", "with"),
        ("INSERT INTO a", "insert"),
        ("UPDATE a", "update"),
        ("DELETE FROM a", "delete"),
        ("SAVEPOINT a", "savepoint"),
        ("", ""),
        (b"SELECT 1", ""),
    ],
)
def test_the_first_word(sql: object, word: str) -> None:
    assert queries.first_word(sql) == word


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sql", "word"), [("WITH a AS (SELECT 1) SELECT * FROM a", "with"), ("SHOW search_path", "other")]
)
def test_each_is_counted_under_its_word(sql: str, word: str) -> None:
    def count() -> float:
        return float(metrics.DB_QUERIES.labels(word, "ok")._value.get())

    before = count()
    with connection.cursor() as cursor:
        cursor.execute(sql)
    assert count() == before + 1
