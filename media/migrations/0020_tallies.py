"""Counts of files, bytes and jobs that are kept by triggers: `media.models.tally` says what each of them is."""

import django.contrib.postgres.fields
from django.db import migrations, models

BYTES = """
CREATE FUNCTION alcoves_output_bytes(outputs jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum((one ->> 'size')::bigint), 0)::bigint FROM jsonb_array_elements(outputs) one
$$
"""

STATE = """
CREATE FUNCTION alcoves_file_state(trashed_at timestamptz, held_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN trashed_at IS NOT NULL THEN 'trashed' WHEN held_at IS NOT NULL THEN 'held' ELSE 'live' END
$$
"""

FILES = """
CREATE FUNCTION media_tally_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'files', ARRAY[alcoves_file_state(f.trashed_at, o.held_at),
                              f.library_id::text, o.kind, o.mime], count(*), 0
        FROM added f JOIN media_original o ON o.id = f.original_id GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'added', ARRAY[to_char(f.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], count(*), sum(o.size)
        FROM added f JOIN media_original o ON o.id = f.original_id GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'files', ARRAY[alcoves_file_state(f.trashed_at, o.held_at),
                              f.library_id::text, o.kind, o.mime], -count(*), 0
        FROM gone f JOIN media_original o ON o.id = f.original_id GROUP BY 2;
    ELSE
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'files', ARRAY[alcoves_file_state(f.trashed_at, o.held_at), f.library_id::text, o.kind, o.mime],
               sum(f.sign), 0
        FROM (
            SELECT unnest(ARRAY[-1, 1]) AS sign,
                   unnest(ARRAY[g.trashed_at, a.trashed_at]) AS trashed_at,
                   unnest(ARRAY[g.library_id, a.library_id]) AS library_id,
                   unnest(ARRAY[g.original_id, a.original_id]) AS original_id
            FROM gone g JOIN added a USING (id)
            WHERE (g.trashed_at IS NULL, g.library_id, g.original_id)
               <> (a.trashed_at IS NULL, a.library_id, a.original_id)
        ) f JOIN media_original o ON o.id = f.original_id GROUP BY 2 HAVING sum(f.sign) <> 0;
    END IF;
    RETURN NULL;
END $$
"""

ORIGINALS = """
CREATE FUNCTION media_tally_originals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'originals', ARRAY[library_id::text, kind], count(*), sum(size) FROM added GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'growth', ARRAY[to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], count(*), sum(size)
        FROM added GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'originals', ARRAY[library_id::text, kind], -count(*), -sum(size) FROM gone GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'growth', ARRAY[to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')], -count(*), -sum(size)
        FROM gone HAVING count(*) > 0;
    ELSE
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'originals', ARRAY[o.library_id::text, o.kind], sum(o.sign), sum(o.sign * o.size)
        FROM (
            SELECT -1 AS sign, g.library_id, g.kind, g.size FROM gone g JOIN added a USING (id)
            WHERE (g.library_id, g.kind, g.size) <> (a.library_id, a.kind, a.size)
            UNION ALL
            SELECT 1, a.library_id, a.kind, a.size FROM gone g JOIN added a USING (id)
            WHERE (g.library_id, g.kind, g.size) <> (a.library_id, a.kind, a.size)
        ) o GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'files', ARRAY[alcoves_file_state(f.trashed_at, o.held_at),
                              f.library_id::text, o.kind, o.mime], sum(o.sign), 0
        FROM (
            SELECT -1 AS sign, g.id, g.kind, g.mime, g.held_at FROM gone g JOIN added a USING (id)
            WHERE (g.kind, g.mime, g.held_at IS NULL) <> (a.kind, a.mime, a.held_at IS NULL)
            UNION ALL
            SELECT 1, a.id, a.kind, a.mime, a.held_at FROM gone g JOIN added a USING (id)
            WHERE (g.kind, g.mime, g.held_at IS NULL) <> (a.kind, a.mime, a.held_at IS NULL)
        ) o JOIN media_file f ON f.original_id = o.id GROUP BY 2;
    END IF;
    RETURN NULL;
END $$
"""

