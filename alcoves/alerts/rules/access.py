"""Who gets in, and who is told: settings that let strangers in, and ways of alerts that reach nobody."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Max

from alcoves.alerts import letters, mail
from alcoves.alerts.models import Delivery, State
from alcoves.alerts.rules.base import MANY, Severity, Trouble, age, ago, counted, page, rows
from alcoves.alerts.webhook import SHORTEST_SECRET
from alcoves.settings import weak
from alcoves.wording import were
from media import live

OWED_HOURS: Final = 1
LOST_DAYS: Final = 7
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def weak_settings() -> Iterator[Trouble]:
    """What lets strangers in."""
    if settings.DEBUG:
        sentence = (
            "DEBUG is on: errors show settings and code to anybody. Start with alcoves.settings.production."
        )
        yield Trouble("debug", Severity.CRITICAL, sentence, page("doctor"))
    if weak.is_weak_key(settings.SECRET_KEY):
        sentence = (
            "ALCOVES_SECRET_KEY can be guessed: whoever does can be anybody here. "
            "Make another with openssl rand -base64 48; people log in again after that."
        )
        yield Trouble("weak:key", Severity.CRITICAL, sentence, page("doctor"))
    database = settings.DATABASES.get("default", {})
    if "HOST" in database and weak.has_weak_password(database):
        sentence = (
            "The password of the database is missing or known to everybody. Give its user a random one."
        )
        yield Trouble("weak:database", Severity.CRITICAL, sentence, page("doctor"))
    yield from plain_address()


def plain_address() -> Iterator[Trouble]:
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme == "http" and parts.hostname and parts.hostname not in LOCAL:
        sentence = (
            f"People reach this server by {settings.PUBLIC_URL} without TLS, so that passwords can be read on their "
            "way. Put a TLS proxy in front, and use https."
        )
        yield Trouble("weak:http", Severity.WARNING, sentence, page("doctor"))


def broken_ways() -> Iterator[Trouble]:
    """A way of alerts is set up and cannot work: the other one tells of it."""
    if not live.value("ALERTS_ENABLED"):
        return
    to = mail.recipients()
    if to and settings.EMAIL_BACKEND == mail.SMTP and not settings.EMAIL_HOST:
        sentence = "Mail has recipients and no server. Set ALCOVES_MAIL_HOST and restart."
        yield Trouble("alerts:mail", Severity.CRITICAL, sentence, page("doctor"))
    if live.value("ALERT_WEBHOOK_URL") and len(settings.ALERT_WEBHOOK_SECRET) < SHORTEST_SECRET:
        sentence = (
            f"Calls of the webhook cannot be signed. Set ALCOVES_ALERT_WEBHOOK_SECRET, {SHORTEST_SECRET} "
            "characters, and restart."
        )
        yield Trouble("alerts:webhook", Severity.CRITICAL, sentence, page("doctor"))


def unsent() -> Iterator[Trouble]:
    """Letters that wait for over an hour, or were given up and none was taken since: the other way tells of it."""
    for channel in letters.channels():
        rows_of = Delivery.objects.filter(channel=channel)
        waiting = rows_of.filter(state=State.OWED, created_at__lt=ago(hours=OWED_HOURS)).order_by(
            "created_at"
        )
        lost = rows_of.filter(state=State.GIVEN_UP, event=letters.ALERTS, updated_at__gt=ago(days=LOST_DAYS))
        taken = rows_of.filter(state=State.SENT).aggregate(at=Max("sent_at"))["at"]
        lost = lost.order_by("-updated_at") if taken is None else lost.filter(updated_at__gt=taken)
        if (oldest := waiting.first()) is not None:
            count = waiting[: MANY + 1].count()
            what = f"{'waits' if count == 1 else 'wait'} since {age(oldest.created_at)}"
            yield untold(channel, count, what, oldest)
        elif (newest := lost.first()) is not None:
            count = lost[: MANY + 1].count()
            yield untold(channel, count, f"{were(count)} given up", newest)


def untold(channel: str, count: int, what: str, letter: Delivery) -> Trouble:
    why = letter.error[:300] or "No worker has tried it. Is one there for maintenance, and does beat run?"
    return Trouble(
        f"alerts:unsent:{channel}",
        Severity.CRITICAL,
        f"{counted(count, 'letter')} by {channel} {what}: {why} Mend that, then send a test from the page Alerts.",
        rows("alerts.delivery", channel=channel, state=letter.state),
    )


def nobody_told() -> Iterator[Trouble]:
    """Alerts are on and reach nobody, so none can tell of it: the dashboard and the doctor do."""
    if live.value("ALERTS_ENABLED") and not mail.recipients() and not live.value("ALERT_WEBHOOK_URL"):
        sentence = "Nobody is told of troubles. Set ALERT_MAIL_TO or ALERT_WEBHOOK_URL, or switch alerts off."
        yield Trouble("alerts:nobody", Severity.WARNING, sentence, page("settings"))
