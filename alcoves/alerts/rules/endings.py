"""How a trouble ended that its rule finds no more: some rules stop looking after a while, whether or not it is well."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from alcoves.alerts.models import Delivery
from alcoves.alerts.rules.access import LOST_DAYS
from alcoves.alerts.rules.base import ago
from alcoves.alerts.rules.fleet import FORGET_HOURS
from media import live, tallies
from media.models import WorkerReport, tally


def of_worker(key: str) -> str:
    """One that is forgotten has not come back."""
    row = WorkerReport.objects.filter(name=key.removeprefix("worker:")).first()
    if row is None or row.seen_at < ago(hours=FORGET_HOURS):
        return "nothing was heard of it for a day, so it counts as taken away"
    back = row.seen_at >= ago(seconds=live.value("ALERT_WORKER_SECONDS"))
    return "" if back else "it was drained while it was away"


def of_failing(key: str) -> str:
    """Failures are counted over an hour or so. Where none has ended well since, nobody knows."""
    since = tallies.hour_of(ago(minutes=live.value("ALERT_FAILURE_MINUTES")))
    ended: Counter[str] = Counter()
    for one in tallies.told(tally.ENDED, 1, 2, since=since):
        if one.keys[0] == key.removeprefix("failing:"):
            ended[one.keys[1]] += one.number
    well = ended["ready"] + ended["not_needed"]
    return "" if well else "no run of it has ended well since, so nobody knows whether one would"


def of_letters(key: str) -> str:
    """Given up long ago, or by a way that was taken away. A letter that was taken shows that it is well."""
    taken = Delivery.objects.filter(channel=key.rpartition(":")[2], sent_at__gt=ago(days=LOST_DAYS))
    return "" if taken.exists() else "no letter was taken by it since"


ENDINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "workers": of_worker,
    "failing": of_failing,
    "letters": of_letters,
}
"""By rule."""


def of(rule: str, key: str) -> str:
    """Why it is watched no longer, where it is not known to be well; else empty."""
    return ENDINGS[rule](key) if rule in ENDINGS else ""
