"""How many runs ended each hour, and how many of them badly: from counts that are kept."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from media import tallies
from media.models import tally

HOURS: Final = 24
WEEK: Final = 7 * 24
WELL: Final = ("ready", "not_needed")
BADLY: Final = "failed"
SENT_BACK: Final = ("retried", "lost", "deferred")
"""These runs did not end the work: it is done again."""


def throughput() -> dict[str, Any]:
    """Runs that ended, by the hour (UTC) and deriver; the last hour is not over yet."""
    now = datetime.now(UTC)
    hours = [tallies.hour_of(now - timedelta(hours=back)) for back in range(HOURS - 1, -1, -1)]
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    outcomes: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    for one in tallies.told(tally.ENDED, 0, 1, 2, since=hours[0]):
        hour, deriver, outcome = one.keys
        outcomes[outcome] += one.number
        if outcome in (*WELL, BADLY):
            counts[deriver][hour] += one.number
            spent[deriver] += one.amount
    return {
        "hours": [f"{hour}:00:00Z" for hour in hours],
        "derivers": [
            {
                "deriver": name,
                "counts": [by_hour[hour] for hour in hours],
                "total": by_hour.total(),
                "meanSeconds": round(spent[name] / by_hour.total() / 1000, 3),
            }
            for name, by_hour in sorted(counts.items(), key=lambda item: -item[1].total())
        ],
        "outcomes": dict(outcomes.most_common()),
        "total": sum(by_hour.total() for by_hour in counts.values()),
    }


def failures() -> dict[str, Any]:
    """Of the runs that ended in the last day and week: how many failed. Runs that were cancelled count in neither."""
    now = datetime.now(UTC)
    day, week = (
        outcomes_since(now - timedelta(hours=HOURS - 1)),
        outcomes_since(now - timedelta(hours=WEEK - 1)),
    )
    lines = [{"deriver": name, "day": share(day[name]), "week": share(week[name])} for name in sorted(week)]
    return {"derivers": sorted(lines, key=lambda one: -one["week"]["rate"])}


def outcomes_since(moment: datetime) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in tallies.told(tally.ENDED, 1, 2, since=tallies.hour_of(moment)):
        found[one.keys[0]][one.keys[1]] += one.number
    return found


def share(outcomes: Counter[str]) -> dict[str, Any]:
    failed = outcomes[BADLY]
    ended = failed + sum(outcomes[name] for name in WELL)
    return {
        "ended": ended,
        "failed": failed,
        "sentBack": sum(outcomes[name] for name in SENT_BACK),
        "rate": round(failed / ended, 4) if ended else 0.0,
    }
