"""Flower with the queues of our table: `python -m alcoves.flowering`, which `manage.py flower` becomes.

By itself it shows the queues of those workers that answer, so that a lane whose worker is gone would be missing, and
over a socket it looks into database 0 of Redis whatever the address says. What workers tell of themselves has the
address of their broker in it, with its password where that is a socket: passwords are taken out before it is kept.
"""

import re
import sys
from collections.abc import Iterable
from typing import Any, Final

import redis.asyncio
from celery.__main__ import main
from django.conf import settings
from flower.inspector import Inspector
from flower.views import BaseHandler

from alcoves.queues import QUEUES

CREDENTIALS: Final = re.compile(r"://[^\s/@]*(?::[^\s@]*)?@")
"""Of an address. A password may have a slash in it, where a program has not escaped it."""


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


def without_passwords(told: Any) -> Any:
    """The same, however deep, with the addresses of it cut."""
    if isinstance(told, str):
        return CREDENTIALS.sub("://***@", told)
    if isinstance(told, dict):
        return {name: without_passwords(one) for name, one in told.items()}
    return [without_passwords(one) for one in told] if isinstance(told, list | tuple) else told


def mend(handler: Any = BaseHandler, inspector: Any = Inspector) -> None:
    handler.get_broker = lambda _self: Lengths()
    handler.get_active_queue_names = lambda _self: [queue.name for queue in QUEUES]
    keep = inspector._on_update  # noqa: SLF001  All that workers answer comes by here.
    inspector._on_update = lambda self, worker, method, told: keep(  # noqa: SLF001
        self, worker, method, without_passwords(told)
    )


if __name__ == "__main__":
    mend()
    sys.exit(main())
