"""Files by state and type, derivatives by status, and all of it at a glance: from counts that are kept."""

from collections import Counter, defaultdict
from typing import Any, Final

from alcoves.accounts.models import User
from alcoves.console.dashboard import workers
from media import tallies
from media.models import Library, tally
from media.models.derivative import Status

STATES: Final = ("live", "trashed", "held")
SHOWN_TYPES: Final = 30


def overview() -> dict[str, Any]:
    """The few numbers that one wants first. `accepted` are among the jobs that failed."""
    states = {one.keys[0]: one.number for one in tallies.told(tally.FILES, 0)}
    statuses = {one.keys[0]: one.number for one in tallies.told(tally.DERIVATIVES, 1)}
    folders = {one.keys[0]: one.number for one in tallies.told(tally.FOLDERS, 0)}
    originals, stored = sums(tally.ORIGINALS)
    return {
        "files": {state: states.get(state, 0) for state in STATES},
        "folders": folders.get("live", 0),
        "originals": originals,
        "bytes": {
            "originals": stored,
            "derivatives": sums(tally.MADE)[1],
            "imageCache": sums(tally.CACHED)[1],
        },
        "libraries": Library.objects.count(),
        "users": User.objects.filter(is_active=True).count(),
        "jobs": {status: statuses.get(status, 0) for status in Status.values},
        "accepted": sums(tally.ACCEPTED)[0],
        "workers": workers.alive(),
    }


def sums(topic: str) -> tuple[int, int]:
    """All that a topic has counted, and its bytes."""
    found = tallies.told(topic)
    return (found[0].number, found[0].amount) if found else (0, 0)


def types() -> dict[str, Any]:
    """Files by state, kind and type. Those in the trash count as trashed only."""
    kinds: Counter[str] = Counter()
    mimes: Counter[tuple[str, str]] = Counter()
    states: Counter[str] = Counter(dict.fromkeys(STATES, 0))
    for one in tallies.told(tally.FILES, 0, 2, 3):
        state, kind, mime = one.keys
        states[state] += one.number
        if state != "trashed":
            kinds[kind] += one.number
            mimes[mime, kind] += one.number
    shown = mimes.most_common(SHOWN_TYPES)
    return {
        "states": [{"state": state, "files": count} for state, count in states.items()],
        "kinds": [{"kind": kind, "files": count} for kind, count in kinds.most_common()],
        "types": [{"type": mime, "kind": kind, "files": count} for (mime, kind), count in shown],
        "others": sum(mimes.values()) - sum(count for _, count in shown),
    }


def statuses() -> dict[str, Any]:
    """Derivatives by deriver and status."""
    derivers: dict[str, Counter[str]] = defaultdict(Counter)
    for one in tallies.told(tally.DERIVATIVES, 0, 1):
        derivers[one.keys[0]][one.keys[1]] += one.number
    total: Counter[str] = sum(derivers.values(), Counter())
    return {
        "statuses": {status: total[status] for status in Status.values},
        "derivers": [
            {
                "deriver": name,
                **{status: counts[status] for status in Status.values},
                "total": sum(counts.values()),
            }
            for name, counts in sorted(derivers.items())
        ],
    }
