"""Backups, looks at blobs, findings, maintenance."""

import django.db.models.deletion
import django.db.models.functions.datetime
import media.models.base
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('kind', models.CharField(choices=[('missing', 'Missing'), ('altered', 'Altered'), ('orphaned', 'Orphaned')], max_length=16)),
                ('what', models.CharField(choices=[('original', 'Original'), ('output', 'Output'), ('avatar', 'Avatar'), ('blob', 'Blob')], max_length=16)),
                ('state', models.CharField(choices=[('open', 'Open'), ('repairing', 'Repairing'), ('repaired', 'Repaired'), ('ignored', 'Ignored')], default='open', max_length=16)),
                ('store', models.CharField(max_length=32)),
                ('key', models.CharField(max_length=512)),
                ('library', models.UUIDField(blank=True, null=True)),
                ('original', models.UUIDField(blank=True, null=True)),
                ('derivative', models.UUIDField(blank=True, null=True)),
                ('size_expected', models.BigIntegerField(blank=True, null=True)),
                ('size_found', models.BigIntegerField(blank=True, null=True)),
                ('sha256_expected', models.CharField(blank=True, default='', max_length=64)),
                ('sha256_found', models.CharField(blank=True, default='', max_length=64)),
                ('text', models.TextField(blank=True, default='', help_text='what became of a repair')),
                ('seen_at', models.DateTimeField(help_text='when it was last so')),
                ('repaired_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['state', 'kind', '-id'], name='finding_by_state')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('open', 'repairing'))), fields=('store', 'key'), name='finding_open_once')],
            },
        ),
        migrations.CreateModel(
            name='Maintenance',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('on', models.BooleanField(default=False)),
                ('reason', models.CharField(blank=True, default='', max_length=500)),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('by', models.CharField(blank=True, default='', max_length=254)),
            ],
            options={
                'verbose_name_plural': 'maintenance',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='maintenance_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='Backup',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('killed', 'Killed')], default='queued', max_length=16)),
                ('phase', models.CharField(blank=True, default='', max_length=16)),
                ('position', models.JSONField(blank=True, default=dict)),
                ('done_bytes', models.BigIntegerField(default=0)),
                ('total_bytes', models.BigIntegerField(default=0)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('alive_at', models.DateTimeField(blank=True, null=True)),
                ('holder', models.CharField(blank=True, default='', help_text='the process that does it now', max_length=64)),
                ('error', models.TextField(blank=True, default='')),
                ('name', models.CharField(help_text='the folder under sets/', max_length=40, unique=True)),
                ('target', models.CharField(max_length=255)),
                ('blobs', models.CharField(default='originals', max_length=16)),
                ('encrypted', models.BooleanField(default=False)),
                ('scheduled', models.BooleanField(default=False)),
                ('size', models.BigIntegerField(default=0, help_text='bytes of its parts, without blobs')),
                ('files', models.BigIntegerField(default=0, help_text='blobs that its manifest names')),
                ('files_size', models.BigIntegerField(default=0)),
                ('sent', models.BigIntegerField(default=0, help_text='blobs that the target did not have yet')),
                ('sent_size', models.BigIntegerField(default=0)),
                ('missing', models.BigIntegerField(default=0, help_text='blobs that were not in the store')),
                ('verified_at', models.DateTimeField(blank=True, null=True)),
                ('pruned_at', models.DateTimeField(blank=True, null=True)),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['state', '-started_at'], name='backup_by_state')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'running')), fields=('state',), name='one_backup_runs'), models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'done', 'failed', 'killed'])), name='backup_state_known'), models.CheckConstraint(condition=models.Q(('blobs__in', ('none', 'originals', 'all'))), name='backup_blobs_known')],
            },
        ),
        migrations.CreateModel(
            name='Look',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('state', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('killed', 'Killed')], default='queued', max_length=16)),
                ('phase', models.CharField(blank=True, default='', max_length=16)),
                ('position', models.JSONField(blank=True, default=dict)),
                ('done_bytes', models.BigIntegerField(default=0)),
                ('total_bytes', models.BigIntegerField(default=0)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('alive_at', models.DateTimeField(blank=True, null=True)),
                ('holder', models.CharField(blank=True, default='', help_text='the process that does it now', max_length=64)),
                ('error', models.TextField(blank=True, default='')),
                ('nightly', models.BooleanField(default=False)),
                ('deep', models.BooleanField(default=False)),
                ('repair', models.BooleanField(default=False)),
                ('library', models.UUIDField(blank=True, null=True)),
                ('looked', models.BigIntegerField(default=0)),
                ('found', models.BigIntegerField(default=0)),
                ('repaired', models.BigIntegerField(default=0)),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'look at blobs',
                'verbose_name_plural': 'looks at blobs',
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'running')), fields=('state',), name='one_look_runs')],
            },
        ),
    ]
