"""Holds for the sweeper."""

from django.db import migrations, models

import media.models.base


class Migration(migrations.Migration):
    dependencies = (("media", "0018_history"),)

    operations = (
        migrations.CreateModel(
            name="SweepHold",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("store", models.CharField(max_length=32)),
                ("reason", models.CharField(help_text="who holds, like backup", max_length=64)),
                ("until", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("store", "reason"), name="sweep_hold_once")],
            },
        ),
    )
