"""Cursors whose statements are planned once: like Django's in all else."""

from typing import Any

import pytest
from django.db import DatabaseError, close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from alcoves import metrics, prepared

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
def threshold(request: pytest.FixtureRequest, db: None) -> Any:
    """On the connection of the test, and as it was afterwards."""
    connection.ensure_connection()
    before = connection.connection.prepare_threshold
    connection.connection.prepare_threshold = request.param
    yield request.param
    connection.connection.prepare_threshold = before
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    connection.connection._prepared.clear()


@pytest.mark.parametrize(("threshold", "plans"), [(0, 1), (None, 0)], indirect=["threshold"])
def test_a_plan_is_kept_unless_a_pooler_cannot(threshold: int | None, plans: int) -> None:
    assert [ask(1), ask(2), ask(2)] == [2, 3, 3]
    assert kept() == plans


@pytest.mark.parametrize("threshold", [0], indirect=True)
def test_other_cursors_are_as_before(threshold: int) -> None:
    factory = connection.connection.cursor_factory
    ask(1)
    assert connection.connection.cursor_factory is factory
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s || 'b'", ["a"])  # Of no type that Postgres could tell from its place.
        assert cursor.fetchone() == ("ab",)


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
