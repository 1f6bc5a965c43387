"""Bytes that are not in the store as the rows say: found by runs, and by looks at all blobs.

Counts stop after MANY: a disk that is lost makes as many rows as there are files.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from alcoves.alerts.rules.base import MANY, Severity, Trouble, bounded, failed_with, rows
from alcoves.wording import counted

GONE = "source_missing"
KINDS = ("missing", "altered", "orphaned")
WHATS = ("original", "output", "avatar", "blob")
BAD = ("missing", "altered")


def source_missing() -> Iterator[Trouble]:
    """Originals whose bytes a run did not find."""
    looked_at = failed_with(GONE).values_list("original", flat=True)[: MANY + 1]
    count = len(set(looked_at))
    if count:
        many = "at least " if len(looked_at) > MANY else ""
        yield Trouble(
            "blobs:source",
            Severity.CRITICAL,
            f"The bytes of {many}{counted(count, 'original')} are missing in the store. "
            "Put them back from a backup, then reprocess the failed rows.",
            rows("media.derivative", status="failed", error_code=GONE, accepted="no"),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Findings of one kind that are not mended; `count` is no more than MANY, and `more` says that there are.

    `repairing` of them were asked to be repaired: they are troubles until that is done.
    """

    kind: str
    what: str
    count: int
    more: bool
    repairing: int = 0


COUNTS = """
SELECT kind, what, found.number, found.repairing
FROM unnest(%(kinds)s::text[]) kinds (kind) CROSS JOIN unnest(%(whats)s::text[]) whats (what) CROSS JOIN LATERAL (
    SELECT count(*) AS number, count(*) FILTER (WHERE state = 'repairing') AS repairing FROM (
        SELECT f.state FROM backup_finding f WHERE f.state IN ('open', 'repairing')
            AND (f.kind, f.what) >= (kinds.kind, whats.what) AND (f.kind, f.what) <= (kinds.kind, whats.what)
        ORDER BY f.kind, f.what LIMIT %(most)s
    ) AS rows
) AS found ORDER BY 1, 2
"""
UNMENDED = {"state__in": "open,repairing"}


def open_findings(kinds: tuple[str, ...] = KINDS) -> list[Found]:
    """By kind and what they are of, along their index: ranges, as in `failed_with`."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"kinds": list(kinds), "whats": list(WHATS), "most": MANY + 1})
        told = cursor.fetchall()
    return [
        Found(kind, what, min(count, MANY), count > MANY, min(repairing, MANY))
        for kind, what, count, repairing in told
        if count
    ]


def findings() -> Iterator[Trouble]:
    """What verification found and nobody has mended."""
    for one in open_findings(BAD):
        original, many = one.what == "original", one.count != 1 or one.more
        yield Trouble(
            f"blobs:{one.kind}:{one.what}",
            Severity.CRITICAL if original else Severity.WARNING,
            f"{bounded(one.count, more=one.more)} {one.what}{'s are' if many else ' is'} {one.kind} in the store"
            f"{repairs(one)}. {advice(one, original=original)}",
            rows("backup.Finding", **UNMENDED, kind=one.kind),
        )


def repairs(one: Found) -> str:
    if not one.repairing:
        return ""
    if one.repairing == one.count and not one.more:
        return f", and {'is' if one.count == 1 else 'are'} being repaired"
    return f", and {one.repairing} of them {'is' if one.repairing == 1 else 'are'} being repaired"


def advice(one: Found, *, original: bool) -> str:
    if one.repairing == one.count and not one.more:
        return "If that lasts, see the findings."
    return "Put them back from a backup." if original else "Repair makes them again."
