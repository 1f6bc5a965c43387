"""Cursors whose statements are planned once: like Django's in all else."""

from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, NotSupportedError, close_old_connections, connection
from django.db.backends.postgresql.base import Cursor
from django.test.utils import CaptureQueriesContext

from alcoves import metrics, prepared
from tests.meanwhile import Meanwhile

ASKED = "SELECT %(number)s::int + 1 AS planned_once"


def ask(number: int) -> int:
    with prepared.cursor() as cursor:
        cursor.execute(ASKED, {"number": number})
        return int(cursor.fetchone()[0])


def kept() -> int:
    """Plans that Postgres holds for it on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS planned_once'")
        return int(cursor.fetchone()[0])


@pytest.fixture
def threshold(request: pytest.FixtureRequest, transactional_db: None) -> Any:
    """Of a connection that has no plans yet."""
    before = connection.settings_dict["PREPARE_THRESHOLD"]
    connection.close()
    connection.settings_dict["PREPARE_THRESHOLD"] = request.param
    yield request.param
    connection.settings_dict["PREPARE_THRESHOLD"] = before
    connection.close()


@pytest.mark.parametrize(("threshold", "plans"), [(0, 1), (None, 0)], indirect=["threshold"])
def test_a_plan_is_kept_unless_a_pooler_cannot(threshold: int | None, plans: int) -> None:
    assert [ask(1), ask(2), ask(2)] == [2, 3, 3]
    assert kept() == plans


@pytest.mark.parametrize("threshold", [0], indirect=True)
def test_other_cursors_are_as_before(threshold: int) -> None:
    ask(1)
    assert connection.connection.cursor_factory is Cursor
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s || 'b'", ["a"])  # Of no type that Postgres could tell from its place.
        assert cursor.fetchone() == ("ab",)


@pytest.mark.parametrize("threshold", [0], indirect=True)
def test_psycopg_keeps_nothing_of_other_statements(threshold: int) -> None:
    """It would keep them with their values: a hundred of them, on each connection."""
    ask(1)
    with connection.cursor() as cursor:
        for number in range(3):
            cursor.execute("SELECT %s", ["value" * 1000 + str(number)])
    known = connection.connection._prepared
    assert (len(known._names), len(known._counts)) == (1, 0)


@pytest.mark.django_db
def test_it_is_counted_and_shown_as_any_other() -> None:
    def count() -> float:
        return float(metrics.DB_QUERIES.labels("select", "ok")._value.get())

    before = count()
    ask(1)
    assert count() == before + 1
    with CaptureQueriesContext(connection) as seen:
        ask(41)
    assert [query["sql"] for query in seen] == ["SELECT 41::int + 1 AS planned_once"]


@pytest.mark.django_db
def test_its_errors_are_those_of_django() -> None:
    with pytest.raises(DatabaseError, match="no_such_table"), prepared.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table WHERE id = %s", [1])


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_broke_since_the_last_task_is_replaced() -> None:
    ask(1)
    connection.connection.close()
    close_old_connections()  # As each task does at its beginning.
    assert ask(2) == 3


@pytest.mark.django_db(transaction=True)
def test_a_migration_of_a_column_costs_one_error() -> None:
    def look() -> list[Any]:
        with prepared.cursor() as cursor:
            cursor.execute("SELECT told FROM planned_once WHERE %(all)s::bool", {"all": True})
            return list(cursor.fetchall())

    def migrate(statement: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    migrate("CREATE TABLE planned_once (told varchar(4))")
    try:
        assert look() == look() == []
        other = Meanwhile(partial(migrate, "ALTER TABLE planned_once ALTER told TYPE varchar(8)"))
        other.end()
        with pytest.raises(NotSupportedError):
            look()
        assert look() == []
    finally:
        migrate("DROP TABLE planned_once")
