"""A picture in the size somebody asks for: found in the cache, or made once for all who ask at the same time.

The five steps: look into the cache (`find`), subscribe, look again, send one message (`ask`), wait (`Pending`). Where
Redis is away the picture is made in this process, a few at a time. Who may see it was decided before.
"""

import json
import logging
import math
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import uuid4

import redis
from celery import current_app
from django.conf import settings

from alcoves import locks, logs, metrics, tracing
from alcoves.queues import BY_NAME
from media import bulletin, controls, dispatch, imagecache, imagemaking, live
from media.dispatch import GRACE_SECONDS
from media.errors import MediaError, TimedOutError, TransientError
from media.images.recipes import Recipe
from media.models.cached_image import CACHE
from media.pictures import Picture
from media.serving import Served
from media.tools import vips
from media.tools.vips import PixelLimits

logger = logging.getLogger(__name__)
T = TypeVar("T")
HERE_MOST: Final = 2
"""Pictures made at once in a web process."""
HERE_SECONDS: Final = 10.0
LONGEST_PAUSE: Final = 60
LATE_SECONDS: Final = (0.05, 0.2, 0.5)
"""Pauses between looks for a result that must be there: a network disk may be late to tell of a new file."""

REQUEST: Final = """
local content = redis.call('get', KEYS[1])
if content then return {'made', content} end
local bad = redis.call('get', KEYS[2])
if bad then return {'bad', bad} end
local holder = redis.call('get', KEYS[3])
if holder then return {'waiting', holder} end
if ARGV[5] == '1' and redis.call('exists', KEYS[4]) == 1 then return {'kept'} end
local length = redis.call('llen', KEYS[5])
if length >= tonumber(ARGV[3]) then
    return {'busy', length, redis.call('get', KEYS[6]) or '0', redis.call('get', KEYS[7]) or '0'}
end
redis.call('set', KEYS[3], ARGV[1], 'PX', ARGV[2])
redis.call('lpush', KEYS[5], ARGV[4])
return {'sent', ARGV[1]}
"""
"""The second look, the lock and the message in one round trip: nobody holds the lock without a message on its way."""


class BusyError(TransientError):
    """More pictures are waited for than can be made in time."""

    code = "busy"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Many pictures are being made at the moment. Try again in a little while.")
        self.retry_after = retry_after


class PausedError(TransientError):
    """Operators have paused the queue of pictures, or all of its lane."""

    code = "paused"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__(
            "No pictures are made at the moment, because that is paused. Try again a little later."
        )


class NotMadeError(MediaError):
    """What the maker of the picture told."""

    def __init__(self, outcome: Mapping[str, Any]) -> None:
        super().__init__(str(outcome["message"]), code=str(outcome["code"]))
        self.http_status = int(outcome["status"])
        self.retry = self.http_status == TransientError.http_status


@dataclass(frozen=True, slots=True)
class Fresh:
    """A picture that was made just now."""

    content: bytes
    content_type: str


def find(picture: Picture, recipe: Recipe) -> Served | None:
    """The picture in the cache. Costs a look at the disk, or a query where the store is far away."""
    found = look(picture, recipe)
    metrics.IMAGE_CACHE.labels(outcome="miss" if found is None else "hit").inc()
    if found is not None:
        metrics.IMAGE_RESULTS.labels(result="cached").inc()
    return found


def look(picture: Picture, recipe: Recipe) -> Served | None:
    kept = imagecache.find(picture.cache_key(recipe))
    metrics.IMAGE_CACHE_EVENTS.labels(layer="store", result="hit" if kept else "miss").inc()
    if kept is None:
        return None
    imagecache.touch(kept.key)
    return Served(
        key=kept.key,
        size=kept.size,
        content_type=recipe.content_type,
        name="",
        modified_at=kept.modified_at,
        store=CACHE,
    )


def ask(picture: Picture, recipe: Recipe) -> "Served | Fresh | Pending":
    """What was not in the cache: made by now, on its way, or sent for. Raises MediaError (422, 503).

    A `Pending` must be answered or given up.
    """
    with told_of_errors("asking"):
        asked = ask_anyone(picture, recipe)
    if not isinstance(asked, Pending):
        metrics.IMAGE_RESULTS.labels(result="made").inc()
    return asked


@contextmanager
def told_of_errors(stage: str) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        metrics.IMAGE_ERRORS.labels(stage=stage, status=str(error.http_status)).inc()
        metrics.IMAGE_RESULTS.labels(result="refused" if stage == "asking" else "failed").inc()
        raise


