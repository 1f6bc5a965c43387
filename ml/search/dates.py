"""Pure: days, months and years as people write them into a search, in English, German, French and Spanish.

"2024", "2024-06", "2024-06-01", "1.6.2024", "june 2024", "1 de junio de 2024", "Juni", "24. Dezember", "yesterday",
"letztes Jahr"
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

FIRST_YEAR, LAST_YEAR = 1826, 2199
"""From the first photograph there is; what the column of dates can hold."""
LEAP_YEAR: Final = 2024
"""Stands for any year: some have a 29th of February."""
LONGEST: Final = 6
"""Words of one date: `1 de junio de 2024` has five."""

MONTHS: Final = (
    "january januar janner janvier enero",
    "february februar feber fevrier febrero",
    "march marz maerz mars marzo",
    "april avril abril",
    "may mai mayo",
    "june juni juin junio",
    "july juli juillet julio",
    "august aout agosto",
    "september septembre septiembre setiembre",
    "october oktober octobre octubre",
    "november novembre noviembre",
    "december dezember decembre diciembre",
)
"""Without accents, as `folded` leaves them."""
SHORT: Final = (
    "jan janv ene",
    "feb fev fevr febr",
    "mar mrz",
    "apr avr abr",
    "",
    "jun",
    "jul juil",
    "aug ago",
    "sep sept set",
    "oct okt",
    "nov",
    "dec dez dic",
)
"""These are words of other meanings too: they are months only beside a day or a year."""
FILLERS: Final = frozenset({"of", "de", "del", "the"})
DAYS_AGO: Final = {
    **dict.fromkeys(("today", "heute", "aujourd'hui", "hoy"), 0),
    **dict.fromkeys(("yesterday", "gestern", "hier", "ayer"), 1),
    "vorgestern": 2,
}
MONTHS_AGO: Final = {
    **dict.fromkeys(("this month", "diesen monat", "ce mois-ci", "este mes"), 0),
    **dict.fromkeys(("last month", "letzten monat", "le mois dernier", "mes pasado"), 1),
}
YEARS_AGO: Final = {
    **dict.fromkeys(("this year", "dieses jahr", "cette annee", "este ano"), 0),
    **dict.fromkeys(("last year", "letztes jahr", "l'annee derniere", "ano pasado"), 1),
}
BY_NAME: Final = {name: number for number, names in enumerate(MONTHS, 1) for name in names.split()}
BY_SHORT: Final = {name: number for number, names in enumerate(SHORT, 1) for name in names.split()}

YEAR_FIRST: Final = re.compile(r"(\d{4})(?:([-./])(\d{1,2})(?:\2(\d{1,2}))?)?", re.ASCII)
DAY_FIRST: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
TOGETHER: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
DAY: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er|o)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class When:
    """What was said of a date; None was left out: `june` is that of every year."""

    year: int | None = None
    month: int | None = None
    day: int | None = None

    def span(self) -> tuple[datetime, datetime] | None:
        """The wall clock from its beginning to just before its end; None without a year."""
        if self.year is None:
            return None
        begin = datetime(self.year, self.month or 1, self.day or 1)  # noqa: DTZ001  A wall clock has no zone.
        if self.day is not None:
            return begin, begin + timedelta(days=1)
        if self.month is not None and self.month < 12:
            return begin, begin.replace(month=self.month + 1)
        return begin, begin.replace(year=self.year + 1, month=1)


def find(words: Sequence[str], today: date | None = None) -> tuple[When, int] | None:
    """The date that these words begin with, and how many of them it takes; the longest there is.

    `today` is where the asker is, as far as that is known; without it there is no yesterday.
    """
    spelled = [folded(word) for word in words[:LONGEST]]
    for count in range(len(spelled), 0, -1):
        told = spelled[:count]
        found = ago(" ".join(told), today) or (in_words(told) if count > 1 else in_one(told[0]))
        if found is not None:
            return found, count
    return None


def ago(words: str, today: date | None) -> When | None:
    """A day, month or year by how long ago it is."""
    if today is None:
        return None
    if words in DAYS_AGO:
        day = today - timedelta(days=DAYS_AGO[words])
        return When(day.year, day.month, day.day)
    if words in MONTHS_AGO:
        year, month = divmod(today.year * 12 + today.month - 1 - MONTHS_AGO[words], 12)
        return When(year, month + 1)
    return When(today.year - YEARS_AGO[words]) if words in YEARS_AGO else None


def folded(word: str) -> str:
    """Small letters without accents, and without the dot or comma that follows a number or a name."""
    parts = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char)).rstrip(".,")


def in_one(word: str) -> When | None:
    """A date in figures, or the whole name of a month."""
    if matched := YEAR_FIRST.fullmatch(word):
        year, _, month, day = matched.groups()
        return checked(year, month, day)
    if matched := DAY_FIRST.fullmatch(word):
        day, month, year = matched.groups()
        return checked(year, month, day)
    if matched := TOGETHER.fullmatch(word):
        return checked(*matched.groups())
    return When(month=BY_NAME[word]) if word in BY_NAME else None


def in_words(words: Sequence[str]) -> When | None:
    """One month, and a day, a year or both, in any order; small words between them."""
    if words[0] in FILLERS or words[-1] in FILLERS:
        return None
    told: dict[str, str] = {}
    for word in words:
        if word in FILLERS:
            continue
        kind = kind_of(word)
        if kind is None or kind in told:
            return None
        told[kind] = word
    if "month" not in told or len(told) == 1:
        return None
    month = BY_NAME.get(told["month"]) or BY_SHORT[told["month"]]
    matched = DAY.fullmatch(told.get("day", ""))
    return checked(told.get("year"), str(month), matched[1] if matched else None)


def kind_of(word: str) -> str | None:
    if word in BY_NAME or word in BY_SHORT:
        return "month"
    if re.fullmatch(r"\d{4}", word, re.ASCII):
        return "year"
    return "day" if DAY.fullmatch(word) else None


def checked(year: str | None, month: str | None, day: str | None) -> When | None:
    """None for a day that no calendar has."""
    told = When(*(int(part) if part is not None else None for part in (year, month, day)))
    if told.year is not None and not FIRST_YEAR <= told.year <= LAST_YEAR:
        return None
    try:
        # 2024 has a 29th of February, which some June of every year does not need to have.
        date(
            told.year or 2024,
            told.month if told.month is not None else 1,
            told.day if told.day is not None else 1,
        )
    except ValueError:
        return None
    return told
