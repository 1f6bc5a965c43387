"""A text as a search compares it: here and in the database."""

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.plain import plain, spelling, without_accents

LETTERS = (
    "abcXYZ019 _-./&%#'\"()[]{}+,;:\n\t"
    "éÉüÜßẞøØłŁđĐæÆœŒñçåÅıİſﬁ½²ⅷ\u0301\u0308\u00a0\u2013\u2014\u2026«»¿"
    "йЙёЁΆά北京東がカﾟ\uff21\uff11ไทยก่한글ខ္မ\U0001f389\u200d\ufe0f"
)


def of_database(text: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT alcoves_plain(%s)", [text])
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café_im-Æther.jpg", "CAFE IM AETHER JPG"),
        ("cafe\u0301", "CAFE"),
        ("München \u2013 Straße", "MUNCHEN STRASSE"),
        ("Łódź, Ærø; Vân Đế", "LODZ AERO VAN DE"),
        ("北京2024.jpg", "北 京 2024 JPG"),
        ("\uff26\uff35\uff2c\uff2c", "FULL"),
        ("  -- ", ""),
        ("\u0301", ""),
        ("100%", "100%"),
        ("Ёлка й", "ЕЛКА И"),
    ],
)
@pytest.mark.django_db
def test_what_is_compared(text: str, expected: str) -> None:
    assert plain(text) == expected
    assert of_database(text) == f" {expected} "


@pytest.mark.django_db
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=LETTERS, max_size=40))
def test_both_compare_the_same(text: str) -> None:
    assert of_database(text) == f" {plain(text)} "


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_every_letter_knows_where_it_comes_from(text: str) -> None:
    found = spelling(text)
    assert len(found.origins) == len(found.text) + 1
    assert list(found.origins) == sorted(found.origins)
    assert found.span(0, len(found.text))[1] == len(text)


def test_accents_belong_to_the_letter_before() -> None:
    found = spelling("cafe\u0301 x")
    assert found.text == "CAFE X"
    assert found.span(0, 4) == (0, 5)


def test_only_latin_letters_lose_their_accents_for_rules_of_languages() -> None:
    assert without_accents("Café Häuser ёй が Ærø Straße") == "Cafe Hauser ёй が aero Strasse"
