"""The reader of run-time settings: the order of its sources, its minute of memory, and what it does without servers."""

import asyncio
import timeit
from collections.abc import Callable
from typing import Any

import pytest
from constance.codecs import dumps
from constance.models import Constance
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from media import live
from media.live import KEPT_SECONDS, Reader
from tests.workers import wait_until

NAME = "IMAGE_QUEUE_LIMIT"


class Clock:
    """Time that moves when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Telling:
    """A bulletin at the edge: it is heard, or not, as the test says."""

    def __init__(self, *, heard: bool) -> None:
        self.heard = heard
        self.callbacks: list[Callable[[dict[str, Any]], None]] = []

    def listen(self, topic: str, callback: Callable[[dict[str, Any]], None]) -> None:
        assert topic == live.TOPIC
        self.callbacks.append(callback)

    def alive(self) -> bool:
        return self.heard

    def tell(self) -> None:
        for callback in self.callbacks:
            callback({})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telling() -> Telling:
    return Telling(heard=True)


@pytest.fixture
def reader(db: None, clock: Clock, telling: Telling) -> Reader:
    made = Reader(clock)
    made.hear_by(telling)
    return made


def keep(value: Any, name: str = NAME) -> None:
    Constance.objects.update_or_create(key=name, defaults={"value": dumps(value)})


def test_the_database_goes_before_the_environment_and_reading_writes_nothing(
    reader: Reader, settings: Any
) -> None:
    assert reader.value(NAME) == 500
    assert not Constance.objects.exists()
    settings.IMAGE_QUEUE_LIMIT = 7  # As after a start with another environment.
    assert reader.value(NAME) == 7
    keep(9)
    reader.forget()
    assert reader.value(NAME) == 9


def test_a_value_that_is_known_costs_no_query_and_hardly_any_time(
    reader: Reader, django_assert_num_queries: Any
) -> None:
    keep(9)
    reader.value(NAME)
    with django_assert_num_queries(0):
        for _ in range(100):
            assert reader.value(NAME) == 9
            assert reader.value("IMAGE_WAIT_SECONDS") == 30
    print(f"{timeit.timeit(lambda: reader.value(NAME), number=20_000) / 20_000 * 1e6:.2f} microseconds")


def test_one_reading_brings_all_settings(reader: Reader) -> None:
    keep(9)
    keep(12.5, "IMAGE_WAIT_SECONDS")
    with CaptureQueriesContext(connection) as queries:
        assert (reader.value(NAME), reader.value("IMAGE_WAIT_SECONDS")) == (9, 12.5)
    assert sum("constance" in query["sql"] for query in queries) == 1


def test_it_is_read_again_after_a_minute_and_not_before(reader: Reader, clock: Clock) -> None:
    assert reader.value(NAME) == 500
    keep(9)  # By a way of which nobody tells.
    clock.now += KEPT_SECONDS - 0.001
    assert reader.value(NAME) == 500
    clock.now += 0.001
    assert reader.value(NAME) == 9


def test_what_is_told_ends_the_minute(reader: Reader, telling: Telling) -> None:
    assert reader.value(NAME) == 500
    keep(9)
    telling.tell()
    assert reader.value(NAME) == 9


def test_without_redis_a_minute_is_all_there_is_and_its_return_is_noticed(
    reader: Reader, clock: Clock, telling: Telling
) -> None:
    telling.heard = False
    assert reader.value(NAME) == 500
    keep(9)
    clock.now += KEPT_SECONDS - 1
    assert reader.value(NAME) == 500
    clock.now += 1
    assert reader.value(NAME) == 9
    keep(10)
    telling.heard = True
    clock.now += 1.5
    assert reader.value(NAME) == 10


def test_a_change_during_a_reading_is_not_lost(
    reader: Reader, telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.value(NAME)
    stored = live.stored

    def changed_meanwhile() -> dict[str, str]:
        found = stored()
        keep(9)
        telling.tell()
        return found

    reader.forget()
    monkeypatch.setattr(live, "stored", changed_meanwhile)
    assert reader.value(NAME) == 500
    monkeypatch.setattr(live, "stored", stored)
    assert reader.value(NAME) == 9


def test_without_postgres_the_last_value_goes_on_then_the_environment(
    reader: Reader, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep(9)
    assert reader.value(NAME) == 9
    asked = 0

    def away() -> dict[str, str]:
        nonlocal asked
        asked += 1
        raise OperationalError("the server is away")

    monkeypatch.setattr(live, "stored", away)
    clock.now += KEPT_SECONDS
    assert [reader.value(NAME) for _ in range(5)] == [9] * 5
    assert asked == 1  # Not every reader waits for a server that is away.
    assert "the last that were known go on" in caplog.text
    fresh = Reader(clock)
    assert fresh.value(NAME) == 500


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "",
        "null",
        "7",
        dumps(0),
        dumps(100_001),
        dumps("50"),
        dumps(True),
        dumps(1.0),
        dumps(None),
        '{"__type__": "decimal", "__value__": "7"}',
        "[" * 100_000,
    ],
)
def test_what_is_not_valid_is_ignored_with_one_warning(
    reader: Reader, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    Constance.objects.create(key=NAME, value=text)
    keep(12.5, "IMAGE_WAIT_SECONDS")
    for _ in range(3):
        reader.forget()
        assert reader.value(NAME) == 500
    assert reader.value("IMAGE_WAIT_SECONDS") == 12.5
    assert [NAME in record.message for record in caplog.records] == [True]


def test_a_row_of_another_version_is_passed_over(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    keep(1, "GONE_LONG_AGO")
    assert reader.value(NAME) == 500
    assert not caplog.records


def test_a_reading_that_fails_leaves_the_transaction_around_it_whole(reader: Reader) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE constance_constance RENAME TO constance_away")
        assert reader.value(NAME) == 500
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_nobody_in_an_event_loop_waits_for_the_database() -> None:
    keep(9)
    reader = Reader()

    async def ask() -> Any:
        return reader.value(NAME)

    first = asyncio.run(ask())
    assert first in {500, 9}
    wait_until(lambda: asyncio.run(ask()) == 9, 10)


def test_a_forked_child_reads_anew(reader: Reader) -> None:
    assert reader.value(NAME) == 500
    keep(9)
    reader.begin_anew()
    reader.forget()
    assert reader.value(NAME) == 9
