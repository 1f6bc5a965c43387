"""Bytes by library and kind, and how they grew: from counts that are kept."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alcoves.alerts import pulses
from media import tallies
from media.models import Library, tally
from storage.registry import get_store

SHOWN_LIBRARIES: Final = 20
AVATARS: Final = "avatars"
COUNTED: Final = "bytes of store "
PARTS: Final = {tally.ORIGINALS: "originals", tally.MADE: "derivatives", tally.CACHED: "imageCache"}


def report() -> dict[str, Any]:
    """The largest libraries, the others together; and all bytes by part, kind and deriver."""
    by_library: dict[str, Counter[str]] = defaultdict(Counter)
    kinds_of: dict[str, Counter[str]] = defaultdict(Counter)
    parts, kinds, derivers = Counter[str](), Counter[str](), Counter[str]()
    for topic, part in PARTS.items():
        for one in tallies.told(topic, 0, 1):
            library, second = one.keys
            by_library[library][part] += one.amount
            parts[part] += one.amount
            if topic == tally.ORIGINALS:
                kinds[second] += one.amount
                kinds_of[library][second] += one.amount
            elif topic == tally.MADE:
                derivers[second] += one.amount
    avatars, told = avatar_bytes()
    return {
        "parts": [
            *({"part": part, "bytes": parts[part]} for part in PARTS.values()),
            {"part": "avatars", "bytes": avatars},
        ],
        "kinds": [{"kind": kind, "bytes": size} for kind, size in kinds.most_common()],
        "derivers": [{"deriver": name, "bytes": size} for name, size in derivers.most_common()],
        "libraries": libraries(by_library, kinds_of),
        "notes": [told] if told else [],
    }


def libraries(sizes: dict[str, Counter[str]], kinds: dict[str, Counter[str]]) -> list[dict[str, Any]]:
    """The largest first. What is left is one line without an id."""
    ordered = sorted(sizes.items(), key=lambda item: -item[1].total())
    shown, others = ordered[:SHOWN_LIBRARIES], ordered[SHOWN_LIBRARIES:]
    names = dict(Library.objects.filter(pk__in=[key for key, _ in shown]).values_list("pk", "name"))
    texts = {str(key): name for key, name in names.items()}
    lines = [
        line(key, texts.get(key, "deleted meanwhile"), size, kinds[key])
        for key, size in shown
        if size.total()
    ]
    if others:
        size = sum((size for _, size in others), Counter[str]())
        lines.append(
            line(None, f"{len(others)} others", size, sum((kinds[key] for key, _ in others), Counter()))
        )
    return lines


def line(key: str | None, name: str, size: Counter[str], kinds: Counter[str]) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        **{part: size[part] for part in PARTS.values()},
        "total": size.total(),
        "kinds": [{"kind": kind, "bytes": number} for kind, number in kinds.most_common() if number],
    }


def avatar_bytes() -> tuple[int | None, str]:
    """They have no row that knows their size, so a worker asks their store now and then."""
    told = pulses.family(COUNTED).get(AVATARS)
    if told is None:
        return None, "Pictures of people were not counted yet: a worker does so every half an hour."
    return int(told[1]), ""


def count_avatars() -> int:
    """Bytes of all of them, for the dashboard."""
    total = sum(blob.size for blob in get_store(AVATARS).iterate())
    pulses.remember(COUNTED, {AVATARS: str(total)})
    return total


def uploads(days: int) -> dict[str, Any]:
    """Files that came on each day (UTC), what they made the store grow, and how much lay there at its end.

    `bytes` is of all files that came, `stored` what was not there before less what was purged.
    """
    today = datetime.now(UTC)
    names = [tallies.day_of(today - timedelta(days=back)) for back in range(days - 1, -1, -1)]
    added = {one.keys[0]: one for one in tallies.told(tally.ADDED, 0, since=names[0])}
    growth = {one.keys[0]: one.amount for one in tallies.told(tally.GROWTH, 0, since=names[0])}
    whole = tallies.told(tally.ORIGINALS)
    lay = whole[0].amount if whole else 0
    lines = []
    for name in reversed(names):
        came = added.get(name)
        lines.append(
            {
                "day": name,
                "files": came.number if came else 0,
                "bytes": came.amount if came else 0,
                "stored": growth.get(name, 0),
                "cumulative": lay,
            }
        )
        lay -= growth.get(name, 0)
    return {"days": lines[::-1], "files": sum(one.number for one in added.values())}
