"""Postgres keeps statistics of an expression for whole indexes only, and those of folders and moments are partial.

Without, it takes every word for a rare one, and a search for one that all names have reads all of them.
"""

from django.db import migrations

TABLES = ("media_folder", "media_moment")


class Migration(migrations.Migration):
    dependencies = [("media", "0022_kept_audit")]

    operations = [
        migrations.RunSQL(
            f"CREATE STATISTICS {table}_words ON (alcoves_plain(name)) FROM {table}",
            f"DROP STATISTICS {table}_words",
        )
        for table in TABLES
    ]
