"""What runs: queues, workers, beat, alerts, the ports for probes, models on this machine, backups, mail."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from django.conf import settings

from alcoves import health
from alcoves.alerts import mail, pulses
from alcoves.alerts.rules import access, blobs, fleet, keeping, work
from alcoves.alerts.rules.base import age, ago, counted
from alcoves.doctor.findings import Finding, failure, note, ok, told, warning
from media import backlog, dispatch, live
from media.models import WorkerReport
from ml import selection
from ml.models import Acceptance
from ml.registry import licences, places

ALIVE_SECONDS: Final = 60
CONNECT_SECONDS: Final = 0.7


def check_queues() -> Iterator[Finding]:
    lengths = dispatch.queue_lengths()
    found = backlog.find(reports=())
    oldest = min((one.oldest for one in found.queues if one.due and one.oldest), default=None)
    paused = sorted(one.name for one in found.queues if one.pause is not None)
    for trouble in work.waiting({one.name: one.ledger for one in found.queues}):
        yield told(trouble)
    if paused:
        yield note(f"Paused: {', '.join(paused)}.", "Resume them on the page Queues when it is time.")
    depth = sum(lengths.values())
    since = f", the oldest job since {age(oldest)}" if oldest else ""
    queues = sum(map(bool, lengths.values()))
    yield ok(f"{counted(depth, 'message')} in {counted(queues, 'queue')}{since}.")


def check_workers() -> Iterator[Finding]:
    alive = list(WorkerReport.objects.filter(seen_at__gte=ago(seconds=ALIVE_SECONDS)).order_by("name"))
    for rule in (fleet.lanes, fleet.workers, fleet.versions):
        for trouble in rule():
            yield told(trouble)
    if alive:
        yield ok(f"{len(alive)} alive: {', '.join(one.name for one in alive)}.")
    else:
        yield failure(
            "No worker has told of itself in the last minute.", "Start one: script/up, or manage.py worker."
        )


def check_beat() -> Iterator[Finding]:
    at = pulses.heard(pulses.BEAT)
    troubles = list(fleet.beat())
    yield from map(told, troubles)
    if at is None and not troubles:
        yield warning("Beat has never told of itself.", "Start it: script/up, or celery -A alcoves beat.")
    elif at is not None and not troubles:
        yield ok(f"Beat sent something {age(at)} ago.")


def check_checks() -> Iterator[Finding]:
    """Whether troubles are looked for, and whom they reach."""
    at = pulses.heard(pulses.CHECK)
    if at is None or at < ago(seconds=600):
        yield warning("Nobody looks for troubles.", "Start beat and a worker; the queue maintenance does it.")
    else:
        yield ok(f"Troubles were looked for {age(at)} ago.")


def check_mail() -> Iterator[Finding]:
    """That it arrives shows the test on the page Alerts."""
    if not live.value("ALERTS_ENABLED"):
        yield note("Nobody is told of troubles: alerts are switched off.")
        return
    yield from map(told, [*access.nobody_told(), *access.broken_ways(), *access.unsent()])
    if settings.EMAIL_HOST and settings.EMAIL_HOST_USER and settings.MAIL_TLS == "none":
        yield warning(
            "The password of mail goes over the network in plain text.", "Set ALCOVES_MAIL_TLS=starttls."
        )
    webhook, to = bool(live.value("ALERT_WEBHOOK_URL")), mail.recipients()
    if webhook or to:
        ways = [*([f"mail to {len(to)}"] if to else []), *(["webhook"] if webhook else [])]
        yield ok(f"Operators are told by {' and '.join(ways)}.")


def check_backup() -> Iterator[Finding]:
    troubles = [*keeping.backups(), *keeping.target(), *keeping.place(), *blobs.findings()]
    yield from map(told, troubles)
    good = keeping.objects(keeping.BACKUPS).sound().first()
    if good is not None:
        yield ok(f"The last good backup is {age(good.finished_at)} old.")
    elif not troubles:
        yield note("No backup was made yet.", "Make one on the page Backups.")


def check_models() -> Iterator[Finding]:
    """Presence and size. Digests are compared by `manage.py models verify`, which reads every byte."""
    accepted = set(Acceptance.objects.values_list("licence", flat=True))
    here = []
    for pipeline, (spec, _language) in selection.all_chosen().items():
        missing = places.missing(spec)
        licence = licences.BY_ID.get(spec.licence)
        if not missing:
            here.append(f"{pipeline}: {spec.id}")
        elif licence is not None and licence.must_accept and spec.licence not in accepted:
            yield note(
                f"{spec.title} ({pipeline}) waits for somebody to accept its licence.", "Do so under Models."
            )
        else:
            yield note(f"{spec.title} ({pipeline}) is not on this machine yet; it comes when it is needed.")
    for trouble in work.downloads():
        yield told(trouble)
    yield ok(f"Here: {', '.join(here)}." if here else "No model is on this machine.")


def check_ports() -> Iterator[Finding]:
    """Of this machine. In containers they belong to others."""
    for name, port, ask in (
        ("The worker's probes", settings.WORKER_METRICS_PORT, partial(reached, settings.WORKER_METRICS_PORT)),
        ("Flower", settings.FLOWER_PORT, partial(reached, settings.FLOWER_PORT)),
    ):
        yield port_told(name, port, ask)
    if settings.PUBLIC_URL.startswith("https://") and not health.METRICS_TOKEN:
        yield note(
            "/metrics is open to this machine and to staff only.", "Set ALCOVES_METRICS_TOKEN for a scraper."
        )


def port_told(name: str, port: int, ask: Callable[[], bool]) -> Finding:
    if not port:
        return note(f"{name}: switched off.")
    if ask():
        return ok(
            f"{name} answer on port {port}." if name.endswith("s") else f"{name} answers on port {port}."
        )
    return note(f"{name}: nothing answers on port {port} of this machine.", "Fine where it runs elsewhere.")


def reached(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False
