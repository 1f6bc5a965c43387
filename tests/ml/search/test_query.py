"""What people type, and what is understood of it."""

from datetime import date, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search import dates
from ml.search.dates import When
from ml.search.query import Question, parse
from ml.search.words import forms_of

KEY = "01980000-0000-7000-8000-000000000001"


def told(question: Question) -> list[str]:
    """Needs as text: `-` unwanted, `|` a choice, `@` a date."""
    return [
        ("-" if need.unwanted else "")
        + "|".join(term.words + ("@" if term.when else "") for term in need.terms)
        for need in question.needs
    ]


@pytest.mark.parametrize(
    ("typed", "needs"),
    [
        ("beach", ["beach"]),
        ("  beach   anna ", ["beach", "anna"]),
        ('"new year" eve', ["new year", "eve"]),
        ('"new   year', ["new", "year"]),
        ("dog -cat", ["dog", "-cat"]),
        ('dog -"black cat"', ["dog", "-black cat"]),
        ("cat OR dog fish", ["cat|dog", "fish"]),
        ("cat or dog", ["cat", "dog"]),
        ("OR cat OR", ["cat"]),
        ("cat OR OR dog", ["cat|dog"]),
        ("cat OR -dog", ["cat", "-dog"]),
        ('"OR"', ["OR"]),
        ("the dog on a beach", ["dog", "beach"]),
        ("the", ["the"]),
        ("der die das", ["der", "die", "das"]),
        ('"the end"', ["the end"]),
        ("june 2024", ["june 2024@"]),
        ("beach june 2024 anna", ["beach", "june 2024@", "anna"]),
        ("1 de junio de 2024", ["1 de junio de 2024@"]),
        ("am 24. Dezember", ["24. Dezember@"]),
        ("-2024 dog", ["-2024@", "dog"]),
        ("mar", ["mar"]),
        ("100%", ["100%"]),
        ("%%", ["%%"]),
        ("__", []),
        ("\u0301 \u2013 \u2026 cat", ["cat"]),
        ("猫", ["猫"]),
        ("\U0001f389", ["\U0001f389"]),
        ("(dog) & [cat]!", ["dog", "cat"]),
        ('- -- + | ! () "" * \' ;', []),
        ("IMG_1234.jpg", ["IMG_1234.jpg"]),
        ("Robert'); DROP TABLE media_file;--", ["Robert", "DROP", "TABLE", "media_file", "--"][:4]),
    ],
)
def test_what_is_needed(typed: str, needs: list[str]) -> None:
    assert told(parse(typed)) == needs


def test_a_picture_to_be_like() -> None:
    question = parse(f"like:{KEY} beach")
    assert question.like == UUID(KEY)
    assert told(question) == ["beach"]
    assert not parse(f"like:{KEY}").is_empty
    assert parse("like:nothing").like is None


def test_the_whole_sentence_is_for_models_that_read_sentences() -> None:
    assert parse('a dog on the "white beach" -cat OR fish').text == "a dog on the white beach fish"


@pytest.mark.parametrize("typed", ["", " ", "a", "-dog", "-", '"', '""', "-a -b", "\t\n"])
def test_nothing_to_look_for(typed: str) -> None:
    assert parse(typed).is_empty


def test_short_words_are_beginnings() -> None:
    assert [
        term.is_short
        for need in parse("ab a1 x-y 北京 abc party2 ab-cde \U0001f389").needs
        for term in need.terms
    ] == [
        *(True, True, True, True),
        *(False, False, False, False),
    ]


def test_a_single_character_that_is_a_word_is_enough() -> None:
    assert not parse("猫").is_empty
    assert parse("a").is_empty


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_question(typed: str) -> None:
    question = parse(typed)
    for need in question.needs:
        assert need.terms
        for term in need.terms:
            assert term.words.strip()
            assert term.plain
            assert term.labels


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["dog", "june", "2024", "1", "de", "OR", "-x", '"a b"', "31.2.2024", "-"]),
        max_size=12,
    )
)
def test_no_word_is_taken_twice_or_lost(pieces: list[str]) -> None:
    typed = " ".join(pieces)
    found = [word for need in parse(typed).needs for term in need.terms for word in term.words.split()]
    assert found.count("dog") == pieces.count("dog")


