import pytest

from alcoves.wording import are, counted, were


@pytest.mark.parametrize(
    ("number", "noun", "told"),
    [
        (0, "file", "0 files are, were"),
        (1, "file", "1 file is, was"),
        (2, "file", "2 files are, were"),
        (1, "person", "1 person is, was"),
        (3, "person", "3 people are, were"),
        (2, "library", "2 libraries are, were"),
        (1200, "derived file", "1,200 derived files are, were"),
    ],
)
def test_numbers_and_their_nouns_and_verbs(number: int, noun: str, told: str) -> None:
    assert f"{counted(number, noun)} {are(number)}, {were(number)}" == told
