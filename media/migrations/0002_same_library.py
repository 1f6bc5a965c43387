"""A folder's parent, a file's folder and a file's original are always of the same library: the database says so.

Django has no composite foreign keys of this kind, so they are plain SQL, deferrable like Django's own.
"""

from django.db import migrations

KEYS = (
    ("media_folder", "folder_parent_same_library", "parent_id", "media_folder"),
    ("media_file", "file_folder_same_library", "folder_id", "media_folder"),
    ("media_file", "file_original_same_library", "original_id", "media_original"),
)

UNIQUE = "ALTER TABLE {0} ADD CONSTRAINT {0}_library_key UNIQUE (library_id, id)"
FOREIGN = (
    "ALTER TABLE {0} ADD CONSTRAINT {1} FOREIGN KEY (library_id, {2}) REFERENCES {3} (library_id, id) "
    "DEFERRABLE INITIALLY DEFERRED"
)
DROP = "ALTER TABLE {0} DROP CONSTRAINT {1}"


class Migration(migrations.Migration):
    dependencies = [("media", "0001_initial")]

    operations = [
        *(
            migrations.RunSQL(UNIQUE.format(table), DROP.format(table, f"{table}_library_key"))
            for table in ("media_folder", "media_original")
        ),
        *(
            migrations.RunSQL(FOREIGN.format(table, name, column, target), DROP.format(table, name))
            for table, name, column, target in KEYS
        ),
    ]