# A run has ended where a row that was processing is so no more, or was claimed anew after its lease had run out.
DERIVATIVES = """
CREATE FUNCTION media_tally_derivatives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'derivatives', ARRAY[deriver, status, queue]::text[], count(*), 0 FROM added GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'made', ARRAY[o.library_id::text, d.deriver], sum(jsonb_array_length(d.outputs)),
               sum(alcoves_output_bytes(d.outputs))
        FROM added d JOIN media_original o ON o.id = d.original_id WHERE d.outputs <> '[]' GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'derivatives', ARRAY[deriver, status, queue]::text[], -count(*), 0 FROM gone GROUP BY 2;
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'made', ARRAY[o.library_id::text, d.deriver], -sum(jsonb_array_length(d.outputs)),
               -sum(alcoves_output_bytes(d.outputs))
        FROM gone d JOIN media_original o ON o.id = d.original_id WHERE d.outputs <> '[]' GROUP BY 2;
    ELSE
        WITH moved AS (
            SELECT a.deriver, g.status AS old_status, a.status, g.queue AS old_queue, a.queue, g.started_at,
                   g.original_id AS old_original, a.original_id, g.outputs AS old_outputs, a.outputs,
                   CASE WHEN g.status <> 'processing' THEN NULL
                        WHEN a.status IN ('ready', 'not_needed') THEN a.status
                        WHEN a.status = 'failed' AND a.error_code = 'cancelled' THEN 'cancelled'
                        WHEN a.status = 'failed' THEN 'failed'
                        WHEN a.lost_claims > g.lost_claims THEN 'lost'
                        WHEN a.attempts > g.attempts THEN 'retried'
                        WHEN a.deferrals > g.deferrals THEN 'deferred' END AS outcome
            FROM gone g JOIN added a USING (id)
            WHERE (g.status, g.queue, g.original_id, g.lost_claims) <> (a.status, a.queue, a.original_id, a.lost_claims)
               OR g.outputs IS DISTINCT FROM a.outputs
        )
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT topic, keys, sum(number), sum(amount) FROM (
            SELECT 'derivatives' AS topic, ARRAY[deriver, old_status, old_queue]::text[] AS keys,
                   -1::bigint AS number, 0::bigint AS amount
            FROM moved
            UNION ALL SELECT 'derivatives', ARRAY[deriver, status, queue]::text[], 1, 0 FROM moved
            UNION ALL
            SELECT 'made', ARRAY[o.library_id::text, m.deriver], -jsonb_array_length(m.old_outputs),
                   -alcoves_output_bytes(m.old_outputs)
            FROM moved m JOIN media_original o ON o.id = m.old_original WHERE m.old_outputs <> '[]'
            UNION ALL
            SELECT 'made', ARRAY[o.library_id::text, m.deriver], jsonb_array_length(m.outputs),
                   alcoves_output_bytes(m.outputs)
            FROM moved m JOIN media_original o ON o.id = m.original_id WHERE m.outputs <> '[]'
            UNION ALL
            SELECT 'ended', ARRAY[to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'), deriver, outcome],
                   1, (extract(epoch FROM clock_timestamp() - coalesce(started_at, clock_timestamp())) * 1000)::bigint
            FROM moved WHERE outcome IS NOT NULL
        ) changes GROUP BY topic, keys HAVING sum(number) <> 0 OR sum(amount) <> 0;
    END IF;
    RETURN NULL;
END $$
"""

CACHED = """
CREATE FUNCTION media_tally_cached() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'cached', ARRAY[o.library_id::text, CASE WHEN c.variants_version > 0 THEN 'variant' ELSE 'free' END],
               count(*), sum(c.size)
        FROM added c JOIN media_original o ON o.id = c.original_id GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'cached', ARRAY[o.library_id::text, CASE WHEN c.variants_version > 0 THEN 'variant' ELSE 'free' END],
               -count(*), -sum(c.size)
        FROM gone c JOIN media_original o ON o.id = c.original_id GROUP BY 2;
    ELSE
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'cached', ARRAY[o.library_id::text, CASE WHEN c.variant THEN 'variant' ELSE 'free' END],
               sum(c.sign), sum(c.sign * c.size)
        FROM (
            SELECT -1 AS sign, g.original_id, g.variants_version > 0 AS variant, g.size
            FROM gone g JOIN added a USING (id)
            WHERE (g.variants_version > 0, g.size) <> (a.variants_version > 0, a.size)
            UNION ALL
            SELECT 1, a.original_id, a.variants_version > 0, a.size
            FROM gone g JOIN added a USING (id)
            WHERE (g.variants_version > 0, g.size) <> (a.variants_version > 0, a.size)
        ) c JOIN media_original o ON o.id = c.original_id GROUP BY 2;
    END IF;
    RETURN NULL;
END $$
"""

