"""/metrics of the web part, and /metrics/all: the same with those of all workers that are known, by a label `worker`.

Workers are asked at the same time, each for a second and a few megabytes. One that does not answer is told by
`alcoves_scrape_up` and holds up nobody.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Final

import httpx
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from alcoves import metrics
from alcoves.figures import figures
from alcoves.health import may_see_metrics
from alcoves.metrics.figures import SCRAPE_UP
from media import live, workers

SECONDS: Final = 1.0
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of one worker's answer."""
MOST: Final = 100
"""Workers."""
WEB: Final = "web"


@never_cache
@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus. For this machine, staff, and whoever has ALCOVES_METRICS_TOKEN; for others there is nothing here."""
    require_seeing(request)
    return HttpResponse(metrics.render([figures]), content_type=metrics.CONTENT_TYPE)


@never_cache
@require_safe
def show_all_metrics(request: HttpRequest) -> HttpResponse:
    """The same, and those of the workers."""
    require_seeing(request)
    told = ask_all(targets())
    texts = {WEB: metrics.render().decode(), **{name: text for name, text in told.items() if text}}
    collectors = [Merged(texts), figures, Reached(told)]
    return HttpResponse(metrics.expose(collectors), content_type=metrics.CONTENT_TYPE)


def require_seeing(request: HttpRequest) -> None:
    if not live.value("METRICS_ENABLED") or not may_see_metrics(request):
        raise Http404


def targets() -> dict[str, str]:
    """Addresses by the name of the worker: those that were given, and those that workers tell of themselves."""
    given = [word.rpartition("=") for word in settings.METRICS_TARGETS]
    named = {name or address: address for name, _, address in given}
    told = {one.name: one.metrics for one in workers.find() if one.alive and one.metrics}
    known = set(named.values())
    return dict(list({**named, **{n: at for n, at in told.items() if at not in known}}.items())[:MOST])


def ask_all(addresses: Mapping[str, str]) -> dict[str, str]:
    """What each says; nothing where it did not answer in time. Threads that still wait end by themselves."""
    if not addresses:
        return {}
    pool = ThreadPoolExecutor(max_workers=min(32, len(addresses)), thread_name_prefix="scrape")
    asked = {name: pool.submit(ask, address) for name, address in addresses.items()}
    wait_for(asked.values(), timeout=SECONDS * (1 + len(addresses) // 32))
    pool.shutdown(wait=False, cancel_futures=True)
    return {
        name: future.result() if future.done() and not future.cancelled() else ""
        for name, future in asked.items()
    }


def ask(address: str) -> str:
    until, content = time.monotonic() + SECONDS, bytearray()
    try:
        with httpx.stream("GET", f"http://{address}/metrics", timeout=SECONDS, trust_env=False) as answer:
            if answer.status_code != httpx.codes.OK:
                return ""
            for block in answer.iter_bytes():
                content += block
                if len(content) > LARGEST or time.monotonic() > until:
                    return ""
        return content.decode()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return ""


class Merged:
    """Several expositions as one: samples of the same family stand together, each with its worker."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for worker, text in self.texts.items():
            for family in families_of(text):
                into = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "worker": worker}, sample.value)
        return iter(merged.values())


def families_of(text: str) -> Iterable[Metric]:
    try:
        return list(text_string_to_metric_families(text))
    except ValueError:
        return []  # Whatever answers there, it is no worker of ours.


class Reached:
    """Who answered."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self.told = told

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        metric = Metric(SCRAPE_UP.name, SCRAPE_UP.help, "gauge")
        for worker, text in self.told.items():
            metric.add_sample(SCRAPE_UP.name, {"worker": worker}, float(bool(text)))
        yield metric