@pytest.mark.parametrize(
    ("typed", "when"),
    [
        ("2024", When(2024)),
        ("1825", None),
        ("2200", None),
        ("2024-06", When(2024, 6)),
        ("2024-13", None),
        ("2024-06-01", When(2024, 6, 1)),
        ("2024/06/01", When(2024, 6, 1)),
        ("2024-06/01", None),
        ("2024-02-30", None),
        ("2023-02-29", None),
        ("1.6.2024", When(2024, 6, 1)),
        ("20240601", When(2024, 6, 1)),
        ("12345678", None),
        ("june", When(month=6)),
        ("JUNE", When(month=6)),
        ("Juni", When(month=6)),
        ("juin", When(month=6)),
        ("junio", When(month=6)),
        ("März", When(month=3)),
        ("août", When(month=8)),
        ("février 2020", When(2020, 2)),
        ("June 2024", When(2024, 6)),
        ("2024 june", When(2024, 6)),
        ("june 1 2024", When(2024, 6, 1)),
        ("June 1st, 2024", When(2024, 6, 1)),
        ("1 june", When(month=6, day=1)),
        ("1. Juni 2024", When(2024, 6, 1)),
        ("1er juin 2024", When(2024, 6, 1)),
        ("1 de junio de 2024", When(2024, 6, 1)),
        ("24. Dezember", When(month=12, day=24)),
        ("dez 2021", When(2021, 12)),
        ("29 february", When(month=2, day=29)),
        ("31 june", None),
        ("mar", None),
        ("sep", None),
        ("11", None),
        ("de", None),
    ],
)
def test_dates(typed: str, when: When | None) -> None:
    words = typed.split()
    found = dates.find(words)
    whole = found[0] if found is not None and found[1] == len(words) else None
    assert whole == when


@pytest.mark.parametrize(
    ("typed", "when"),
    [
        ("today", When(2024, 3, 1)),
        ("Yesterday", When(2024, 2, 29)),
        ("gestern", When(2024, 2, 29)),
        ("hier", When(2024, 2, 29)),
        ("vorgestern", When(2024, 2, 28)),
        ("last month", When(2024, 2)),
        ("letztes Jahr", When(2023)),
        ("l'année dernière", When(2023)),
        ("este año", When(2024)),
        ("last", None),
    ],
)
def test_how_long_ago(typed: str, when: When | None) -> None:
    found = dates.find(typed.split(), date(2024, 3, 1))
    assert found == ((when, len(typed.split())) if when else None)
    assert dates.find(typed.split()) is None


def test_the_month_before_january() -> None:
    assert dates.find(["last", "month"], date(2024, 1, 31)) == (When(2023, 12), 2)


def test_yesterday_among_other_words() -> None:
    assert told(parse("beach yesterday anna", date(2024, 3, 1))) == ["beach", "yesterday@", "anna"]
    assert told(parse("the beach last year", date(2024, 3, 1))) == ["beach", "last year@"]


def test_spans_of_dates() -> None:
    assert When(2024).span() == (datetime(2024, 1, 1), datetime(2025, 1, 1))
    assert When(2024, 12).span() == (datetime(2024, 12, 1), datetime(2025, 1, 1))
    assert When(2024, 2).span() == (datetime(2024, 2, 1), datetime(2024, 3, 1))
    assert When(2024, 2, 29).span() == (datetime(2024, 2, 29), datetime(2024, 3, 1))
    assert When(month=2).span() is None


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("dogs", "dog"),
        ("buses", "bus"),
        ("bus", "bus"),
        ("knives", "knife"),
        ("people", "person"),
        ("persons", "person"),
        ("mice", "mouse"),
        ("wine glasses", "wine glass"),
        ("benches", "bench"),
        ("puppies", "puppy"),
        ("potted plants", "potted plant"),
        ("ski", "skis"),
        ("Dogs", "dog"),
    ],
)
def test_plurals(typed: str, label: str) -> None:
    assert label in forms_of(typed)


def test_no_plural_that_is_none() -> None:
    assert "gla" not in forms_of("glass")
    assert forms_of("東京") == ["東京"]
