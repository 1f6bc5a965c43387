"""Failures that are one trouble: jobs of one deriver that failed with the same words, whatever file they were about.

The words are a column that a trigger keeps (`failure`, migration `history`), so the groups are found along one index.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from alcoves import limited
from media.models import Derivative

SHOWN: Final = 100
COUNTED: Final = 1_000
"""Of each group, the jobs that failed last; nobody counts further."""
KINDS: Final = 1_000
"""So many groups are looked at one after the other; where there are more, all jobs that failed are counted at once."""
COUNT_MILLISECONDS: Final = 2_000
"""For that."""

LEFT: Final = "d.status = 'failed' AND d.parent_id IS NULL AND d.accepted_at IS NULL"
"""What operators have accepted is no trouble any more."""
OF_DERIVER: Final = "AND d.deriver = %(deriver)s"

# From one group to the next along the index, and so many rows of each: what is read does not grow with what failed.
WALK: Final = """
kinds AS (
    (SELECT d.deriver, d.failure, d.error_code, 1 AS place FROM media_derivative d
     WHERE {left} {of} ORDER BY d.deriver, d.failure, d.error_code LIMIT 1)
    UNION ALL
    SELECT following.deriver, following.failure, following.error_code, kinds.place + 1
    FROM kinds CROSS JOIN LATERAL (
        SELECT d.deriver, d.failure, d.error_code FROM media_derivative d
        WHERE {left} {of} AND (d.deriver, d.failure, d.error_code) > (kinds.deriver, kinds.failure, kinds.error_code)
        ORDER BY d.deriver, d.failure, d.error_code LIMIT 1
    ) following
    WHERE kinds.place <= %(kinds)s
)
"""
# Every job that failed, from the same index. The largest only, so that few are looked at again.
COUNT: Final = """
kinds AS (
    SELECT d.deriver, d.failure, d.error_code, 0 AS place FROM media_derivative d WHERE {left} {of}
    GROUP BY d.deriver, d.failure, d.error_code ORDER BY count(*) DESC, max(d.finished_at) DESC LIMIT %(limit)s
)
"""
GROUPS: Final = """
WITH RECURSIVE {kinds}, found AS (
    SELECT kinds.failure, kinds.error_code, kinds.deriver, counted.jobs, counted.files, counted.last_at
    FROM kinds CROSS JOIN LATERAL (
        SELECT count(*) AS jobs, count(DISTINCT original_id) AS files, max(finished_at) AS last_at FROM (
            SELECT d.original_id, d.finished_at FROM media_derivative d
            WHERE {left} AND d.deriver = kinds.deriver AND d.failure = kinds.failure AND d.error_code = kinds.error_code
            ORDER BY d.deriver DESC, d.failure DESC, d.error_code DESC, d.finished_at DESC LIMIT %(counted)s + 1
        ) newest
    ) counted
    ORDER BY counted.jobs DESC, counted.last_at DESC, kinds.failure, kinds.deriver LIMIT %(limit)s
)
SELECT found.failure, found.error_code, found.deriver, found.jobs, found.files, oldest.finished_at, found.last_at,
    example.id, example.error_message, file.id, file.name, (SELECT max(place) FROM kinds) > %(kinds)s
FROM found
CROSS JOIN LATERAL (
    SELECT d.finished_at FROM media_derivative d
    WHERE {left} AND d.deriver = found.deriver AND d.failure = found.failure AND d.error_code = found.error_code
    ORDER BY d.deriver, d.failure, d.error_code, d.finished_at LIMIT 1
) oldest
CROSS JOIN LATERAL (
    SELECT d.id, d.original_id, d.error_message FROM media_derivative d
    WHERE {left} AND d.deriver = found.deriver AND d.failure = found.failure AND d.error_code = found.error_code
        AND d.finished_at = found.last_at LIMIT 1
) example
LEFT JOIN LATERAL (
    SELECT f.id, f.name FROM media_file f WHERE f.original_id = example.original_id
    ORDER BY f.trashed_at NULLS FIRST, f.id LIMIT 1
) file ON TRUE
ORDER BY found.jobs DESC, found.last_at DESC, found.failure, found.deriver
"""


@dataclass(frozen=True, slots=True)
class Group:
    """One trouble. The example is the job that failed last, and a file that it was about.

    Where there are over COUNTED jobs, `jobs` is COUNTED + 1 and `files` those of the newest.
    """

    failure: str
    error_code: str
    deriver: str
    jobs: int
    files: int
    first_at: datetime
    last_at: datetime
    example: UUID
    message: str
    file: UUID | None
    file_name: str | None

    @property
    def more(self) -> bool:
        return self.jobs > COUNTED


@dataclass(frozen=True, slots=True)
class Found:
    """Groups, the largest first. `partly`: only the first KINDS were compared, in the order of derivers and words."""

    groups: list[Group]
    partly: bool


def find_groups(limit: int = SHOWN, deriver: str = "") -> Found:
    """Of all derivers, or of one."""
    found = ask(WALK, limit, deriver)
    if not found.partly:
        return found
    try:
        with limited.statements_within(COUNT_MILLISECONDS):
            return ask(COUNT, limit, deriver)
    except limited.TooLateError:
        return found


def statement(kinds: str, deriver: str) -> str:
    of = OF_DERIVER if deriver else ""
    return GROUPS.format(kinds=kinds.format(left=LEFT, of=of), left=LEFT)


def ask(kinds: str, limit: int, deriver: str) -> Found:
    with connection.cursor() as cursor:
        given: dict[str, int | str] = {
            "limit": limit,
            "kinds": KINDS,
            "counted": COUNTED,
            "deriver": deriver,
        }
        cursor.execute(statement(kinds, deriver), given)
        rows = cursor.fetchall()
        return Found([Group(*row[:-1]) for row in rows], any(row[-1] for row in rows))


def count_accepted(deriver: str = "") -> int:
    """Failures that operators leave at that. COUNTED + 1 stands for more."""
    rows = Derivative.objects.filter(accepted_at__isnull=False, parent__isnull=True)
    own = rows.filter(deriver=deriver) if deriver else rows
    return int(own.order_by().values("pk")[: COUNTED + 1].count())
