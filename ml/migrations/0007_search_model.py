"""Which model answers searches while another one looks at all; pairs know whose embeddings they compare."""

import media.models.base
from django.db import migrations, models

MODELS_OF_PAIRS = """
UPDATE ml_similarpair p SET model = e.model FROM ml_pictureembedding e WHERE e.id = p.first_id
"""


class Migration(migrations.Migration):

    dependencies = [
        ("ml", "0006_plain_words"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchModel",
            fields=[
                ("id", models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("pipeline", models.CharField(default="search", max_length=16, unique=True)),
                ("model", models.CharField(help_text="answers searches", max_length=64)),
                ("before", models.CharField(blank=True, default="", help_text="answered before; its vectors are kept", max_length=64)),
                ("following", models.CharField(blank=True, default="", help_text="looks at all; empty: none", max_length=64)),
                ("left", models.PositiveIntegerField(default=0, help_text="originals that it has not seen")),
                ("total", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.RemoveIndex(model_name="similarpair", name="similar_pair_newest"),
        migrations.AddField(
            model_name="similarpair",
            name="model",
            field=models.CharField(default="", help_text="of both embeddings", max_length=64),
            preserve_default=False,
        ),
        migrations.RunSQL(MODELS_OF_PAIRS, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="similarpair",
            index=models.Index(fields=["library", "model", "-second"], name="similar_pair_newest"),
        ),
    ]
