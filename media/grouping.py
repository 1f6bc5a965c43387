"""Failures that are one trouble: jobs of one deriver that failed with the same words, whatever file they were about.

The words are a column that a trigger keeps (`failure`, migration `history`), so the groups are counted from one index.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

SHOWN: Final = 100

# The names of an example are looked up for the groups that are shown, and for no others.
GROUPS: Final = """
WITH found AS (
    SELECT failure, error_code, deriver, count(*) AS jobs, count(DISTINCT original_id) AS files,
        min(finished_at) AS first_at, max(finished_at) AS last_at
    FROM media_derivative WHERE status = 'failed' AND parent_id IS NULL
    GROUP BY failure, error_code, deriver
    ORDER BY jobs DESC, last_at DESC, failure, deriver LIMIT %(limit)s
)
SELECT found.failure, found.error_code, found.deriver, found.jobs, found.files, found.first_at, found.last_at,
    example.id, example.error_message, file.id, file.name
FROM found
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
    """One trouble. The example is the job that failed last, and a file that it was about."""

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


def find_groups(limit: int = SHOWN) -> list[Group]:
    """The largest first."""
    with connection.cursor() as cursor:
        cursor.execute(GROUPS, {"limit": limit})
        return [Group(*row) for row in cursor.fetchall()]
