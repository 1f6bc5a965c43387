"""The functions of the database by which transcripts are indexed and searched."""

from typing import Any

import pytest
from django.db import connection

from media.models import Library
from ml.models import Transcript
from ml.search.sources import FAMILIES
from tests.ml.search.things import put, says

pytestmark = pytest.mark.django_db


def value(statement: str, *given: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        row = cursor.fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("en", "english"),
        ("EN", "english"),
        ("de-AT", "german"),
        ("pt_BR", "portuguese"),
        ("nn", "norwegian"),
        ("ja", "simple"),
        ("yue", "simple"),
        ("zh-Hant", "simple"),
        ("haw", "simple"),
        ("", "simple"),
        ("no such language", "simple"),
    ],
)
def test_the_family_of_a_language(language: str, family: str) -> None:
    assert value("SELECT alcoves_family(%s)", language) == family


def test_every_family_is_one_that_is_asked_and_that_the_database_has() -> None:
    codes = [
        f"{first}{second}"
        for first in "abcdefghijklmnopqrstuvwxyz"
        for second in "abcdefghijklmnopqrstuvwxyz"
    ]
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT alcoves_family(code) FROM unnest(%s::text[]) AS code", [codes])
        families = {family for (family,) in cursor.fetchall()}
        cursor.execute("SELECT cfgname FROM pg_ts_config")
        there = {name for (name,) in cursor.fetchall()}
    assert families == {*FAMILIES, "simple"}
    assert {*FAMILIES, "simple"} <= there


def test_a_text_longer_than_an_index_takes_is_cut_and_kept(library: Library) -> None:
    """A megabyte of different words: no film has it, and none may fail by it."""
    words = " ".join(f"{number:06}x" for number in range(200_000))
    row = says(put(library, "film.mp4", kind="video"), "en", "short")
    row.text = words
    row.save()
    found = Transcript.objects.extra(
        where=["alcoves_words(language, text) @@ to_tsquery('english', '000001x')"]
    )
    assert found.get() == row


def test_a_restored_backup_can_build_the_indexes() -> None:
    """pg_dump restores with an empty search path."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = ''")
        for call in (
            "public.alcoves_words('en', 'running')",
            "public.alcoves_words('ja', '東京')",
            "public.alcoves_place('{}')",
            "public.alcoves_camera('Canon', 'Canon EOS')",
            "public.alcoves_joined(ARRAY['a'])",
            "public.alcoves_plain('café 北京')",
            "public.alcoves_words('fr', 'café')",
        ):
            cursor.execute(f"SELECT {call}")
            assert cursor.fetchone()
        cursor.execute("SET LOCAL search_path = public")
