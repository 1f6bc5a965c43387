"""An index by which files of the same bytes are found in a library."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("media", "0014_plain_words")]

    operations = [
        migrations.AddIndex(
            model_name="file",
            index=models.Index(
                condition=Q(trashed_at__isnull=True),
                fields=["library", "original"],
                name="file_live_by_original",
            ),
        ),
    ]
