r"""Indexes over words as a search compares them: capitals without accents, one blank for whatever stands between them.

`alcoves_plain` is immutable because it uses nothing but what comes with Postgres; whoever changes it has to build these
indexes anew, and those of ml. It calls no function of ours: a restored backup builds the indexes before it knows in
which schema they are. `ml.search.plain` does the same to what people type.

The extension `unaccent` is not used: its function is not immutable, its rules are a file of the server, and a
database elsewhere may not have it. NFKD takes apart what Unicode takes apart; a handful of letters are named.

    'Café_im-Æther.jpg'  ->  ' CAFE IM AETHER JPG '          '北京2024.jpg'  ->  ' 北 京 2024 JPG '

Blanks around each word make its beginning a trigram (` CA`): so words of two letters are found by the index too.
"""

import django.contrib.postgres.indexes
from django.db import migrations, models

UNSPACED = r"([\u0E00-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uAC00-\uD7A3\uF900-\uFAFF])"
TAKEN_APART = r"normalize(regexp_replace(normalize(body, NFKD), '[\u0300-\u036F]+', '', 'g'), NFC)"
SPELLED = f"""replace(replace(replace(
                translate(upper({TAKEN_APART}), 'ØŁĐĦŦÐẞ', 'OLDHTDß'), 'ß', 'SS'), 'Æ', 'AE'), 'Œ', 'OE')"""
SEPARATORS = r"""[][\s_.,;:(){}/''"+&\u2000-\u206F\u3000-\u303F«»-]+"""

PLAIN = f"""
CREATE FUNCTION alcoves_plain(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ' ' || btrim(regexp_replace(
        CASE WHEN octet_length(body) = length(body) THEN upper(body)
            ELSE regexp_replace({SPELLED}, '{UNSPACED}', ' \\1 ', 'g') END,
        '{SEPARATORS}', ' ', 'g')) || ' '
$$
"""


def plain(column):
    if isinstance(column, str):
        column = models.F(column)
    return models.Func(column, function="alcoves_plain", output_field=models.TextField())


def text_of(function, *columns):
    fields = (models.F(column) for column in columns)
    return models.Func(*fields, function=function, output_field=models.TextField())


def words_of(*columns, condition=None, name):
    operators = [
        django.contrib.postgres.indexes.OpClass(plain(column), name="gin_trgm_ops") for column in columns
    ]
    options = {"condition": condition} if condition is not None else {}
    return django.contrib.postgres.indexes.GinIndex(*operators, fastupdate=False, name=name, **options)


LIVE = models.Q(("trashed_at__isnull", True))


class Migration(migrations.Migration):
    dependencies = [("media", "0013_search")]

    operations = [
        migrations.RunSQL(PLAIN, "DROP FUNCTION alcoves_plain(text)"),
        # Kept beside it: where a word is in every name (`IMG`), making all names plain anew cost more than all the rest.
        migrations.AddField(
            "file",
            "plain_name",
            models.GeneratedField(
                expression=plain("name"),
                output_field=models.TextField(),
                db_persist=True,
                help_text="the name as a search compares it",
            ),
        ),
        migrations.AddIndex(
            "file",
            django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass("plain_name", name="gin_trgm_ops"),
                fastupdate=False,
                condition=LIVE,
                name="file_live_by_words_of_name",
            ),
        ),
        migrations.RemoveIndex("original", "original_by_part_of_words"),
        migrations.AddIndex(
            "original",
            words_of(
                "title",
                "caption",
                text_of("alcoves_joined", "keywords"),
                text_of("alcoves_camera", "camera_make", "camera_model"),
                "lens",
                text_of("alcoves_place", "probe"),
                name="original_by_words",
            ),
        ),
        migrations.RemoveIndex("folder", "folder_live_by_part_of_name"),
        migrations.AddIndex("folder", words_of("name", condition=LIVE, name="folder_live_by_words_of_name")),
        migrations.RemoveIndex("moment", "moment_live_by_part_of_name"),
        migrations.AddIndex("moment", words_of("name", condition=LIVE, name="moment_live_by_words_of_name")),
        migrations.RemoveIndex("tag", "tag_by_part_of_name"),
        migrations.AddIndex("tag", words_of("name", name="tag_by_words_of_name")),
    ]
