"""Letters: which alerts one tells of, and its words. One is written for a channel when the one before it was taken."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urljoin

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from alcoves.alerts.models import Alert, Channel, Delivery, Mention, Severity, State, What
from media import live

ALERTS: Final = "alerts"
TEST: Final = "test"
SUBJECT_LENGTH: Final = 120
OLD: Final = timedelta(days=1)
"""What ended longer ago, and was never told, is told no more."""
MOST: Final = 100
"""Alerts in one letter; the others come with the next one."""


def channels() -> list[str]:
    """Those that somebody has set up."""
    if not live.value("ALERTS_ENABLED"):
        return []
    given = {Channel.MAIL: live.value("ALERT_MAIL_TO"), Channel.WEBHOOK: live.value("ALERT_WEBHOOK_URL")}
    return [str(channel) for channel, told in given.items() if str(told).strip()]


def write_all() -> list[Delivery]:
    """The letters that are due now."""
    return [letter for channel in channels() if (letter := write(channel)) is not None]


@transaction.atomic
def write(channel: str) -> Delivery | None:
    """A letter of all that this channel does not know yet. None while one waits to be taken, or one has just gone."""
    letters = Delivery.objects.filter(channel=channel, event=ALERTS)
    since = timezone.now() - timedelta(seconds=live.value("ALERT_RATE_SECONDS"))
    if letters.filter(Q(state=State.OWED) | Q(created_at__gt=since)).exists():
        return None
    fresh = Alert.objects.filter(Q(resolved_at__isnull=True) | Q(resolved_at__gte=timezone.now() - OLD))
    raised = list(fresh.untold(channel).order_by("-severity", "first_seen")[:MOST])
    raised.sort(key=lambda alert: alert.severity != Severity.CRITICAL)
    well = list(Alert.objects.well_untold(channel).order_by("resolved_at")[:MOST])
    well += [alert for alert in raised if alert.resolved_at is not None]
    if not raised and not well:
        return None
    data = {
        "troubles": [told(alert) for alert in raised],
        "well": [told(alert) for alert in well if not alert.ending],
        "unwatched": [told(alert) for alert in well if alert.ending],
    }
    letter: Delivery = Delivery.objects.create(channel=channel, event=ALERTS, data=data)
    pairs = [*((alert, What.TROUBLE) for alert in raised), *((alert, What.WELL) for alert in well)]
    Mention.objects.bulk_create(Mention(delivery=letter, alert=alert, what=what) for alert, what in pairs)
    return letter


def told(alert: Alert) -> dict[str, Any]:
    """What a letter holds of an alert; it stays so when the alert changes."""
    return {
        "id": str(alert.pk),
        "key": alert.key,
        "severity": alert.severity,
        "sentence": alert.sentence,
        "link": absolute(alert.link),
        "first_seen": alert.first_seen.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "ending": alert.ending,
    }


def absolute(link: str) -> str:
    return urljoin(settings.PUBLIC_URL + "/", link.lstrip("/")) if link else settings.PUBLIC_URL


def subject_of(data: dict[str, Any]) -> str:
    """One line: how many, and the first of them."""
    troubles: Sequence[dict[str, Any]] = [one for one in data.get("troubles", ()) if not one["resolved_at"]]
    if troubles:
        many = f"{len(troubles)} troubles: " if len(troubles) > 1 else ""
        line = f"[Alcoves] {many}{troubles[0]['sentence']}"
    elif unwatched := data.get("unwatched"):
        line = f"[Alcoves] No longer watched: {unwatched[0]['sentence']}"
    elif well := data.get("well"):
        line = f"[Alcoves] Well again: {well[0]['sentence']}"
    else:
        line = "[Alcoves] This is a test."
    flat = " ".join(line.split())
    return flat if len(flat) <= SUBJECT_LENGTH else flat[: SUBJECT_LENGTH - 1] + "\u2026"


def text_of(data: dict[str, Any]) -> str:
    """The mail: plain text, with where each is put right."""
    well, unwatched = data.get("well", ()), data.get("unwatched", ())
    over = {one["id"] for one in (*well, *unwatched)}
    parts = [paragraph(one) for one in data.get("troubles", ()) if one["id"] not in over]
    if unwatched:
        parts.append("This is no longer watched, and nobody has seen that it is well:")
        parts += [paragraph(one, ended=True) for one in unwatched]
    if well:
        parts.append("It is well again:")
        parts += [paragraph(one, ended=True) for one in well]
    if not parts:
        parts = ["This is a test: mail of Alcoves arrives."]
    parts.append(f"-- \nAlcoves at {settings.PUBLIC_URL}")
    return "\n\n".join(parts) + "\n"


def paragraph(one: dict[str, Any], *, ended: bool = False) -> str:
    if ended:
        how = f"watched until {one['resolved_at'][:16]} (UTC): {one['ending']}" if one.get("ending") else ""
        how = how or f"over at {str(one['resolved_at'])[:16]} (UTC)"
        return f"- {one['sentence']}\n  since {one['first_seen'][:16]}, {how}"
    return f"[{one['severity']}] {one['sentence']}\n  since {one['first_seen'][:16]} (UTC): {one['link']}"
