"""Failures that are one trouble: jobs of one deriver that failed with the same words, whatever file they were about.

The words are a column that a trigger keeps (`failure`, migration `history`), so the groups are found along one index.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

SHOWN: Final = 100
COUNTED: Final = 1_000
"""Of each group, the jobs that failed last; nobody counts further."""
KINDS: Final = 1_000
"""So many groups are looked for."""

# From one group to the next along the index, and so many rows of each: what is read does not grow with what failed.
GROUPS: Final = """
WITH RECURSIVE kinds AS (
    (SELECT failure, error_code, deriver, 1 AS place FROM media_derivative
     WHERE status = 'failed' AND parent_id IS NULL ORDER BY failure, error_code, deriver LIMIT 1)
    UNION ALL
    SELECT following.failure, following.error_code, following.deriver, kinds.place + 1
    FROM kinds CROSS JOIN LATERAL (
        SELECT d.failure, d.error_code, d.deriver FROM media_derivative d
        WHERE d.status = 'failed' AND d.parent_id IS NULL
            AND (d.failure, d.error_code, d.deriver) > (kinds.failure, kinds.error_code, kinds.deriver)
        ORDER BY d.failure, d.error_code, d.deriver LIMIT 1
    ) following
    WHERE kinds.place < %(kinds)s
), found AS (
    SELECT kinds.failure, kinds.error_code, kinds.deriver, counted.jobs, counted.files, counted.last_at
    FROM kinds CROSS JOIN LATERAL (
        SELECT count(*) AS jobs, count(DISTINCT original_id) AS files, max(finished_at) AS last_at FROM (
            SELECT d.original_id, d.finished_at FROM media_derivative d
            WHERE d.status = 'failed' AND d.parent_id IS NULL AND d.failure = kinds.failure
                AND d.error_code = kinds.error_code AND d.deriver = kinds.deriver
            ORDER BY d.failure DESC, d.error_code DESC, d.deriver DESC, d.finished_at DESC LIMIT %(counted)s + 1
        ) newest
    ) counted
    ORDER BY counted.jobs DESC, counted.last_at DESC, kinds.failure, kinds.deriver LIMIT %(limit)s
)
SELECT found.failure, found.error_code, found.deriver, found.jobs, found.files, oldest.finished_at, found.last_at,
    example.id, example.error_message, file.id, file.name
FROM found
CROSS JOIN LATERAL (
    SELECT d.finished_at FROM media_derivative d
    WHERE d.status = 'failed' AND d.parent_id IS NULL AND d.failure = found.failure
        AND d.error_code = found.error_code AND d.deriver = found.deriver
    ORDER BY d.failure, d.error_code, d.deriver, d.finished_at LIMIT 1
) oldest
CROSS JOIN LATERAL (
    SELECT d.id, d.original_id, d.error_message FROM media_derivative d
    WHERE d.status = 'failed' AND d.parent_id IS NULL AND d.failure = found.failure
        AND d.error_code = found.error_code AND d.deriver = found.deriver AND d.finished_at = found.last_at LIMIT 1
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


def find_groups(limit: int = SHOWN) -> list[Group]:
    """The largest first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"limit": limit, "kinds": KINDS, "counted": COUNTED})
        return [Group(*row) for row in cursor.fetchall()]
