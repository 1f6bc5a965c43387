"""Indexes for a search over all that is written about files: parts of words, and slips of the finger, by trigrams.

The functions read several columns as one text. They are immutable because they depend on nothing but what they are given;
whoever changes one has to build the index anew.
"""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models

JOINED = """
CREATE FUNCTION alcoves_joined(words text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_string(words, E'\\n')
$$
"""

# Many cameras repeat their maker in the name of the model.
CAMERA = """
CREATE FUNCTION alcoves_camera(make text, model text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN make = '' OR starts_with(lower(model), lower(split_part(make, ' ', 1))) THEN model
        ELSE btrim(make || ' ' || model)
    END
$$
"""

# What IPTC and XMP say in words. A time zone is no place: its name is that of one city, and it is as wide as a country.
PLACE = """
CREATE FUNCTION alcoves_place(probe jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT concat_ws(E'\\n',
        probe #>> '{raw,iptc,sublocation}', probe #>> '{raw,xmp,Iptc4xmpCore:Location}',
        probe #>> '{raw,iptc,city}', probe #>> '{raw,xmp,photoshop:City}',
        probe #>> '{raw,iptc,province}', probe #>> '{raw,xmp,photoshop:State}',
        probe #>> '{raw,iptc,country}', probe #>> '{raw,xmp,photoshop:Country}')
$$
"""


def part_of(*columns, condition=None, name):
    operators = [django.contrib.postgres.indexes.OpClass(column, name="gin_trgm_ops") for column in columns]
    options = {"condition": condition} if condition is not None else {}
    return django.contrib.postgres.indexes.GinIndex(*operators, fastupdate=False, name=name, **options)


def upper(column):
    return django.db.models.functions.text.Upper(column)


def text_of(function, *columns):
    fields = (models.F(column) for column in columns)
    return upper(models.Func(*fields, function=function, output_field=models.TextField()))


class Migration(migrations.Migration):
    dependencies = [("media", "0012_switching")]

    operations = [
        migrations.RunSQL(JOINED, "DROP FUNCTION alcoves_joined(text[])"),
        migrations.RunSQL(CAMERA, "DROP FUNCTION alcoves_camera(text, text)"),
        migrations.RunSQL(PLACE, "DROP FUNCTION alcoves_place(jsonb)"),
        migrations.AddIndex(
            model_name="original",
            index=part_of(
                upper("title"),
                upper("caption"),
                text_of("alcoves_joined", "keywords"),
                text_of("alcoves_camera", "camera_make", "camera_model"),
                upper("lens"),
                text_of("alcoves_place", "probe"),
                name="original_by_part_of_words",
            ),
        ),
        migrations.AddIndex(
            model_name="folder",
            index=part_of(
                upper("name"),
                condition=models.Q(("trashed_at__isnull", True)),
                name="folder_live_by_part_of_name",
            ),
        ),
        migrations.AddIndex(
            model_name="moment",
            index=part_of(
                upper("name"),
                condition=models.Q(("trashed_at__isnull", True)),
                name="moment_live_by_part_of_name",
            ),
        ),
        migrations.AddIndex(model_name="tag", index=part_of(upper("name"), name="tag_by_part_of_name")),
    ]
