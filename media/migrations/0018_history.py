"""Every try of a job, what failures say without names and numbers, and files that operators set aside."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.text
import media.models.base
from django.conf import settings
from django.db import migrations, models

# What was said, as one sentence for all files it was said of: the line of stderr that tells of it, else the message.
FAILURE = r"""
CREATE FUNCTION alcoves_failure(message text, detail text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    line text;
    lines text[];
BEGIN
    lines := regexp_split_to_array(right(coalesce(detail, ''), 8192), E'[\\r\\n]+');
    SELECT one INTO line FROM unnest(lines) WITH ORDINALITY AS told(one, place)
        WHERE one ~* '(not found|invalid|error|fail|corrupt|could not|cannot|can''t|unsupported|denied|missing|no such)'
        ORDER BY place LIMIT 1;
    IF line IS NULL THEN
        SELECT one INTO line FROM unnest(lines) WITH ORDINALITY AS told(one, place)
            WHERE btrim(one) <> '' ORDER BY place DESC LIMIT 1;
    END IF;
    line := coalesce(nullif(btrim(line), ''), message, '');
    line := regexp_replace(line, '^(\[[^]]*\]\s*)+', '');
    line := regexp_replace(line, '"[^"]*"|''[^'']*''|`[^`]*`|\u2018[^\u2019]*\u2019|\u201c[^\u201d]*\u201d', '…', 'g');
    line := regexp_replace(line, '(file:|pipe:|https?://)?(/[^/\s:,;()]+){2,}/?', '…', 'g');
    line := regexp_replace(line, '\m[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\M', '#', 'gi');
    line := regexp_replace(line, '\m0x[0-9a-f]+\M', '#', 'gi');
    line := regexp_replace(line, '\m(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\M', '#', 'gi');
    line := regexp_replace(line, '[0-9]+([.,:][0-9]+)*', '#', 'g');
    RETURN left(btrim(regexp_replace(line, '\s+', ' ', 'g')), 200);
END
$$
"""

KEEP = """
CREATE FUNCTION alcoves_keep_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.failure := CASE WHEN NEW.status = 'failed'
        THEN alcoves_failure(NEW.error_message, NEW.error_detail) ELSE '' END;
    RETURN NEW;
END
$$
"""

# Called for rows that fail, or that have failed: the others pay for a look at two columns.
TRIGGER = """
CREATE TRIGGER derivative_failure BEFORE INSERT OR UPDATE ON media_derivative FOR EACH ROW
WHEN (NEW.status = 'failed' OR NEW.failure <> '') EXECUTE FUNCTION alcoves_keep_failure()
"""

FILL = "UPDATE media_derivative SET failure = '' WHERE status = 'failed'"


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0017_controls'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('derivative_id', models.UUIDField()),
                ('deriver', models.CharField(max_length=32)),
                ('variant', models.CharField(blank=True, default='', max_length=64)),
                ('queue', models.CharField(max_length=32)),
                ('version', models.PositiveIntegerField(help_text='which request of the row it worked for')),
                ('number', models.BigIntegerField(help_text='which claim of the row it was')),
                ('worker', models.CharField(blank=True, default='', help_text='lane@host', max_length=128)),
                ('process', models.PositiveIntegerField(blank=True, help_text='the id of its process', null=True)),
                ('queued_at', models.DateTimeField(blank=True, null=True)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField()),
                ('waited', models.FloatField(blank=True, help_text='seconds', null=True)),
                ('ran', models.FloatField(blank=True, help_text='seconds', null=True)),
                ('outcome', models.CharField(choices=[('ready', 'Ready'), ('not_needed', 'Not Needed'), ('divided', 'Divided'), ('retried', 'Retried'), ('deferred', 'Deferred'), ('failed', 'Failed'), ('released', 'Released'), ('abandoned', 'Abandoned'), ('lost', 'Lost')], max_length=16)),
                ('error_code', models.CharField(blank=True, default='', max_length=64)),
                ('error_message', models.TextField(blank=True, default='')),
                ('error_detail', models.TextField(blank=True, default='', help_text='for staff: the end of stderr')),
                ('metrics', models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.AddField(
            model_name='derivative',
            name='failure',
            field=models.TextField(blank=True, default='', editable=False, help_text='of a failed row: what was said, without names and numbers. A trigger writes it'),
        ),
        migrations.AddField(
            model_name='original',
            name='held_at',
            field=models.DateTimeField(blank=True, help_text='set aside by the operators: not worked on, and not shown', null=True),
        ),
        migrations.AddField(
            model_name='original',
            name='held_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='original',
            name='held_reason',
            field=models.CharField(blank=True, default='', max_length=500),
        ),
        migrations.RunSQL(FAILURE, "DROP FUNCTION alcoves_failure(text, text)"),
        migrations.RunSQL(KEEP, "DROP FUNCTION alcoves_keep_failure()"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER derivative_failure ON media_derivative"),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='derivative',
            index=models.Index(condition=models.Q(('parent__isnull', True), ('status', 'failed')), fields=['failure', 'error_code', 'deriver', 'finished_at', 'original', 'id'], name='derivative_by_failure'),
        ),
        migrations.AddIndex(
            model_name='derivative',
            index=models.Index(condition=models.Q(('error_code', ''), _negated=True), fields=['error_code', 'id'], name='derivative_by_error_code'),
        ),
        migrations.AddIndex(
            model_name='original',
            index=models.Index(condition=models.Q(('held_at__isnull', False)), fields=['-held_at'], name='original_held'),
        ),
        migrations.AddConstraint(
            model_name='original',
            constraint=models.CheckConstraint(condition=models.Q(('held_at__isnull', True), models.Q(('held_reason', ''), _negated=True), _connector='OR'), name='original_held_for_a_reason'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='original',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='media.original'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['original', '-id'], name='attempt_by_original'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['outcome', '-id'], name='attempt_by_outcome'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['deriver', '-id'], name='attempt_by_deriver'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(fields=['worker', '-id'], name='attempt_by_worker'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('error_message'), name='gin_trgm_ops'), django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('error_detail'), name='gin_trgm_ops'), condition=models.Q(('error_code', ''), _negated=True), name='attempt_by_error_text'),
        ),
        migrations.AddConstraint(
            model_name='attempt',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['ready', 'not_needed', 'divided', 'retried', 'deferred', 'failed', 'released', 'abandoned', 'lost'])), name='attempt_outcome_known'),
        ),
    ]
