"""The statements of `media.ledger` and `media.runs` that are written by hand.

Most because Postgres has to do them in one: to claim, renew, end and rescue; to tell parents. Some because every job
asks for them, and the ORM would take longer to build them than Postgres to answer.

All times are the database's own clock.
"""

from media.models.derivative import LOST_CLAIMS_LIMIT

WANTED = (
    """EXISTS (SELECT 1 FROM media_file f WHERE f.original_id = d.original_id AND f.trashed_at IS NULL)"""
)

ENDED_WELL = ("ready", "not_needed")
JOIN_FROM = 96
"""Percent of divided work at which its parts are ready; the rest is the join's."""

PARENT_WAITS = """EXISTS (SELECT 1 FROM media_derivative p WHERE p.id = d.parent_id AND p.status = 'processing'
        AND p.parts_left IS NOT NULL AND p.requested_version = d.requested_version)"""
"""A part works for one request of its parent: it carries that request's number as its own."""

JOINS = f"""COALESCE((SELECT bool_and(c.status IN {ENDED_WELL}) FROM media_derivative c
        WHERE c.parent_id = d.id AND c.requested_version = d.requested_version), FALSE)"""  # noqa: S608  Only constants of this module are put in.
"""Whether the row has been divided for this request, and every part is there."""

LOST_ROW = (
    "id",
    "original_id",
    "deriver",
    "variant",
    "queue",
    "claimed_version",
    "fence",
    "lease_owner",
    "queued_at",
    "started_at",
)
"""What `media.history` tells of a run whose worker is gone."""

OVERTAKEN = f"""CASE WHEN d.lost_claims > 0 THEN (SELECT json_build_object(
        {", ".join(f"'{name}', p.{name}" for name in LOST_ROW)})::text
        FROM media_derivative p WHERE p.id = d.id AND p.status = 'processing') END"""  # noqa: S608  As above.
"""The run that this claim takes the row from, if there is one: a query inside RETURNING sees the row as it was."""

SWITCH_COLUMNS = ("faces", "objects", "audio_events", "transcripts", "semantic", "sharing")

CLAIM = f"""
UPDATE media_derivative d SET
    status = 'processing', fence = d.fence + 1, claimed_version = d.requested_version,
    lost_claims = d.lost_claims + CASE WHEN d.status = 'processing' THEN 1 ELSE 0 END,
    lease_owner = %(owner)s, lease_expires_at = clock_timestamp() + %(lease)s * interval '1 second',
    started_at = CASE WHEN {JOINS} THEN d.started_at ELSE clock_timestamp() END, finished_at = NULL,
    progress = CASE WHEN {JOINS} THEN d.progress ELSE 0 END, eta_seconds = NULL, not_before = NULL,
    updated_at = clock_timestamp()
FROM media_original o JOIN media_library l ON l.id = o.library_id
WHERE d.id = %(id)s AND o.id = d.original_id AND o.held_at IS NULL
  AND {WANTED} AND (d.parent_id IS NULL OR {PARENT_WAITS})
  AND (d.status = 'queued' AND (d.not_before IS NULL OR d.not_before <= clock_timestamp())
       OR d.status = 'processing' AND d.lease_expires_at < clock_timestamp()
          AND d.lost_claims + 1 < {LOST_CLAIMS_LIMIT})
RETURNING d.fence, d.claimed_version, d.attempts, d.deferrals, extract(epoch FROM d.started_at - d.queued_at),
          d.deriver, d.variant, d.parameters, d.queue, d.parent_id, {JOINS},
          d.queued_at, {OVERTAKEN},
          o.id, o.library_id, o.key, o.size, o.mime, o.kind, o.probe, o.sha256 IS NOT NULL,
          {", ".join(f"l.{name}" for name in SWITCH_COLUMNS)}
"""  # noqa: S608  Only constants of this module are put in.

