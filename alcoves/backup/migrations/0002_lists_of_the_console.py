"""Indexes for each filter and search of the console: findings may be as many as there are blobs."""

import django.contrib.postgres.indexes
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('backup', '0001_backups'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("media", "0014_plain_words"),
    ]

    operations = [
        migrations.AlterField(
            model_name='finding',
            name='derivative',
            field=models.UUIDField(blank=True, db_index=True, null=True),
        ),
        migrations.AlterField(
            model_name='finding',
            name='original',
            field=models.UUIDField(blank=True, db_index=True, null=True),
        ),
        migrations.AddIndex(
            model_name='backup',
            index=models.Index(fields=['state', '-id'], name='backup_list_by_state'),
        ),
        migrations.AddIndex(
            model_name='backup',
            index=models.Index(fields=['blobs', '-id'], name='backup_list_by_blobs'),
        ),
        migrations.AddIndex(
            model_name='backup',
            index=models.Index(fields=['scheduled', '-id'], name='backup_list_by_scheduled'),
        ),
        migrations.AddIndex(
            model_name='backup',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.Func(models.F('name'), function='alcoves_plain', output_field=models.TextField()), name='gin_trgm_ops'), fastupdate=False, name='backup_words'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['state', '-id'], name='finding_list_by_state'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['kind', '-id'], name='finding_list_by_kind'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['what', '-id'], name='finding_list_by_what'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['store', '-id'], name='finding_list_by_store'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.indexes.OpClass(models.Func(models.F('key'), function='alcoves_plain', output_field=models.TextField()), name='gin_trgm_ops'), fastupdate=False, name='finding_words'),
        ),
        migrations.AddIndex(
            model_name='look',
            index=models.Index(fields=['state', '-id'], name='look_by_state'),
        ),
        migrations.AddIndex(
            model_name='look',
            index=models.Index(fields=['nightly', '-id'], name='look_by_nightly'),
        ),
        migrations.AddIndex(
            model_name='look',
            index=models.Index(fields=['deep', '-id'], name='look_by_deep'),
        ),
    ]
