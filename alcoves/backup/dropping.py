"""Takes messages out of the queue that ask to destroy rows of the database that a restore has replaced.

They would do nothing (`media.epochs`); but whoever asked is told here what will not be done.
"""

import base64
import binascii
import json
import logging
from collections import Counter
from typing import Any, Final

import redis

from media import dispatch, epochs
from media.admin.many import HANDED

logger = logging.getLogger(__name__)
QUEUE: Final = "maintenance"


def notes() -> list[str]:
    """A sentence where there were any."""
    try:
        gone = drop()
    except redis.RedisError as error:
        logger.warning("messages of before the restore are left to themselves: %s", error)
        return []
    told = ", ".join(f"{HANDED[task].lower()} ({count})" for task, count in gone.items())
    return [f"Asked for before the restore, and not done: {told}."] if told else []


def drop() -> Counter[str]:
    client, epoch = dispatch.redis_client(), epochs.current()
    gone: Counter[str] = Counter()
    for message in client.lrange(QUEUE, 0, -1):
        task, given = opened(message)
        if task in HANDED and given.get("epoch") != epoch:
            gone[task] += int(client.lrem(QUEUE, 1, message))
    return +gone


def opened(message: bytes) -> tuple[str, dict[str, Any]]:
    """The task of a message, and what it was given by name. Empty where it is none of ours."""
    try:
        found = json.loads(message)
        body = found["body"]
        if found.get("properties", {}).get("body_encoding") == "base64":
            body = base64.b64decode(body)
        return str(found["headers"]["task"]), dict(json.loads(body)[1])
    except (ValueError, KeyError, TypeError, IndexError, binascii.Error):
        return "", {}
