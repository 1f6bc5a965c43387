"""Fingerprints and pairs of pictures that are nearly the same; an index for each length of vectors in use."""

import django.db.models.deletion
import media.models.base
from django.db import migrations, models

LENGTHS = (512, 640, 768, 1024, 1152)
"""Of the models of the registry, and of the usual families beside them. Others are compared one by one."""

INDEX = (
    "CREATE INDEX embedding_nearest_{0} ON ml_pictureembedding USING hnsw "
    "((embedding::halfvec({0})) halfvec_cosine_ops) WITH (m = 16, ef_construction = 64) "
    "WHERE vector_dims(embedding) = {0}"
)
DROP = "DROP INDEX embedding_nearest_{0}"


class Migration(migrations.Migration):

    dependencies = [
        ('ml', '0004_search'),
    ]

    operations = [
        migrations.CreateModel(
            name='SimilarPair',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('distance', models.FloatField(help_text='cosine, of the embeddings')),
                ('bits', models.PositiveSmallIntegerField(help_text='in which the fingerprints differ, of 64')),
            ],
        ),
        migrations.AddField(
            model_name='pictureembedding',
            name='fingerprint',
            field=models.BigIntegerField(blank=True, help_text='64 bits of a perceptual hash; of pictures only', null=True),
        ),
        migrations.AddIndex(
            model_name='pictureembedding',
            index=models.Index(fields=['library', 'model'], name='embedding_by_library'),
        ),
        migrations.AddField(
            model_name='similarpair',
            name='first',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='later_twins', to='ml.pictureembedding'),
        ),
        migrations.AddField(
            model_name='similarpair',
            name='library',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='media.library'),
        ),
        migrations.AddField(
            model_name='similarpair',
            name='second',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='earlier_twins', to='ml.pictureembedding'),
        ),
        migrations.AddIndex(
            model_name='similarpair',
            index=models.Index(fields=['library', '-second'], name='similar_pair_newest'),
        ),
        migrations.AddConstraint(
            model_name='similarpair',
            constraint=models.UniqueConstraint(fields=('first', 'second'), name='similar_pair_once'),
        ),
        migrations.AddConstraint(
            model_name='similarpair',
            constraint=models.CheckConstraint(condition=models.Q(('first__lt', models.F('second'))), name='similar_pair_in_one_order'),
        ),
        *(migrations.RunSQL(INDEX.format(length), DROP.format(length)) for length in LENGTHS),
    ]
