"""What is shown of a hit."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ml.search.query import Term, parse
from ml.search.snippets import LONGEST, Snippet, found_in, marked, merged

MARKS = ("\x02", "\x03")


def terms(typed: str) -> list[Term]:
    return [term for need in parse(typed).needs for term in need.terms]


def parts(snippet: Snippet) -> list[str]:
    return [snippet.text[start:end] for start, end in snippet.ranges]


def test_every_place_in_any_case() -> None:
    assert parts(found_in("Beach at the BEACH", terms("beach"))) == ["Beach", "BEACH"]


def test_letters_whose_capitals_are_longer_shift_nothing() -> None:
    snippet = found_in("große Straße am Strand", terms("strand"))
    assert parts(snippet) == ["Strand"]


def test_words_that_touch_are_one_range() -> None:
    assert found_in("abcd", terms("ab bcd")).ranges == ((0, 4),)


def test_signs_between_the_words_of_a_quotation() -> None:
    assert parts(found_in("2020_new-year.jpg", terms('"new year"'))) == ["new-year"]


def test_a_label_for_its_plural() -> None:
    assert parts(found_in("wine glass", terms('"wine glasses"'))) == ["wine glass"]
    assert parts(found_in("person", terms("people"))) == ["person"]


def test_a_slip_of_the_finger_shows_the_word_that_was_meant() -> None:
    assert parts(found_in("our holiday in Italy.jpg", terms("hollidy"))) == ["holiday"]
    assert parts(found_in("nothing of the kind", terms("zzzzzz"))) == []


def test_a_long_text_is_cut_around_the_first_hit() -> None:
    text = "x" * 500 + " needle " + "y" * 500
    snippet = found_in(text, terms("needle"))
    assert parts(snippet) == ["needle"]
    assert len(snippet.text) <= LONGEST + 2
    assert snippet.text.startswith("…")
    assert snippet.text.endswith("…")


def test_only_the_line_of_the_hit() -> None:
    assert found_in("mountain\nlake\nvalley", terms("lake")) == Snippet("lake", ((0, 4),))


def test_marks_of_the_database() -> None:
    snippet = marked("we \x02run\x03 and \x02running\x03", MARKS)
    assert snippet.text == "we run and running"
    assert parts(snippet) == ["run", "running"]


def test_markup_in_names_is_text() -> None:
    snippet = found_in("<b>dog</b><script>.jpg", terms("dog"))
    assert snippet.text == "<b>dog</b><script>.jpg"
    assert parts(snippet) == ["dog"]


def test_several_reasons_of_one_text() -> None:
    assert merged([Snippet("a b", ((0, 1),)), Snippet("a b", ((2, 3),))]) == Snippet("a b", ((0, 1), (2, 3)))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.text(min_size=1, max_size=20))
def test_ranges_lie_in_the_text(text: str, typed: str) -> None:
    snippet = found_in(text, terms(typed))
    last = 0
    for start, end in snippet.ranges:
        assert last <= start < end <= len(snippet.text)
        last = end
