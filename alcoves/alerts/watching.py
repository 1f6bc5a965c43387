"""A thread in the web process and in beat that checks where no worker does it any more: a worker that is gone cannot
tell that workers are gone.

It also tells, straight away and without a row, that Postgres is away: there is nowhere to keep that.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from celery import signals
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from alcoves.alerts import checking, letters, mail, pulses, webhook
from alcoves.alerts.models import Channel, Delivery
from alcoves.alerts.rules import Severity

logger = logging.getLogger(__name__)
AWAY_ROUNDS: Final = 6
"""Looks in a row, two minutes, before it is told that Postgres is away."""
SENTENCE: Final = (
    "Postgres does not answer. Nothing is lost that it has; nothing works until it is back. Look at its log."
)


class Watch(threading.Thread):
    """Looks every `pause` seconds until the process ends."""

    def __init__(self, *, pause: float, silence: float, tells: bool) -> None:
        super().__init__(name="alerts", daemon=True)
        self.pause, self.silence, self.tells = pause, silence, tells
        self.stopped = threading.Event()
        self.away = 0
        self.told = False

    def run(self) -> None:
        while not self.stopped.wait(self.pause):
            try:
                self.look()
            except Exception:
                logger.exception("the watch over alerts failed; it goes on")
            finally:
                connection.close()

    def look(self) -> None:
        try:
            if overdue(self.silence):
                logger.warning("nobody has checked for troubles for %d s: checking here", self.silence)
                checking.check()
            if self.tells:  # The web part, whose version workers are to have.
                pulses.remember(pulses.VERSION, {pulses.WEB: str(settings.SPECTACULAR_SETTINGS["VERSION"])})
            self.back()
        except DatabaseError:
            self.gone()

    def gone(self) -> None:
        self.away += 1
        if self.tells and self.away >= AWAY_ROUNDS and not self.told:
            self.told = tell_directly(over=False)

    def back(self) -> None:
        if self.told:
            tell_directly(over=True)
        self.away, self.told = 0, False


def overdue(seconds: float) -> bool:
    """The first time counts from the first look."""
    at = pulses.heard(pulses.CHECK)
    if at is None:
        pulses.beat(pulses.CHECK)
        return False
    return at < timezone.now() - timedelta(seconds=seconds)


def tell_directly(*, over: bool) -> bool:
    """Whether somebody took it; then it is not told again."""
    now = timezone.now().isoformat()
    told = {
        "id": "postgres",
        "key": "part:postgres",
        "severity": str(Severity.CRITICAL),
        "sentence": SENTENCE,
        "link": letters.absolute(""),
        "first_seen": now,
        "resolved_at": now if over else None,
    }
    data = {"troubles": [], "well": [told]} if over else {"troubles": [told], "well": []}
    taken = False
    for channel in letters.channels():
        letter = Delivery(channel=channel, event=letters.ALERTS, data=data, attempts=1)
        try:
            if channel == Channel.WEBHOOK:
                webhook.send(letter)
            else:
                mail.send(letter, took=lambda _: None)
            taken = True
        except mail.NotTakenError as error:
            logger.warning("that Postgres is away was not told by %s: %s", channel, error.sentence)
    return taken


def start(*, tells: bool = True) -> Watch | None:
    """None where the settings want none. `tells`: also that Postgres is away, which one process shall tell."""
    if settings.ALERT_WATCH is None:
        return None
    pause, silence = settings.ALERT_WATCH
    watch = Watch(pause=pause, silence=silence, tells=tells)
    watch.start()
    return watch


@signals.beat_init.connect
def watch_in_beat(**_: Any) -> None:
    """Beside beat's own loop, and a sign of life with each message that it sends."""
    if not settings.UPKEEP_APART:  # Else beat has no way out for letters; the web part watches.
        start(tells=False)
    signals.before_task_publish.connect(sign_of_life(), weak=False)


def sign_of_life() -> Callable[..., None]:
    """At most every ten seconds, and never in beat's way."""
    last = [timezone.now() - timedelta(hours=1)]

    def sent(**_: Any) -> None:
        if timezone.now() - last[0] < timedelta(seconds=10):
            return
        last[0] = timezone.now()
        try:
            pulses.beat(pulses.BEAT)
        except DatabaseError as error:
            logger.warning("beat's sign of life was not kept: the database is away (%s)", error)
            connection.close()

    return sent
