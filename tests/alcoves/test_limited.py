import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from alcoves import limited

pytestmark = pytest.mark.django_db


def told(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


def limit() -> str:
    return told("SHOW statement_timeout")


def test_what_takes_too_long_is_ended_and_the_transaction_around_goes_on() -> None:
    with transaction.atomic():
        before = limit()
        with pytest.raises(limited.TooLateError), limited.statements_within(20):
            told("SELECT pg_sleep(30)")
        assert limit() == before
        assert told("SELECT 1") == "1"


def test_what_is_in_time_is_answered_and_the_limit_is_as_it_was() -> None:
    with transaction.atomic():
        told("SELECT set_config('statement_timeout', '77s', TRUE)")
        with limited.statements_within(5_000):
            assert limit() == "5s"
        assert limit() == "77s"


def test_other_troubles_stay_what_they_are() -> None:
    with pytest.raises(ProgrammingError), limited.statements_within(5_000):
        told("SELECT nothing FROM nowhere")
    with pytest.raises(OperationalError, match="on purpose"), limited.ended_in_time():
        raise OperationalError("on purpose")
