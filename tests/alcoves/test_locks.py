"""The plain lock, and keeping it by a question whose answer is read later."""

import pytest
import redis

from alcoves import locks
from media import dispatch

pytestmark = pytest.mark.django_db


def client() -> redis.Redis:
    found: redis.Redis = dispatch.redis_client()
    return found


def test_one_takes_it_and_only_that_one_gives_it_back() -> None:
    token = locks.acquire(client(), "a", 30)
    assert token is not None
    assert locks.acquire(client(), "a", 30) is None
    assert not locks.release(client(), "a", "somebody-else")
    assert locks.release(client(), "a", token)
    assert locks.acquire(client(), "a", 30) is not None


def test_a_renewed_lock_lasts_longer() -> None:
    token = locks.acquire(client(), "a", 5)
    assert token is not None
    with locks.Renewal(client(), "a", token, 500) as renewal:
        assert renewal.held
        assert renewal.held, "asked once, told as often as wanted"
    assert 490 < client().ttl(locks.PREFIX + "a") <= 500


@pytest.mark.parametrize("token", ["", "of somebody else"])
def test_what_is_not_ours_is_not_renewed(token: str) -> None:
    locks.acquire(client(), "a", 5)
    with locks.Renewal(client(), "a", token, 500) as renewal:
        assert not renewal.held
    assert client().ttl(locks.PREFIX + "a") <= 5


def test_an_answer_that_nobody_has_read_is_not_taken_for_another() -> None:
    token = locks.acquire(client(), "a", 5)
    assert token is not None
    for _ in range(3):
        with locks.Renewal(client(), "a", token, 500):
            pass
        assert client().echo("this one") == b"this one"
    assert client().ttl(locks.PREFIX + "a") > 5, "it was renewed all the same"


def test_where_redis_is_away_nothing_is_held() -> None:
    nobody = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=1)
    with locks.Renewal(nobody, "a", "token", 5) as renewal:
        assert not renewal.held
