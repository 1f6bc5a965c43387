"""Keeps alerts: opens one where a rule finds a trouble, ends it when the trouble has been gone for a while.

A trouble that comes and goes is one alert. Its first returns are told again, and then at most one each hour.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from alcoves.alerts import rules
from alcoves.alerts.models import Alert, Delivery, Mention, Severity, State, What
from alcoves.alerts.rules import Trouble, endings

CALM: Final = timedelta(seconds=150)
"""So long nobody must have seen it. Two looks and a bit."""
BACK_SOON: Final = timedelta(hours=1)
"""What returns within that is the same alert, and flaps when it does so often."""
STEADY_TIMES: Final = 3
KEPT: Final = timedelta(days=90)


def note(found: Mapping[str, list[Trouble]]) -> None:
    """What the rules found just now. Alerts of rules that could not be asked stay as they are."""
    now = timezone.now()
    asked = {name for name, some in found.items() if not rules.could_not_be_asked(name, some)}
    with transaction.atomic():
        known = {alert.key: alert for alert in Alert.objects.open().select_for_update()}
        seen = {one.key: (name, one) for name, some in found.items() for one in some}
        for key, (name, trouble) in seen.items():
            alert = known.get(key) or returned(key, now)
            if alert is None:
                Alert.objects.create(
                    rule=name, **told_of(trouble), first_seen=now, raised_at=now, last_seen=now
                )
            else:
                refresh(alert, trouble, now)
        for key, alert in known.items():
            if key not in seen and alert.rule in asked and alert.last_seen < now - CALM:
                alert.resolved_at, alert.ending = now, endings.of(alert.rule, key)[:200]
                alert.save()


def told_of(trouble: Trouble) -> dict[str, Any]:
    return {
        "key": trouble.key[:200],
        "severity": trouble.severity,
        "sentence": trouble.sentence,
        "link": trouble.link[:500],
    }


def returned(key: str, now: datetime) -> Alert | None:
    """The alert of the same trouble that ended a moment ago, open again."""
    ended = Alert.objects.filter(key=key, resolved_at__gte=now - BACK_SOON).order_by("-resolved_at")
    alert: Alert | None = ended.select_for_update().first()
    if alert is not None:
        alert.resolved_at, alert.ending = None, ""
        alert.times += 1
        if alert.times < STEADY_TIMES:
            alert.raised_at = now
    return alert


def refresh(alert: Alert, trouble: Trouble, now: datetime) -> None:
    """As it is now. Worse than it was, or back for good after much coming and going: told again."""
    worse = trouble.severity == Severity.CRITICAL != alert.severity
    if worse or (alert.raised_at < now - BACK_SOON and last_told(alert) == What.WELL):
        alert.raised_at = now
    for name, value in told_of(trouble).items():
        setattr(alert, name, value)
    alert.last_seen = now
    alert.save()


def last_told(alert: Alert) -> str:
    if alert.times < STEADY_TIMES:
        return ""
    last = Mention.objects.filter(alert=alert).order_by("-at", "-pk").values_list("what", flat=True).first()
    return str(last or "")


def forget() -> None:
    """What is long over."""
    before = timezone.now() - KEPT
    Delivery.objects.filter(created_at__lt=before).exclude(state=State.OWED).delete()
    Alert.objects.filter(resolved_at__lt=before).delete()