RENEW = f"""
UPDATE media_derivative d SET
    lease_expires_at = clock_timestamp() + %(lease)s * interval '1 second',
    progress = GREATEST(d.progress, %(progress)s), eta_seconds = %(eta)s, updated_at = clock_timestamp()
WHERE d.id = %(id)s AND d.fence = %(fence)s AND d.status = 'processing' AND (d.parent_id IS NULL OR {PARENT_WAITS})
"""  # noqa: S608  As above.

END_WELL = f"""
UPDATE media_derivative d SET
    status = %(status)s, ready_version = d.requested_version, claimed_version = d.requested_version, progress = 100,
    outputs = %(outputs)s, facts = %(facts)s, made_by = COALESCE(%(made_by)s, d.made_by),
    finished_at = clock_timestamp(), updated_at = clock_timestamp(),
    lease_owner = '', lease_expires_at = NULL, parts_left = NULL, eta_seconds = NULL,
    error_code = '', error_message = '', error_detail = '', attempts = 0, lost_claims = 0, deferrals = 0
FROM (SELECT id, outputs FROM media_derivative WHERE id = %(id)s FOR UPDATE) old
WHERE d.id = old.id AND d.fence = %(fence)s AND d.status = 'processing' AND d.requested_version = %(version)s
  AND (d.parent_id IS NULL OR {PARENT_WAITS})
RETURNING old.outputs
"""  # noqa: S608  As above.
"""Of a run that still holds its row; what it had made before is handed back."""

LOCK_ORIGINAL = "SELECT * FROM media_original WHERE id = %s FOR NO KEY UPDATE"
PUBLISHED = """
UPDATE media_derivative SET published_at = clock_timestamp() WHERE id = ANY(%(ids)s) AND status = 'queued'
"""

TELL_PARENT = f"""
UPDATE media_derivative d SET
    progress = GREATEST(d.progress, floor(parts.percent * {JOIN_FROM} / 100)), updated_at = clock_timestamp(),
    eta_seconds = CASE WHEN parts.percent > 0 THEN
        LEAST(1e9, round(parts.seconds * (100 - parts.percent) / parts.percent)) END
FROM (SELECT avg(CASE WHEN c.status IN {ENDED_WELL} THEN 100 ELSE c.progress END) AS percent,
             extract(epoch FROM clock_timestamp() - min(c.started_at)) AS seconds
      FROM media_derivative c WHERE c.parent_id = %(parent)s) parts
WHERE d.id = %(parent)s AND d.status = 'processing' AND d.parts_left IS NOT NULL
"""  # noqa: S608  As above.

RESCUE = f"""
UPDATE media_derivative d SET
    lost_claims = d.lost_claims + 1, lease_owner = '', lease_expires_at = NULL, published_at = NULL, eta_seconds = NULL,
    error_detail = '',
    status = CASE WHEN d.lost_claims + 1 >= {LOST_CLAIMS_LIMIT} THEN 'failed' ELSE 'queued' END,
    error_code = CASE WHEN d.lost_claims + 1 >= {LOST_CLAIMS_LIMIT} THEN 'quarantined' ELSE 'worker_lost' END,
    error_message = CASE WHEN d.lost_claims + 1 >= {LOST_CLAIMS_LIMIT}
        THEN 'The worker died {LOST_CLAIMS_LIMIT} times on this file, so it was set aside. Reprocess it to try again.'
        ELSE 'The worker died during this run; it is tried again.' END,
    finished_at = CASE WHEN d.lost_claims + 1 >= {LOST_CLAIMS_LIMIT} THEN clock_timestamp() END,
    updated_at = clock_timestamp()
FROM (SELECT {", ".join(LOST_ROW)} FROM media_derivative
      WHERE status = 'processing' AND lease_expires_at < clock_timestamp()
      ORDER BY lease_expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) gone
WHERE d.id = gone.id
RETURNING d.status, {", ".join(f"gone.{name}" for name in LOST_ROW)}
"""  # noqa: S608  As above.
