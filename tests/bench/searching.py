"""`search`: everything at once in a library of 100,000 files, beside the plainest question to one table.

A mix of what people type, through the whole flow: the page, its total, facets and reasons. The yardstick is Postgres
reading all names once, without an index, on the same machine in the same minute: it makes the figure comparable.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from django.db import connection

from media.models import Library
from ml.search import finding
from ml.search.finding import Asked
from ml.search.query import parse
from tests.bench import machines
from tests.bench.measuring import Result, in_ms, percentile
from tests.ml.search.many import Much, fill
from tests.ml.search.things import switch_on

YARD: Final = "SELECT count(*) FROM media_file WHERE name ILIKE %s"
LIMIT_P50, LIMIT_P95 = 15.0, 120.0
"""Times one reading of all names. Planning two statements costs the same in a small library, so the limits are those of
20,000 files; the 95th is of words that are everywhere, where each file is ranked and counted, and seen 40 to 70."""


@dataclass(frozen=True, slots=True)
class Size:
    files: int = 100_000
    rounds: int = 3


QUICK: Final = Size(20_000, 2)


def questions(words: Sequence[str]) -> list[str]:
    """From rare to common; names, labels, dates, quotations, two letters, slips of the finger, what is everywhere."""
    rare = [f"{word} {other}" for word, other in zip(words[1000:1010], words[10:20], strict=True)]
    return [
        *words[2000:2010],
        *words[500:505],
        *words[100:103],
        *rare,
        f'"{words[20]} {words[21]}"',
        f"{words[200]} dogs",
        f"{words[300]} -cat",
        f"{words[400]} 2019",
        "june 2015",
        "2019-06-01",
        "IMG_1234",
        "zq",
        words[600][:2],
        "wine glasses canon",
        f"{words[900][:-1]}x",
        "dogs",
        words[0],
        "IMG",
    ]


def run(size: Size, folder: Path) -> list[Result]:
    library = machines.library()
    switch_on(library)
    words = fill(library, Much(size.files))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    asked = questions(words)
    ask(library, asked[0])
    yard, samples = [], []
    slowest: dict[str, float] = {}
    for _ in range(size.rounds):
        for typed in asked:
            yard.append(read_all_names(typed))
            samples.append(ask(library, typed))
            slowest[typed] = max(slowest.get(typed, 0), samples[-1])
    return results(size, yard, samples, slowest)


def ask(library: Library, typed: str) -> float:
    user = library.memberships.get().user
    began = time.perf_counter()
    finding.find(Asked(parse(typed), user))
    return time.perf_counter() - began


def read_all_names(typed: str) -> float:
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(YARD, [f"%{typed}%"])
        cursor.fetchone()
        return time.perf_counter() - began


def results(
    size: Size, yard: Sequence[float], samples: Sequence[float], slowest: dict[str, float]
) -> list[Result]:
    unit = median(yard)
    raw: dict[str, Any] = {
        "files": size.files,
        **in_ms(samples),
        "p95_ms": round(percentile(samples, 95) * 1000, 2),
        "names_once_ms": round(unit * 1000, 2),
        "slowest_ms": {
            typed: round(seconds * 1000)
            for typed, seconds in sorted(slowest.items(), key=lambda one: -one[1])[:5]
        },
    }
    return [
        Result("search p50", percentile(samples, 50) / unit, LIMIT_P50, higher_is_better=False, raw=raw),
        Result("search p95", percentile(samples, 95) / unit, LIMIT_P95, higher_is_better=False),
    ]
