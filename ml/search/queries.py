"""A text that somebody searches for, as a vector: kept from before, or encoded by a worker while the asker waits.

The worker is asked through the queue of what people wait for. It answers into a list of the asker's own, on which the
asker blocks (BLPOP): no polling, and never longer than the time it was given. An answer that comes late is kept too,
so the next one who asks has it. Redis is for speed only: without it there is no vector, and the search is by text.

What is kept is bounded, because the broker lives in the same Redis: `KEPT_MOST` texts, those that were asked for last.
"""

import hashlib
import logging
import time
from functools import lru_cache
from typing import Any, Final
from uuid import uuid4

import numpy as np
import redis
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from alcoves import redis_clients
from alcoves.queues import BY_NAME
from media.dispatch import GRACE_SECONDS
from media.errors import MediaError
from ml import downloads
from ml.registry import places, table
from ml.registry.specs import ModelSpec
from ml.search import encoders
from ml.search.encoders import Encoder, Vector

logger = logging.getLogger(__name__)
TASK: Final = "ml.encode_query"
QUEUE: Final = "imageproxy"
WAIT_SECONDS: Final = 0.3
PREFIX: Final = "alcoves:query:"
KEPT_SECONDS: Final = 7 * 24 * 3600
KEPT_MOST: Final = 5000
"""Texts of all models together: 3 kB each with 768 numbers, so some 15 MB."""
KEPT: Final = f"{PREFIX}kept"
"""The keys of what is kept, by when somebody asked for them."""
WANTED_SECONDS: Final = 15
"""After which a worker that comes to the message leaves it: whoever asked has long gone on."""
REPLY_SECONDS: Final = 5
SHORTEST_WAIT: Final = 0.001
"""For Redis a time-out of zero is for ever."""
CROWDED: Final = 100
"""Messages in the queue after which none more is sent: it would not be answered in time."""
FAILED: Final = b""
"""An answer that there will be none."""


def vector_of(spec: ModelSpec, text: str, seconds: float = WAIT_SECONDS) -> Vector | None:
    """The vector of a text by this model; None where it is not to be had within so many seconds."""
    until = time.monotonic() + seconds
    cleaned = encoders.clean(spec, text)
    try:
        kept, waiting = look(spec, cleaned)
        if kept is not None:
            return opened(spec, kept)
        if waiting >= CROWDED:
            return None
        return opened(spec, ask(spec, cleaned, until))
    except (redis.RedisError, OperationalError, OSError) as error:
        logger.warning("a search goes on without its meaning: Redis is away (%s)", error)
        return None


@lru_cache(maxsize=1)
def client() -> Any:
    """One a process, with time-outs of its own: a Redis that hangs holds nobody for long."""
    return redis_clients.connect(
        settings.REDIS_URL,
        socket_timeout=WAIT_SECONDS,
        socket_connect_timeout=WAIT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def look(spec: ModelSpec, text: str) -> tuple[bytes | None, int]:
    """What is kept of it, and how many messages are in the queue."""
    key = kept_key(spec.id, text)
    pipe = client().pipeline(transaction=False)
    pipe.get(key)
    pipe.llen(QUEUE)
    pipe.zadd(KEPT, {key: time.time()}, xx=True)
    kept, waiting, _ = pipe.execute()
    return kept, int(waiting)


def ask(spec: ModelSpec, text: str, until: float) -> bytes | None:
    """Send for it and wait. None where the time is over."""
    asker = uuid4().hex
    client().set(wanted_key(asker), 1, ex=WANTED_SECONDS)
    limit = BY_NAME[QUEUE].time_limit
    current_app.send_task(
        TASK,
        args=(spec.id, text, asker),
        queue=QUEUE,
        soft_time_limit=limit,
        time_limit=limit + GRACE_SECONDS,
        ignore_result=True,
        retry=False,
    )
    return told_within(reply_key(asker), until - time.monotonic())


def told_within(key: str, seconds: float) -> bytes | None:
    """The first of a list as soon as it has one. The time is taken here: Redis ends a BLPOP with its next tick only,
    up to a tenth of a second after its time-out."""
    if seconds < SHORTEST_WAIT:
        return None
    pool = client().connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command("BLPOP", key, f"{seconds:.3f}")
        if not connection.can_read(seconds):
            # It is in the middle of a question, so nobody else may have it.
            connection.disconnect()
            return None
        found = connection.read_response()
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    return found[1] if found else None


def answer(model: str, text: str, asker: str) -> None:
    """The worker's turn: encode it, keep it, and tell the asker, also where it fails. Raises nothing of media."""
    if not client().exists(wanted_key(asker)):
        return
    try:
        vector = encoded(model, text)
    except MediaError as error:
        logger.warning("a text that was searched for was not encoded: %s", error.message)
        tell(asker, FAILED)
        return
    told = vector.astype("<f4").tobytes()
    tell(asker, told)
    keep(model, text, told)


def encoded(model: str, text: str) -> Vector:
    """From what is kept, where another asker was first. MediaError where the model is not to be had."""
    spec = table.find_model("search", model)
    if spec is None or places.missing(spec):
        raise MediaError("The model of this search has gone meanwhile.", code="model_changed")
    kept = opened(spec, client().get(kept_key(model, text)))
    return kept if kept is not None else Encoder(downloads.files_of(spec)).text(text, urgent=True)


def keep(model: str, text: str, told: bytes) -> None:
    """For whoever asks next. What nobody has asked for the longest goes."""
    key = kept_key(model, text)
    pipe = client().pipeline()
    pipe.set(key, told, ex=KEPT_SECONDS)
    pipe.zadd(KEPT, {key: time.time()})
    pipe.zcard(KEPT)
    *_, count = pipe.execute()
    if count > KEPT_MOST and (gone := client().zpopmin(KEPT, count - KEPT_MOST)):
        client().delete(*(old for old, _ in gone))


def tell(asker: str, told: bytes) -> None:
    pipe = client().pipeline()
    pipe.rpush(reply_key(asker), told)
    pipe.expire(reply_key(asker), REPLY_SECONDS)
    pipe.delete(wanted_key(asker))
    pipe.execute()


def opened(spec: ModelSpec, told: bytes | None) -> Vector | None:
    """None for what is no vector of this model."""
    if told is None or len(told) != 4 * encoders.dimensions_of(spec):
        return None
    return np.frombuffer(told, dtype="<f4").astype(np.float32)


def kept_key(model: str, text: str) -> str:
    return f"{PREFIX}{model}:{hashlib.sha256(text.encode()).hexdigest()}"


def wanted_key(asker: str) -> str:
    return f"{PREFIX}wanted:{asker}"


def reply_key(asker: str) -> str:
    return f"{PREFIX}reply:{asker}"
