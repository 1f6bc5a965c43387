"""Pure: a text as a search reads it: capitals without accents, one blank for whatever stands between words.

`alcoves_plain` of the migration named `plain_words` does the same in the database, where it is indexed; a test compares
them. Here it is known which character of the text each letter came from, so that what was found can be shown.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

SEPARATORS: Final = re.compile(r"[\s_.,;:()\[\]{}/'\"+&\-\u2000-\u206f\u3000-\u303f«»]+")
"""What stands between the words of a name: blanks, dots, dashes, brackets, quotation marks."""
MARKS: Final = re.compile(r"[\u0300-\u036f]+")
"""Accents of Latin, Greek and Cyrillic letters, once they are letters of their own (NFKD)."""
SPELLED: Final = str.maketrans(
    {"Ø": "O", "Ł": "L", "Đ": "D", "Ħ": "H", "Ŧ": "T", "Ð": "D", "ẞ": "SS", "ß": "SS", "Æ": "AE", "Œ": "OE"}
)
"""Letters that Unicode does not take apart, as people write them who do not have them on their keys."""
SPOKEN: Final = str.maketrans(
    {
        **dict(zip("øØłŁđĐħĦŧŦðÐ", "oOlLdDhHtTdD", strict=True)),
        **dict.fromkeys("ßẞ", "ss"),
        **dict.fromkeys("æÆ", "ae"),
        **dict.fromkeys("œŒ", "oe"),
    }
)
"""The same in the case they have."""
UNSPACED: Final = re.compile(
    "[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, and the scripts of Japan, China and Korea: each character counts as a word."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """`origins` has the place of each character in the text it came from, and the length of that at the end."""

    text: str
    origins: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Of the original text, with the accents that follow."""
        return self.origins[start], self.origins[end]


def spelling(text: str) -> Spelling:
    letters: list[str] = []
    origins: list[int] = []
    for place, char in enumerate(text):
        for letter in letters_of(char):
            letters.append(letter)
            origins.append(place)
    return Spelling("".join(letters), (*origins, len(text)))


def letters_of(char: str) -> str:
    if char.isascii():
        return " " if SEPARATORS.match(char) else char.upper()
    taken_apart = MARKS.sub("", unicodedata.normalize("NFKD", char))
    return SEPARATORS.sub(" ", unicodedata.normalize("NFC", taken_apart).upper().translate(SPELLED))


def plain(text: str) -> str:
    """Words with one blank between them, and between all characters of scripts that write none."""
    apart = MARKS.sub("", unicodedata.normalize("NFKD", text))
    capitals = unicodedata.normalize("NFC", apart).upper().translate(SPELLED)
    return SEPARATORS.sub(" ", UNSPACED.sub(r" \g<0> ", capitals)).strip()


def without_accents(text: str) -> str:
    """Latin letters alone, in the case they have: for the rules of languages, which know words by their letters."""
    apart = re.sub(r"([A-Za-z])[\u0300-\u036f]+", r"\1", unicodedata.normalize("NFD", text))
    return unicodedata.normalize("NFC", apart).translate(SPOKEN)
