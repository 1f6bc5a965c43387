"""How a trouble ended of which nobody knows that it is well."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0002_lists_of_the_console'),
    ]

    operations = [
        migrations.AddField(
            model_name='alert',
            name='ending',
            field=models.CharField(blank=True, default='', help_text='why it is watched no longer, where nobody has seen that it is well', max_length=200),
        ),
    ]
