"""Folders are counted as files are (`media.models.tally`); what an original grows or shrinks by counts as growth."""

from importlib import import_module

from django.db import migrations

OF_FOLDERS = """
CREATE FUNCTION media_tally_folders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'folders', ARRAY[CASE WHEN trashed_at IS NULL THEN 'live' ELSE 'trashed' END, library_id::text],
               count(*), 0
        FROM added GROUP BY 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'folders', ARRAY[CASE WHEN trashed_at IS NULL THEN 'live' ELSE 'trashed' END, library_id::text],
               -count(*), 0
        FROM gone GROUP BY 2;
    ELSE
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'folders', ARRAY[CASE WHEN f.live THEN 'live' ELSE 'trashed' END, f.library_id::text], sum(f.sign), 0
        FROM (
            SELECT unnest(ARRAY[-1, 1]) AS sign,
                   unnest(ARRAY[g.trashed_at IS NULL, a.trashed_at IS NULL]) AS live,
                   unnest(ARRAY[g.library_id, a.library_id]) AS library_id
            FROM gone g JOIN added a USING (id)
            WHERE (g.trashed_at IS NULL, g.library_id) <> (a.trashed_at IS NULL, a.library_id)
        ) f GROUP BY 2 HAVING sum(f.sign) <> 0;
    END IF;
    RETURN NULL;
END $$
"""
TRANSITIONS = {
    "insert": "NEW TABLE AS added",
    "update": "OLD TABLE AS gone NEW TABLE AS added",
    "delete": "OLD TABLE AS gone",
}
FILLED = """
INSERT INTO media_tallychange (topic, keys, number, amount)
SELECT 'folders', ARRAY[CASE WHEN trashed_at IS NULL THEN 'live' ELSE 'trashed' END, library_id::text], count(*), 0
FROM media_folder GROUP BY 2
"""
GROWN = """
        INSERT INTO media_tallychange (topic, keys, number, amount)
        SELECT 'growth', ARRAY[to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')], 0, sum(a.size - g.size)
        FROM gone g JOIN added a USING (id) WHERE g.size <> a.size HAVING sum(a.size - g.size) <> 0;
    END IF;
    RETURN NULL;
"""

earlier = import_module("media.migrations.0020_tallies").ORIGINALS
before = earlier.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
head, _, tail = before.rpartition("    END IF;\n    RETURN NULL;\n")
OF_ORIGINALS = head + GROWN.lstrip("\n") + tail


class Migration(migrations.Migration):
    dependencies = [("media", "0024_words_of_attempts")]

    operations = [
        migrations.RunSQL(OF_FOLDERS, "DROP FUNCTION media_tally_folders()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER media_tally_folders_{verb} AFTER {verb} ON media_folder REFERENCING {transition} "
                "FOR EACH STATEMENT EXECUTE FUNCTION media_tally_folders()",
                f"DROP TRIGGER media_tally_folders_{verb} ON media_folder",
            )
            for verb, transition in TRANSITIONS.items()
        ),
        migrations.RunSQL(FILLED, "DELETE FROM media_tallychange WHERE topic = 'folders'"),
        migrations.RunSQL(OF_ORIGINALS, before),
    ]
