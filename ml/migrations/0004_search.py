"""Indexes for a search over what is said and who is seen.

`alcoves_words` is the text of a transcript by the rules of its language. Postgres knows a good two dozen; of the rest words
are taken as they are written, and where no blanks stand between words each character is one. It is immutable
because it uses only the configurations that come with Postgres, by their full names.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.db import migrations, models

CONFIGURED = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}
UNSPACED = ("bo", "ja", "km", "lo", "my", "th", "yue", "zh")

CODE = "lower(split_part(split_part(language, '-', 1), '_', 1))"
FAMILY = f"""CASE
        {" ".join(f"WHEN {CODE} = '{code}' THEN '{name}'" for code, name in CONFIGURED.items())}
        WHEN {CODE} IN ({", ".join(f"'{code}'" for code in UNSPACED)}) THEN 'unspaced'
        ELSE 'simple'
    END"""
# Tibetan to Khmer, then the scripts of China and Japan.
SPACED = r"""regexp_replace(body, '([\u0E00-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\uF900-\uFAFF])', ' \1 ', 'g')"""

CREATE_FAMILY = f"""
CREATE FUNCTION alcoves_family(language text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {FAMILY}
$$
"""
CREATE_SPACED = f"""
CREATE FUNCTION alcoves_spaced(body text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT {SPACED}
$$
"""

# It calls none of the others: a restored backup builds the index before it knows in which schema they are. What is
# more than an index takes (a megabyte of different words) is cut to what always fits. Its cost is told, so that no
# plan reads all transcripts instead of the index.
CREATE_WORDS = f"""
CREATE FUNCTION alcoves_words(language text, body text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE COST 10000 AS $$
DECLARE
    family text := {FAMILY};
    spaced text := body;
BEGIN
    IF family = 'unspaced' THEN
        spaced := {SPACED};
        family := 'simple';
    END IF;
    BEGIN
        RETURN to_tsvector(('pg_catalog.' || family)::regconfig, spaced);
    EXCEPTION WHEN program_limit_exceeded THEN
        RETURN to_tsvector(('pg_catalog.' || family)::regconfig, left(spaced, 250000));
    END;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("ml", "0003_same_library"), ("media", "0013_search")]

    operations = [
        migrations.RunSQL(CREATE_FAMILY, "DROP FUNCTION alcoves_family(text)"),
        migrations.RunSQL(CREATE_SPACED, "DROP FUNCTION alcoves_spaced(text)"),
        migrations.RunSQL(CREATE_WORDS, "DROP FUNCTION alcoves_words(text, text)"),
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
        migrations.AddIndex(
            model_name="person",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("name"), name="gin_trgm_ops"
                ),
                fastupdate=False,
                name="person_by_part_of_name",
            ),
        ),
    ]