def ask_anyone(picture: Picture, recipe: Recipe) -> "Served | Fresh | Pending":
    """Those of this process who wait for it, then Redis and the workers, then nobody but ourselves."""
    require_makeable(picture)
    joined = join(picture, recipe)
    if joined is not None:
        return counted("joined", joined)
    flight = Flight(picture.cache_key(recipe))
    try:
        if not flight.future.done():
            return depart(flight, picture, recipe)
    except (redis.RedisError, OSError) as error:
        logger.warning("Redis is away, so a picture is made by the web process: %s", error)
    finally:
        flight.land_empty()
    return counted("here", make_here(picture, recipe))


def require_makeable(picture: Picture) -> None:
    """What the database knows to be too large need not be tried."""
    if picture.width and picture.height:
        vips.check_limits(picture.width, picture.height, 1, PixelLimits.from_environment())


def depart(flight: "Flight", picture: Picture, recipe: Recipe) -> "Served | Fresh | Pending":
    """The second look, by now subscribed; then one message for all who ask."""
    found = look(picture, recipe)
    if found is not None:
        return counted("kept", found)
    if not controls.kept.get().takes(imagemaking.QUEUE):
        raise counted("paused", PausedError())
    token = imagemaking.new_token()
    message = message_for(picture, recipe, token)
    state, *about = request(flight.key, token, message)
    in_redis = "hit" if state in {b"made", b"bad"} else "miss"
    metrics.IMAGE_CACHE_EVENTS.labels(layer="redis", result=in_redis).inc()
    if state == b"kept":
        found = look(picture, recipe)
        if found is not None:
            return counted("kept", found)
        state, *about = request(flight.key, token, message, trust_mark=False)
    if state == b"made":
        return counted("fresh", Fresh(about[0], recipe.content_type))
    if state == b"bad":
        raise counted("bad", NotMadeError(json.loads(about[0])))
    if state == b"busy":
        raise counted("busy", BusyError(pause_of(*(int(number) for number in about))))
    return counted(state.decode(), board(picture, recipe, flight, about[0].decode()))


