"""Flower with the queues of our table: `python -m alcoves.flowering`, which `manage.py flower` becomes.

By itself it shows the queues of those workers that answer, so that a lane whose worker is gone would be missing, and
over a socket it looks into database 0 of Redis whatever the address says.
"""

import sys
from collections.abc import Iterable
from typing import Any

import redis.asyncio
from celery.__main__ import main
from django.conf import settings
from flower.views import BaseHandler

from alcoves.queues import QUEUES


class Lengths:
    """What Flower asks of a broker."""

    async def queues(self, names: Iterable[str]) -> list[dict[str, Any]]:
        known = list(names)
        client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        async with client, client.pipeline(transaction=False) as pipe:
            for name in known:
                pipe.llen(name)
            lengths = await pipe.execute()
        return [{"name": name, "messages": length} for name, length in zip(known, lengths, strict=True)]


def mend(handler: Any = BaseHandler) -> None:
    handler.get_broker = lambda _self: Lengths()
    handler.get_active_queue_names = lambda _self: [queue.name for queue in QUEUES]


if __name__ == "__main__":
    mend()
    sys.exit(main())
