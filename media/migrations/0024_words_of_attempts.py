"""How common the words are that were said: the index of them is partial, and of those no statistics are kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("media", "0023_words_of_names"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("error_code", ""), _negated=True), fields=["-id"], name="attempt_not_well"
            ),
        ),
        *(
            migrations.RunSQL(
                f"CREATE STATISTICS media_attempt_{column} ON (upper({column})) FROM media_attempt",
                f"DROP STATISTICS media_attempt_{column}",
            )
            for column in ("error_message", "error_detail")
        ),
    ]
