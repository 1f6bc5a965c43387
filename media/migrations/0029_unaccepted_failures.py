"""What failed and nobody has accepted, by its code; and how states and codes go together.

Without the second Postgres takes them for independent, expects a seventh of the rows, and reads all of them to sort.
"""

from django.db import migrations, models

STATISTICS = (
    "CREATE STATISTICS media_derivative_outcome (mcv) ON status, error_code FROM media_derivative",
    "DROP STATISTICS media_derivative_outcome",
)


class Migration(migrations.Migration):
    dependencies = [("media", "0028_accepted_failures")]

    operations = [
        migrations.AddIndex(
            model_name="derivative",
            index=models.Index(
                condition=models.Q(("accepted_at__isnull", True), ("status", "failed")),
                fields=["error_code", "id"],
                name="derivative_unaccepted",
            ),
        ),
        migrations.RunSQL(*STATISTICS),
    ]