TABLES = {
    "media_file": ("media_tally_files", FILES),
    "media_original": ("media_tally_originals", ORIGINALS),
    "media_derivative": ("media_tally_derivatives", DERIVATIVES),
    "media_cachedimage": ("media_tally_cached", CACHED),
}
TRANSITIONS = {
    "insert": "NEW TABLE AS added",
    "update": "OLD TABLE AS gone NEW TABLE AS added",
    "delete": "OLD TABLE AS gone",
}

# What is there before the triggers are.
FILLED = """
INSERT INTO media_tallychange (topic, keys, number, amount)
SELECT 'files', ARRAY[alcoves_file_state(f.trashed_at, o.held_at), f.library_id::text, o.kind, o.mime],
       count(*), 0
FROM media_file f JOIN media_original o ON o.id = f.original_id GROUP BY 2
UNION ALL
SELECT 'added', ARRAY[to_char(f.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], count(*), sum(o.size)
FROM media_file f JOIN media_original o ON o.id = f.original_id GROUP BY 2
UNION ALL
SELECT 'originals', ARRAY[library_id::text, kind], count(*), sum(size) FROM media_original GROUP BY 2
UNION ALL
SELECT 'growth', ARRAY[to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')], count(*), sum(size)
FROM media_original GROUP BY 2
UNION ALL
SELECT 'derivatives', ARRAY[deriver, status, queue]::text[], count(*), 0 FROM media_derivative GROUP BY 2
UNION ALL
SELECT 'made', ARRAY[o.library_id::text, d.deriver], sum(jsonb_array_length(d.outputs)),
       sum(alcoves_output_bytes(d.outputs))
FROM media_derivative d JOIN media_original o ON o.id = d.original_id WHERE d.outputs <> '[]' GROUP BY 2
UNION ALL
SELECT 'cached', ARRAY[o.library_id::text, CASE WHEN c.variants_version > 0 THEN 'variant' ELSE 'free' END],
       count(*), sum(c.size)
FROM media_cachedimage c JOIN media_original o ON o.id = c.original_id GROUP BY 2
"""

# The slowest of a day, without a look at its others; the oldest that waits in a queue.
SLOWEST = """
CREATE INDEX derivative_slowest_of_day ON media_derivative
    (((finished_at AT TIME ZONE 'UTC')::date), (finished_at - started_at) DESC)
    WHERE finished_at IS NOT NULL AND started_at IS NOT NULL
"""
OLDEST = "CREATE INDEX derivative_oldest_queued ON media_derivative (queue, queued_at) WHERE status = 'queued'"


def triggers():
    for table, (function, body) in TABLES.items():
        yield migrations.RunSQL(body, f"DROP FUNCTION {function}()")
        for verb, transition in TRANSITIONS.items():
            yield migrations.RunSQL(
                f"CREATE TRIGGER {function}_{verb} AFTER {verb} ON {table} REFERENCING {transition} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
                f"DROP TRIGGER {function}_{verb} ON {table}",
            )


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0019_sweep_hold'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=16)),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('number', models.BigIntegerField(default=0)),
                ('amount', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name_plural': 'tallies',
            },
        ),
        migrations.CreateModel(
            name='TallyChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(max_length=16)),
                ('keys', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('number', models.BigIntegerField(default=0)),
                ('amount', models.BigIntegerField(default=0)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddConstraint(
            model_name='tally',
            constraint=models.UniqueConstraint(fields=('topic', 'keys'), name='tally_once'),
        ),
        migrations.RunSQL(BYTES, "DROP FUNCTION alcoves_output_bytes(jsonb)"),
        migrations.RunSQL(STATE, "DROP FUNCTION alcoves_file_state(timestamptz, timestamptz)"),
        *triggers(),
        migrations.RunSQL(FILLED, migrations.RunSQL.noop),
        migrations.RunSQL(SLOWEST, "DROP INDEX derivative_slowest_of_day"),
        migrations.RunSQL(OLDEST, "DROP INDEX derivative_oldest_queued"),
    ]
