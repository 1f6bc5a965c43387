"""Recordings may have a cover, or a poster that a person has uploaded: their sizes are made ahead, too."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0009_moments_and_parts'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='original',
            name='original_to_be_warmed',
        ),
        migrations.AddIndex(
            model_name='original',
            index=models.Index(models.F('warmed_version'), models.OrderBy(models.F('warm_claimed_at'), nulls_first=True), models.F('id'), condition=models.Q(('sha256__isnull', False), models.Q(('kind__in', ('image', 'video', 'audio')), ('mime__in', ['application/pdf']), _connector='OR')), name='original_to_be_warmed'),
        ),
    ]
