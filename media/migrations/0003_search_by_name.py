"""Indexes for what lists really ask: a part of a name, and the trash in order of names.

pg_trgm comes with Postgres. It is a trusted extension: the owner of the database may add it.
"""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models
from django.db.models.functions import Lower, Upper


class Migration(migrations.Migration):
    dependencies = [("media", "0002_same_library")]

    operations = [
        TrigramExtension(),
        migrations.AddIndex(
            model_name="file",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(Upper("name"), name="gin_trgm_ops"),
                condition=models.Q(("trashed_at__isnull", True)),
                fastupdate=False,
                name="file_live_by_part_of_name",
            ),
        ),
        migrations.RemoveIndex(model_name="file", name="file_trashed"),
        migrations.AddIndex(
            model_name="file",
            index=models.Index(
                models.F("library"),
                Lower("name"),
                models.F("id"),
                condition=models.Q(("trashed_at__isnull", False)),
                name="file_trashed_by_name",
            ),
        ),
    ]
