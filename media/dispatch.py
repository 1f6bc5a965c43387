"""Sends the message that makes a worker look at a row. Always after commit, never in the way of a request.

A message that cannot be sent is no loss: the row is queued, and the reconciler sends it again.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from alcoves import locks, redis_clients
from alcoves.queues import BY_NAME
from media import ledger
from media.models import Derivative

logger = logging.getLogger(__name__)
TASK = "media.derive"
GRACE_SECONDS = 30
"""Between the soft limit, which the task can answer, and the hard one, which kills it."""


@lru_cache(maxsize=1)
def redis_client() -> Any:
    """One client a process; short time-outs, because nobody shall wait for a lock."""
    return redis_clients.connect(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)


def publish_after_commit(rows: Iterable[Derivative]) -> None:
    """What flows call inside their transaction."""
    pairs = [(row.pk, row.queue) for row in rows]
    if pairs:
        transaction.on_commit(partial(publish, pairs))


def publish(pairs: Iterable[tuple[UUID, str]], *, force: bool = False) -> int:
    """Send one message per row; returns how many went out. `force` sends even where a twin may be waiting."""
    by_queue: dict[str, list[UUID]] = defaultdict(list)
    for key, queue in pairs:
        by_queue[queue].append(key)
    sent = 0
    for queue, keys in by_queue.items():
        try:
            with current_app.producer_pool.acquire(block=True, timeout=5) as producer:
                told = [key for key in keys if send(producer, key, queue, force=force)]
            ledger.mark_published(told)
            sent += len(told)
        except (OperationalError, redis.RedisError, OSError) as error:
            logger.warning(
                "%d rows of %s wait for the reconciler: the broker is away (%s)", len(keys), queue, error
            )
    return sent


def send(producer: Any, key: UUID, queue: str, *, force: bool) -> bool:
    """One message with the limits of its queue, unless the queue de-duplicates and a twin is on its way."""
    about = BY_NAME[queue]
    headers = {}
    if about.dedup:
        token = locks.acquire(redis_client(), str(key), about.dedup, force=force)
        if token is None:
            return False
        headers["twin_token"] = token
    try:
        current_app.send_task(
            TASK,
            args=(str(key),),
            queue=queue,
            producer=producer,
            headers=headers,
            soft_time_limit=about.time_limit,
            time_limit=about.time_limit + GRACE_SECONDS,
            ignore_result=True,
            retry=False,
        )
    except BaseException:
        release_twin(str(key), headers.get("twin_token"))
        raise
    return True


def release_twin(key: str, token: str | None) -> None:
    """The work has ended, or its message never left: the next one may be sent."""
    if not token:
        return
    try:
        locks.release(redis_client(), key, token)
    except redis.RedisError as error:
        logger.warning("the twin lock of %s runs out by itself: %s", key, error)


def waiting_ids(queue: str, *, most: int) -> set[str] | None:
    """Ids of the tasks whose messages wait there, or were given to a worker and not acknowledged.

    None where more than `most` wait.
    """
    client = redis_client()
    with client.pipeline(transaction=True) as pipe:
        pipe.llen(queue)
        pipe.lrange(queue, 0, most - 1)
        pipe.hvals("unacked")
        length, waiting, given = pipe.execute()
    if length > most:
        return None
    messages = [*map(json.loads, waiting), *(json.loads(one)[0] for one in given)]
    return {str(message["headers"].get("id", "")) for message in messages}


def queue_lengths() -> dict[str, int]:
    """Messages waiting in each queue of ours."""
    client = redis_client()
    with client.pipeline(transaction=False) as pipe:
        for name in BY_NAME:
            pipe.llen(name)
        return dict(zip(BY_NAME, pipe.execute(), strict=True))
