"""Failures that operators leave at that: when, how many by deriver, and forgotten when they are queued again."""

from django.db import migrations, models

# As it was, and a row that is wanted anew is no failure that anybody has accepted.
KEEP = """
CREATE OR REPLACE FUNCTION alcoves_keep_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'failed' THEN
        NEW.failure := alcoves_failure(NEW.error_message, NEW.error_detail);
    ELSE
        NEW.failure := '';
        NEW.accepted_at := NULL;
    END IF;
    RETURN NEW;
END
$$
"""
KEPT = """
CREATE OR REPLACE FUNCTION alcoves_keep_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.failure := CASE WHEN NEW.status = 'failed'
        THEN alcoves_failure(NEW.error_message, NEW.error_detail) ELSE '' END;
    RETURN NEW;
END
$$
"""
TRIGGER = """
CREATE TRIGGER derivative_failure BEFORE INSERT OR UPDATE ON media_derivative FOR EACH ROW
WHEN (NEW.status = 'failed' OR NEW.failure <> ''{}) EXECUTE FUNCTION alcoves_keep_failure()
"""
DROP = "DROP TRIGGER derivative_failure ON media_derivative"

# A row at a time: few are ever accepted, and the others pay for a look at one column.
COUNT = """
CREATE FUNCTION media_tally_accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.accepted_at IS NOT NULL THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        VALUES ('accepted', ARRAY[OLD.deriver]::text[], -1, 0);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.accepted_at IS NOT NULL THEN
        INSERT INTO media_tallychange (topic, keys, number, amount)
        VALUES ('accepted', ARRAY[NEW.deriver]::text[], 1, 0);
    END IF;
    RETURN NULL;
END
$$
"""
WHEN = {
    "insert": "NEW.accepted_at IS NOT NULL",
    "update": "(OLD.accepted_at IS NULL) <> (NEW.accepted_at IS NULL)",
    "delete": "OLD.accepted_at IS NOT NULL",
}


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0027_stopped_acts'),
    ]

    operations = [
        migrations.AddField(
            model_name='derivative',
            name='accepted_at',
            field=models.DateTimeField(blank=True, help_text='of a failed row: operators leave it at that. A trigger forgets it when the row is queued again', null=True),
        ),
        migrations.AddIndex(
            model_name='derivative',
            index=models.Index(condition=models.Q(('accepted_at__isnull', True), ('parent__isnull', True), ('status', 'failed')), fields=['deriver', 'failure', 'error_code', 'finished_at', 'original', 'id'], name='derivative_by_trouble'),
        ),
        migrations.AddIndex(
            model_name='derivative',
            index=models.Index(condition=models.Q(('accepted_at__isnull', False)), fields=['-id'], name='derivative_list_accepted'),
        ),
        migrations.AddIndex(
            model_name='derivative',
            index=models.Index(condition=models.Q(('accepted_at__isnull', False)), fields=['finished_at', 'deriver'], name='derivative_accepted_lately'),
        ),
        migrations.AddConstraint(
            model_name='derivative',
            constraint=models.CheckConstraint(condition=models.Q(('accepted_at__isnull', True), ('status', 'failed'), _connector='OR'), name='derivative_accepted_is_failed'),
        ),
        migrations.RunSQL(KEEP, KEPT),
        migrations.RunSQL(DROP, TRIGGER.format("")),
        migrations.RunSQL(TRIGGER.format(" OR NEW.accepted_at IS NOT NULL"), DROP),
        migrations.RunSQL(COUNT, "DROP FUNCTION media_tally_accepted()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER media_tally_accepted_{verb} AFTER {verb} ON media_derivative "
                f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION media_tally_accepted()",
                f"DROP TRIGGER media_tally_accepted_{verb} ON media_derivative",
            )
            for verb, when in WHEN.items()
        ),
    ]
