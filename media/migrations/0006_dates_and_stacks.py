"""Files that are there get their effective date; a stack and its members are always of the same library."""

from django.db import migrations

DATES = (
    "UPDATE media_file SET effective_at = COALESCE(o.captured_at, client_modified_at, media_file.created_at) "
    "FROM media_original o WHERE o.id = media_file.original_id"
)


class Migration(migrations.Migration):
    dependencies = [("media", "0005_pictures")]

    operations = [
        migrations.RunSQL(DATES, migrations.RunSQL.noop),
        migrations.RunSQL(
            "ALTER TABLE media_stack ADD CONSTRAINT media_stack_library_key UNIQUE (library_id, id)",
            "ALTER TABLE media_stack DROP CONSTRAINT media_stack_library_key",
        ),
        migrations.RunSQL(
            "ALTER TABLE media_file ADD CONSTRAINT file_stack_same_library FOREIGN KEY (library_id, stack_id) "
            "REFERENCES media_stack (library_id, id) DEFERRABLE INITIALLY DEFERRED",
            "ALTER TABLE media_file DROP CONSTRAINT file_stack_same_library",
        ),
    ]
