"""Searches among what jobs said read words as those of names do, and Postgres knows how common each is.

The index is partial, and of those no statistics are kept.
"""

from django.db import migrations, models

from media.models.plain import words_of


class Migration(migrations.Migration):
    dependencies = [("media", "0023_words_of_names")]

    operations = [
        migrations.RemoveIndex(model_name="attempt", name="attempt_by_error_text"),
        migrations.AddIndex(
            model_name="attempt",
            index=words_of(
                "error_message",
                "error_detail",
                condition=~models.Q(error_code=""),
                name="attempt_by_words_said",
            ),
        ),
        *(
            migrations.RunSQL(
                f"CREATE STATISTICS media_attempt_{column} ON (alcoves_plain({column})) FROM media_attempt",
                f"DROP STATISTICS media_attempt_{column}",
            )
            for column in ("error_message", "error_detail")
        ),
    ]