def request(key: str, token: str, message: str, *, trust_mark: bool = True) -> list[Any]:
    """`trust_mark`: whether the word that it is in the store is believed."""
    minute = int(time.time() // 60)
    names = (
        imagemaking.transient_key(key),
        imagemaking.bad_key(key),
        locks.PREFIX + imagemaking.lock_name(key),
        imagemaking.kept_key(key),
        imagemaking.QUEUE,
        imagemaking.speed_key(minute),
        imagemaking.speed_key(minute - 1),
    )
    given = (
        token,
        imagemaking.LOCK_SECONDS * 1000,
        live.value("IMAGE_QUEUE_LIMIT"),
        message,
        int(trust_mark),
    )
    answer: list[Any] = dispatch.redis_client().eval(REQUEST, len(names), *names, *given)
    return answer


def pause_of(length: int, this_minute: int, last_minute: int) -> int:
    """Seconds until a queue of this length is worked off, at the speed of the last one or two minutes."""
    speed = (this_minute + last_minute) / (60 + time.time() % 60)
    return max(1, min(LONGEST_PAUSE, math.ceil(length / speed))) if speed else LONGEST_PAUSE


def message_for(picture: Picture, recipe: Recipe, token: str) -> str:
    """What Celery would put into the queue. Written here, so that it goes there in one step with the lock.

    No expiry: whoever takes the message asks for the lock, and clocks of two machines may differ.
    """
    # The transform has a clock of its own; this one is for a store or a library that hangs.
    seconds = max(BY_NAME[imagemaking.QUEUE].time_limit, math.ceil(settings.IMAGE_MAX_SECONDS))
    task = current_app.amqp.create_task_message(
        str(uuid4()),
        imagemaking.TASK,
        args=(picture.as_json(), recipe.text, token),
        time_limit=seconds + GRACE_SECONDS,
        soft_time_limit=seconds,
        ignore_result=True,
        argsrepr=f"({recipe.text} of {picture.original_id})",
        kwargsrepr="{}",
        headers=carried(),
    )
    message = {
        "body": b64encode(json.dumps(task.body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": task.headers,
        "properties": {
            **task.properties,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": imagemaking.QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }
    return json.dumps(message)


def carried() -> dict[str, str]:
    """As `alcoves.tasks_observed` does for messages that Celery writes."""
    name = logs.current().get("request_id")
    return {**({"request_id": name} if name else {}), **tracing.headers()}


def release(key: str, token: str) -> None:
    """Nobody works on it: the next request may begin anew."""
    with suppress(redis.RedisError):
        locks.release(dispatch.redis_client(), imagemaking.lock_name(key), token)


def wait(pending: "Pending") -> "Served | Fresh":
    """For a caller that has a thread to wait in. Raises MediaError."""
    try:
        outcome = pending.future.result(timeout=pending.seconds)
    except TimeoutError:
        outcome = None
    return pending.answer(outcome)


def make_here(picture: Picture, recipe: Recipe) -> "Served | Fresh":
    """In this process, where nobody else can be asked; a few at a time."""
    if not here.acquire(timeout=HERE_SECONDS):
        raise BusyError(math.ceil(HERE_SECONDS))
    try:
        found = look(picture, recipe)
        return found or Fresh(imagemaking.make(picture, recipe), recipe.content_type)
    except MediaError as error:
        raise NotMadeError(imagemaking.outcome_of(error)) from error
    finally:
        here.release()


def counted(way: str, answer: T) -> T:
    metrics.IMAGE_ASKED.labels(way=way).inc()
    return answer


class Flight:
    """One picture on its way, for all who wait for it in this process. `waiting` changes under `flights_lock`."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.token = ""
        """Of whoever works on it."""
        self.waiting = 0
        self.future = bulletin.expect(key)

    def ticket(self) -> "Future[bulletin.Message]":
        """A future of one's own, so that it may be cancelled without a thought for the others."""
        own: Future[bulletin.Message] = Future()
        self.future.add_done_callback(lambda told: self._land(own, told.result()))
        return own

    def leave(self) -> None:
        with flights_lock:
            self.waiting -= 1
        self.land_empty()

    def land_empty(self) -> None:
        """Where nobody waits any more."""
        with flights_lock:
            if self.waiting:
                return
            self._close()
        bulletin.forget(self.key, self.future)

    def close(self) -> None:
        """Nobody joins it any more; those who wait may still hear of it, by the message of the next."""
        with flights_lock:
            self._close()

    def _close(self) -> None:
        if flights.get(self.key) is self:
            del flights[self.key]

    def _land(self, own: "Future[bulletin.Message]", message: bulletin.Message) -> None:
        self.close()
        bulletin.settle(own, message)


flights: dict[str, Flight] = {}
flights_lock = threading.Lock()
here = threading.BoundedSemaphore(HERE_MOST)


def join(picture: Picture, recipe: Recipe) -> "Pending | None":
    """Together with those of this process who wait for the same: nobody else need be asked."""
    with flights_lock:
        flight = flights.get(picture.cache_key(recipe))
        if flight is None:
            return None
        flight.waiting += 1
    return Pending(picture, recipe, flight)


def board(picture: Picture, recipe: Recipe, flight: Flight, token: str) -> "Pending":
    """As the first of this process."""
    flight.token = token
    with flights_lock:
        flight.waiting += 1
        flights.setdefault(flight.key, flight)
    return Pending(picture, recipe, flight)


class Pending:
    """A picture on its way, as one request waits for it: until `future` is done, at most `seconds`.

    Made by `join` and `board`, which count it in.
    """

    def __init__(self, picture: Picture, recipe: Recipe, flight: Flight) -> None:
        self.picture = picture
        self.recipe = recipe
        self.token = flight.token
        self._flight: Flight | None = flight
        self._until: float = time.monotonic() + live.value("IMAGE_WAIT_SECONDS")
        self.future = flight.ticket()

    @property
    def seconds(self) -> float:
        """Left to wait."""
        return max(0.0, self._until - time.monotonic())

    def give_up(self) -> None:
        """The client is gone: nothing of it stays here. The picture is made all the same, for the next one."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.leave()

    def answer(self, outcome: Mapping[str, Any] | None) -> Served | Fresh:
        """What the future gave, or None when the time was over. Asks Redis and the store; raises MediaError."""
        with told_of_errors("waiting"):
            answer = self._answer(outcome)
        metrics.IMAGE_RESULTS.labels(result="made").inc()
        return answer

    def _answer(self, outcome: Mapping[str, Any] | None) -> Served | Fresh:
        if outcome is None and self._flight is not None:
            self._flight.close()
        self.give_up()
        if outcome is None:
            return self._find_late()
        if outcome.get("lost"):
            return counted("here", make_here(self.picture, self.recipe))
        if not outcome["ok"]:
            raise NotMadeError(outcome)
        if "content" in outcome:
            return Fresh(outcome["content"], self.recipe.content_type)
        return self._fetch() or make_here(self.picture, self.recipe)

    def _fetch(self) -> Served | Fresh | None:
        """From Redis first: a network disk may be late to tell of a new file."""
        for pause in (0.0, *LATE_SECONDS):
            if pause:
                threading.Event().wait(pause)
            found = self._find_transient() or look(self.picture, self.recipe)
            if found is not None:
                return found
        return None

    def _find_transient(self) -> Fresh | None:
        try:
            content = dispatch.redis_client().get(
                imagemaking.transient_key(self.picture.cache_key(self.recipe))
            )
        except redis.RedisError:
            return None
        return Fresh(content, self.recipe.content_type) if content else None

    def _find_late(self) -> Served | Fresh:
        found = self._find_transient() or look(self.picture, self.recipe)
        if found is not None:
            return found
        release(self.picture.cache_key(self.recipe), self.token)
        raise counted(
            "late", TimedOutError("This picture took too long to make. Try again in a little while.")
        )
