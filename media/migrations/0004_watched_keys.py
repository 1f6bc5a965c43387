"""A key whose link may still be alive is deleted once more when the link has died."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0003_search_by_name")]

    operations = [
        migrations.AddField(
            "unnamedblob",
            "watched_until",
            models.DateTimeField(
                blank=True,
                help_text="deleted at due_at, and once more then: a link to it may still be alive",
                null=True,
            ),
        )
    ]
