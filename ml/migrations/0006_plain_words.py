"""Names of people and transcripts as a search compares them: without accents too.

What is said is kept under both spellings: the rules of a language know its words by their accents, and people leave
them out. Characters of scripts without blanks count as words in every language, not only in their own.
"""

import importlib

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

before = importlib.import_module("ml.migrations.0004_search")
UNSPACED = importlib.import_module("media.migrations.0014_plain_words").UNSPACED

FAMILY = f"""CASE
        {" ".join(f"WHEN {before.CODE} = '{code}' THEN '{name}'" for code, name in before.CONFIGURED.items())}
        ELSE 'simple'
    END"""
SPACED = f"""regexp_replace(body, '{UNSPACED}', ' \\1 ', 'g')"""
UNMARKED = r"normalize(regexp_replace(normalize(spaced, NFD), '([A-Za-z])[\u0300-\u036F]+', '\1', 'g'), NFC)"
UNACCENTED = f"""replace(replace(replace(
                translate({UNMARKED}, 'øØłŁđĐħĦŧŦðÐẞÆŒ', 'oOlLdDhHtTdDßæœ'), 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')"""

REPLACE_FAMILY = before.CREATE_FAMILY.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
REPLACE_SPACED = before.CREATE_SPACED.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
REPLACE_WORDS = before.CREATE_WORDS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")

# What is all ASCII, as most English is, needs neither. Its cost is told, so that no plan reads all transcripts, or
# those of a whole page, instead of the index.
FAMILY_NOW = f"""
CREATE OR REPLACE FUNCTION alcoves_family(language text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {FAMILY}
$$
"""
SPACED_NOW = f"""
CREATE OR REPLACE FUNCTION alcoves_spaced(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {SPACED}
$$
"""
WORDS_NOW = f"""
CREATE OR REPLACE FUNCTION alcoves_words(language text, body text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE
COST 100000 AS $$
DECLARE
    rules regconfig := ('pg_catalog.' || {FAMILY})::regconfig;
    spaced text := body;
    unaccented text := body;
BEGIN
    IF octet_length(body) <> length(body) THEN
        spaced := {SPACED};
        unaccented := {UNACCENTED};
    END IF;
    IF unaccented = spaced THEN
        RETURN to_tsvector(rules, spaced);
    END IF;
    RETURN to_tsvector(rules, spaced) || to_tsvector(rules, unaccented);
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN to_tsvector(rules, left(spaced, 125000)) || to_tsvector(rules, left(unaccented, 125000));
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("ml", "0005_similar"), ("media", "0014_plain_words")]

    operations = [
        migrations.RemoveIndex("transcript", "transcript_by_words"),
        migrations.RunSQL(FAMILY_NOW, REPLACE_FAMILY),
        migrations.RunSQL(SPACED_NOW, REPLACE_SPACED),
        migrations.RunSQL(WORDS_NOW, REPLACE_WORDS),
        migrations.AddIndex(
            model_name="transcript",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    models.F("language"),
                    models.F("text"),
                    function="alcoves_words",
                    output_field=django.contrib.postgres.search.SearchVectorField(),
                ),
                fastupdate=False,
                name="transcript_by_words",
            ),
        ),
        migrations.RemoveIndex("person", "person_by_part_of_name"),
        migrations.AddIndex(
            "person",
            django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    models.Func(models.F("name"), function="alcoves_plain", output_field=models.TextField()),
                    name="gin_trgm_ops",
                ),
                fastupdate=False,
                name="person_by_words_of_name",
            ),
        ),
    ]
