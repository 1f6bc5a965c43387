"""Bytes that are not in the store as the rows say: found by runs, and by looks at all blobs.

Counts stop after MANY: a disk that is lost makes as many rows as there are files.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from alcoves.alerts.rules.base import MANY, Severity, Trouble, bounded, failed_with, rows

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
            f"The bytes of {many}{count} original{'' if count == 1 else 's'} are missing in the store. "
            "Put them back from a backup, then reprocess the failed rows.",
            rows("media.derivative", status="failed", error_code=GONE),
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Open findings of one kind; `count` is no more than MANY, and `more` says that there are."""

    kind: str
    what: str
    count: int
    more: bool


COUNTS = """
SELECT kind, what, (
    SELECT count(*) FROM (
        SELECT 1 FROM backup_finding f WHERE f.state = 'open'
            AND (f.kind, f.what) >= (kinds.kind, whats.what) AND (f.kind, f.what) <= (kinds.kind, whats.what)
        ORDER BY f.kind, f.what LIMIT %(most)s
    ) AS found
) FROM unnest(%(kinds)s::text[]) kinds (kind) CROSS JOIN unnest(%(whats)s::text[]) whats (what) ORDER BY 1, 2
"""


def open_findings(kinds: tuple[str, ...] = KINDS) -> list[Found]:
    """By kind and what they are of, along their index: ranges, as in `failed_with`."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, {"kinds": list(kinds), "whats": list(WHATS), "most": MANY + 1})
        told = cursor.fetchall()
    return [Found(kind, what, min(count, MANY), count > MANY) for kind, what, count in told if count]


def findings() -> Iterator[Trouble]:
    """What verification found and nobody has mended."""
    for one in open_findings(BAD):
        original, many = one.what == "original", one.count != 1 or one.more
        yield Trouble(
            f"blobs:{one.kind}:{one.what}",
            Severity.CRITICAL if original else Severity.WARNING,
            f"{bounded(one.count, more=one.more)} {one.what}{'s are' if many else ' is'} {one.kind} in the store. "
            + ("Put them back from a backup." if original else "Repair makes them again."),
            rows("backup.Finding", state="open", kind=one.kind),
        )
