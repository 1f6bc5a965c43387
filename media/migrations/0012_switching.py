import django.db.models.deletion
import media.models.base
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('media', '0011_semantic'),
    ]

    operations = [
        migrations.CreateModel(
            name='Switching',
            fields=[
                ('id', models.UUIDField(default=media.models.base.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('switch', models.CharField(max_length=16)),
                ('on', models.BooleanField()),
                ('after', models.UUIDField(blank=True, help_text='the original up to which it has followed', null=True)),
                ('done', models.PositiveIntegerField(default=0, help_text='originals')),
                ('total', models.PositiveIntegerField(default=0, help_text='originals, when it was turned')),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='switchings', to='media.library')),
            ],
            options={
                'ordering': ('switch',),
                'constraints': [models.UniqueConstraint(fields=('library', 'switch'), name='switching_once_at_a_time'), models.CheckConstraint(condition=models.Q(('switch__in', ('faces', 'objects', 'audio_events', 'transcripts', 'semantic', 'sharing'))), name='switching_of_a_known_switch')],
            },
        ),
    ]
