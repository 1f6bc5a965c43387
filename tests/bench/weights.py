"""Do queues that all have work get their shares? 12,000 messages taken by BRPOP, chi-squared against the weights."""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from kombu import Connection, Consumer

from alcoves.celery import app
from alcoves.queues import QUEUES
from media import dispatch
from tests.bench.measuring import Result, median

CRITICAL = 32.9
"""Chi-squared with 12 degrees of freedom is above this once in a thousand."""
FULL = 40


@dataclass(frozen=True, slots=True)
class Size:
    picks: int = 12_000
    rounds: int = 5
    seed: int = 2024


def run(size: Size, folder: Path) -> list[Result]:
    rounds = [pick(size.picks, size.seed + number) for number in range(size.rounds)]
    figures = [round(chi_squared(counts), 2) for counts in rounds]
    total = sum(queue.weight for queue in QUEUES)
    last = rounds[-1]
    raw: dict[str, Any] = {
        "picks": size.picks,
        "chi_squared_of_each_round": figures,
        "last_round": {
            queue.name: f"{last[queue.name]} of {size.picks * queue.weight / total:.0f}" for queue in QUEUES
        },
    }
    return [Result("weights", median(figures), CRITICAL, higher_is_better=False, raw=raw)]


def chi_squared(counts: Counter[str]) -> float:
    picks, total = counts.total(), sum(queue.weight for queue in QUEUES)
    wanted = {queue.name: picks * queue.weight / total for queue in QUEUES}
    return sum((counts[name] - expected) ** 2 / expected for name, expected in wanted.items())


def pick(picks: int, seed: int) -> Counter[str]:
    """Take messages one at a time, as a worker does (prefetch 1, acknowledged), from queues that are never empty."""
    counts: Counter[str] = Counter()
    random.seed(seed)
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    with Connection(settings.CELERY_BROKER_URL, transport_options=options) as connection:
        channel = connection.channel()
        for queue in app.conf.task_queues:
            queue(channel).declare()
        stock = fill(channel)

        def take(_: Any, message: Any) -> None:
            counts[message.delivery_info["routing_key"]] += 1
            message.ack()

        with Consumer(channel, list(app.conf.task_queues), callbacks=[take], prefetch_count=1):
            while counts.total() < picks:
                connection.drain_events(timeout=5)
                if counts.total() % FULL == 0:
                    refill(stock)
    dispatch.redis_client().flushdb()
    return counts


def fill(channel: Any) -> dict[str, bytes]:
    """One message in each queue; returns what lies there, to be copied."""
    client = dispatch.redis_client()
    client.flushdb()
    stock = {}
    with Connection(settings.CELERY_BROKER_URL) as connection, connection.Producer() as producer:
        for queue in app.conf.task_queues:
            producer.publish({}, exchange=queue.exchange, routing_key=queue.routing_key, declare=[queue])
            stock[queue.name] = client.lindex(queue.name, 0)
    refill(stock)
    return stock


def refill(stock: dict[str, bytes]) -> None:
    """Enough in every queue for the next picks, even if all of them fell on it."""
    client = dispatch.redis_client()
    lengths = dispatch.queue_lengths()
    with client.pipeline(transaction=False) as pipe:
        for name, message in stock.items():
            if lengths[name] <= FULL:
                pipe.lpush(name, *[message] * 2 * FULL)
        pipe.execute()
