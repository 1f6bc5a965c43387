"""Reading and tending the counts of `media.models.tally`: a query for a topic, a fold each minute, a recount by night.

A recount says how far the counts were from the truth; where no trigger was passed by, it finds nothing. It only adds
the difference, in one statement and so of one moment, and disturbs nobody who counts meanwhile.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import connection, transaction

from media.models import tally
from media.models.tally import Tally

logger = logging.getLogger(__name__)
ENDED_KEPT: Final = timedelta(days=35)
BATCH: Final = 20_000

TOLD: Final = """
    SELECT keys, number, amount FROM media_tally WHERE topic = %(topic)s
    UNION ALL SELECT keys, number, amount FROM media_tallychange WHERE topic = %(topic)s
"""

TRUTH: Final = {
    tally.FILES: """
        SELECT ARRAY[alcoves_file_state(f.trashed_at, o.held_at), f.library_id::text, o.kind, o.mime] AS keys,
               count(*) AS number, 0::bigint AS amount
        FROM media_file f JOIN media_original o ON o.id = f.original_id GROUP BY 1""",
    tally.FOLDERS: """
        SELECT ARRAY[CASE WHEN trashed_at IS NULL THEN 'live' ELSE 'trashed' END, library_id::text] AS keys,
               count(*) AS number, 0::bigint AS amount
        FROM media_folder GROUP BY 1""",
    tally.ORIGINALS: """
        SELECT ARRAY[library_id::text, kind] AS keys, count(*) AS number, sum(size)::bigint AS amount
        FROM media_original GROUP BY 1""",
    tally.DERIVATIVES: """
        SELECT ARRAY[deriver, status, queue]::text[] AS keys, count(*) AS number, 0::bigint AS amount
        FROM media_derivative GROUP BY 1""",
    tally.ACCEPTED: """
        SELECT ARRAY[deriver]::text[] AS keys, count(*) AS number, 0::bigint AS amount
        FROM media_derivative WHERE accepted_at IS NOT NULL GROUP BY 1""",
    tally.MADE: """
        SELECT ARRAY[o.library_id::text, d.deriver] AS keys, sum(jsonb_array_length(d.outputs)) AS number,
               sum(alcoves_output_bytes(d.outputs))::bigint AS amount
        FROM media_derivative d JOIN media_original o ON o.id = d.original_id WHERE d.outputs <> '[]' GROUP BY 1""",
    tally.CACHED: """
        SELECT ARRAY[o.library_id::text, CASE WHEN c.variants_version > 0 THEN 'variant' ELSE 'free' END] AS keys,
               count(*) AS number, sum(c.size)::bigint AS amount
        FROM media_cachedimage c JOIN media_original o ON o.id = c.original_id GROUP BY 1""",
}
"""Of those topics whose truth can still be seen: that a file came, or a run ended, is told by no row once it is gone.
Each is a scan."""

FOLD: Final = """
WITH gone AS (
    DELETE FROM media_tallychange WHERE id IN (SELECT id FROM media_tallychange ORDER BY id LIMIT %(limit)s)
    RETURNING topic, keys, number, amount
), folded AS (
    INSERT INTO media_tally AS t (topic, keys, number, amount)
    SELECT topic, keys, sum(number), sum(amount) FROM gone GROUP BY topic, keys ORDER BY topic, keys
    ON CONFLICT (topic, keys) DO UPDATE SET number = t.number + excluded.number, amount = t.amount + excluded.amount
)
SELECT count(*) FROM gone
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One count. `keys` are those that were asked for."""

    keys: tuple[str, ...]
    number: int
    amount: int


def told(topic: str, *by: int, since: str = "") -> list[Told]:
    """The counts of a topic, added up by the keys at these places (from 0); one query that looks at no big table.

    `since` leaves out what has a smaller first key: a day, an hour.
    """
    wanted = ", ".join(f"keys[{place + 1}]" for place in by) or "''"
    later = "WHERE keys >= ARRAY[%(since)s]" if since else ""
    query = f"""SELECT ARRAY[{wanted}], sum(number)::bigint, sum(amount)::bigint FROM ({TOLD}) counted {later}
        GROUP BY 1 HAVING sum(number) <> 0 OR sum(amount) <> 0 ORDER BY 1"""  # noqa: S608  Only places and constants.
    with connection.cursor() as cursor:
        cursor.execute(query, {"topic": topic, "since": since})
        return [Told(tuple(keys) if by else (), number, amount) for keys, number, amount in cursor.fetchall()]


def fold() -> int:
    """Changes into counts, all of them; returns how many. One process at a time: a second finds nothing to do."""
    folded = 0
    while done := fold_some():
        folded += done
        if done < BATCH:
            break
    return folded


def fold_some() -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('media.tallies'))")
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(FOLD, {"limit": BATCH})
        return int(cursor.fetchone()[0])


def recount() -> dict[str, int]:
    """Hold the counts against the truth; returns how many keys of each topic were wrong, and are right now."""
    wrong = {topic: correct(topic, truth) for topic, truth in TRUTH.items()}
    forget_old_hours()
    if any(wrong.values()):
        logger.warning("counts were not true and are put right: %s", wrong)
    return wrong


def correct(topic: str, truth: str) -> int:
    query = f"""
        WITH truth AS ({truth}), told AS (
            SELECT keys, sum(number)::bigint AS number, sum(amount)::bigint AS amount FROM ({TOLD}) counted GROUP BY 1
        )
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT %(topic)s, keys, coalesce(truth.number, 0) - coalesce(told.number, 0),
               coalesce(truth.amount, 0) - coalesce(told.amount, 0)
        FROM truth FULL JOIN told USING (keys)
        WHERE (coalesce(truth.number, 0), coalesce(truth.amount, 0))
            <> (coalesce(told.number, 0), coalesce(told.amount, 0))
    """  # noqa: S608  Only constants of this module.
    with connection.cursor() as cursor:
        cursor.execute(query, {"topic": topic})
        return int(cursor.rowcount)


def forget_old_hours() -> int:
    oldest = hour_of(datetime.now(UTC) - ENDED_KEPT)
    gone, _ = Tally.objects.filter(topic=tally.ENDED, keys__0__lt=oldest).delete()
    return int(gone)


def hour_of(moment: datetime) -> str:
    """As the triggers write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H")


def day_of(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
