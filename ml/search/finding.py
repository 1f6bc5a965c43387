"""The flow of a search: ask for the meaning, find, and find what is spelled nearly so where nothing is; then say why.

    semantic (vectors) -> statements.finding -> fusing -> a page -> statements.explaining -> reasons and snippets

The number of statements does not depend on how much there is. All of them together have `SEARCH_SECONDS`.
"""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection

from alcoves import limited
from media import live
from media.errors import RequestError
from media.models import Library
from ml.search import facets, fusing, semantic, snippets, statements
from ml.search.facets import Count
from ml.search.filters import Filters
from ml.search.query import MOST_TERMS, Question, Term
from ml.search.snippets import Snippet
from ml.search.sources import TRANSCRIPT, Looking, Values
from ml.search.statements import DEEPEST, MARKS, After, Part, Statement

LIKENESS: Final = 0.4
"""Of the trigrams of a word, how many the nearest words of a name must have: pg_trgm's word similarity."""
LIKENESS_BESIDE_MEANING: Final = 0.5
"""Where there is something to show already: `Micheal` and Michael have it, `sunset` and Sunday (0.43) do not."""
PROBED: Final = 2
"""Words, the longest, that are looked for first by likeness where there are more: each word more costs as much again,
and of most long questions nothing is like these two."""
MOST_MEANT: Final = 200
MOST_MEANT_FILTERED: Final = 1000
"""Where filters, or other words, leave out some of them."""
MOST_REASONS: Final = 10
"""That are told of one hit: the best."""
MEANING: Final = "meaning"


class TooSlowError(RequestError):
    """So much fits, or so little can be told from the words, that the answer would take too long."""

    code = "search_too_slow"
    http_status = 422


class TooManyWordsError(RequestError):
    """More than one statement shall ask."""

    code = "too_many_words"


@dataclass(frozen=True, slots=True)
class Asked:
    """A search of one person. `library` None: all of theirs."""

    question: Question
    user: Any
    library: UUID | None = None
    filters: Filters = field(default_factory=Filters)
    limit: int = 30
    facets: bool = True
    after: "Place | None" = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: in the order of ranks, or (`score`) in that which vectors had a say in.

    `rest`: in the order of ranks, behind a fused list. What vectors found was told there, and is not told again.
    """

    rank: int
    at: datetime
    item: UUID
    near: bool = False
    score: float | None = None
    rest: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Where a need is met. `second` is the place in a film or recording, `key` the row (person, moment, folder ...)."""

    source: str
    score: int
    snippet: Snippet | None = None
    second: float | None = None
    key: UUID | None = None


@dataclass(slots=True)
class Hit:
    """A file, or a folder."""

    item: UUID
    folder: bool
    rank: int
    at: datetime
    score: float | None = None
    meant: semantic.Hit | None = None
    reasons: list[Reason] = field(default_factory=list)

    @property
    def second(self) -> float | None:
        """Where to begin to look: by the best reason that knows a second."""
        return next((reason.second for reason in self.reasons if reason.second is not None), None)


@dataclass(slots=True)
class Found:
    """`near`: nothing is as it was spelled, and some of this is spelled nearly so. `total` counts all pages; of more
    than `facets_of` the facets count only the best. `by_words`: not all of it was found by vectors alone."""

    hits: list[Hit] = field(default_factory=list)
    total: int = 0
    facets: dict[str, list[Count]] | None = None
    facets_of: int = 0
    by_words: bool = False
    near: bool = False
    meaning: semantic.Status = "off"
    following: Place | None = None


def find(asked: Asked) -> Found:
    """TooSlowError, TooManyWordsError. What is too short to be looked for finds nothing."""
    if asked.question.is_empty:
        return Found()
    if asked.question.terms > MOST_TERMS:
        raise TooManyWordsError(f"A search takes at most {MOST_TERMS} words. Leave some out.")
    meant = meaning_of(asked)
    with Clock.running(likeness_of(asked, meant)) as clock:
        found = looked_up(asked, meant, clock)
        explain(asked, found, clock)
    return found


def meaning_of(asked: Asked) -> semantic.Found:
    """What vectors find. A page of a list that began without them goes on without them."""
    if asked.after is not None and asked.after.score is None and not asked.after.rest:
        return semantic.OFF
    mine = Library.objects.visible_to(asked.user)
    libraries = list((mine.filter(pk=asked.library) if asked.library else mine).values_list("pk", flat=True))
    is_narrowed = asked.filters != Filters() or len(asked.question.wanted) > 1
    limit = MOST_MEANT_FILTERED if is_narrowed else MOST_MEANT
    if asked.question.like is not None:
        return semantic.like(libraries, asked.question.like, limit=limit)
    return semantic.find(libraries, asked.question.text, limit=limit)


def looked_up(asked: Asked, meant: semantic.Found, clock: "Clock") -> Found:
    """What is spelled nearly so is looked for where words found nothing, whatever was meant."""
    if asked.after is not None:
        return one_look(asked, meant, clock, near=asked.after.near)
    found = one_look(asked, meant, clock, near=False)
    if found.by_words or not asked.question.wanted or not is_something_near(asked, clock):
        return found
    return one_look(asked, meant, clock, near=True)


def is_something_near(asked: Asked, clock: "Clock") -> bool:
    """Where the longest words are met by nothing, all of them are. Filters are left out: they may keep a folder whose
    own name is another word."""
    needs = sorted(asked.question.wanted, key=lambda need: -min(len(term.words) for term in need.terms))
    if len(needs) <= PROBED:
        return True
    few = replace(asked, question=Question(tuple(needs[:PROBED])), filters=Filters(), limit=1, facets=False)
    return one_look(few, semantic.OFF, clock, near=True).by_words


def one_look(asked: Asked, meant: semantic.Found, clock: "Clock", *, near: bool) -> Found:
    looking = Looking(asked.question, asked.user.pk, asked.library, Values(), near=near)
    rows = clock.run(statements.finding(looking, asked.filters, part_of(asked, meant)), statements.COLUMNS)
    sections: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        sections[row["section"]].append(row)
    by_words, by_meaning = sections.pop("page", []), sections.pop("meant", [])
    (total,) = sections.pop("total")
    hits, following = (
        fused_page(asked, by_words, by_meaning, meant)
        if is_fused(asked, meant)
        else plain_page(asked, by_words, {row["item"] for row in by_meaning})
    )
    return Found(
        hits=hits,
        total=total["count"],
        facets=facets.counted(row for name in sections for row in sections[name]) if asked.facets else None,
        facets_of=min(total["count"], facets.COUNTED) if asked.facets else 0,
        by_words=bool(total["rank"]),
        near=near and bool(total["rank"]),
        meaning=meant.status,
        following=replace(following, near=near) if following is not None else None,
    )


def is_fused(asked: Asked, meant: semantic.Found) -> bool:
    """A page of a fused list stays one, also where the vectors are late this time."""
    return bool(meant.hits) if asked.after is None else asked.after.score is not None


def likeness_of(asked: Asked, meant: semantic.Found) -> float:
    """The same for all pages of a list."""
    is_rest = asked.after is not None and asked.after.rest
    return LIKENESS_BESIDE_MEANING if is_rest or is_fused(asked, meant) else LIKENESS


def part_of(asked: Asked, meant: semantic.Found) -> Part:
    if is_fused(asked, meant):
        return Part(DEEPEST, facets=asked.facets, meant=[hit.original_id for hit in meant.hits])
    place = asked.after
    after = After(place.rank, place.at, place.item) if place is not None else None
    told = [hit.original_id for hit in meant.hits]
    return Part(asked.limit + 1 + len(told), after, asked.facets, told)


def plain_page(
    asked: Asked, rows: Sequence[Mapping[str, Any]], told: Collection[UUID]
) -> tuple[list[Hit], Place | None]:
    """Without what was `told` in the fused list before; several files of one picture may leave a page short."""
    hits = [
        Hit(row["item"], row["folder"], row["rank"], row["at"]) for row in rows if row["item"] not in told
    ]
    kept, following = cut(hits, asked.limit)
    rest = asked.after is not None and asked.after.rest
    if following is None and rest and len(rows) > asked.limit:
        following = place_of(rows[-1])
    return kept, replace(following, rest=rest) if following is not None else None


def place_of(row: Mapping[str, Any]) -> Place:
    return Place(row["rank"], row["at"], row["item"])


def cut(hits: list[Hit], limit: int) -> tuple[list[Hit], Place | None]:
    kept = hits[:limit]
    last = kept[-1] if len(hits) > limit else None
    return kept, Place(last.rank, last.at, last.item, score=last.score) if last is not None else None


def fused_page(
    asked: Asked,
    by_words: Sequence[Mapping[str, Any]],
    by_meaning: Sequence[Mapping[str, Any]],
    meant: semantic.Found,
) -> tuple[list[Hit], Place | None]:
    """By words and by meaning, then what words alone find beyond that."""
    order = {hit.original_id: place for place, hit in enumerate(meant.hits)}
    ordered = sorted(by_meaning, key=lambda row: order[UUID(row["value"])])
    rows = {row["item"]: row for row in [*by_meaning, *by_words]}
    of_meaning = {row["item"]: meant.hits[order[UUID(row["value"])]] for row in by_meaning}
    lists = [[row["item"] for row in by_words], [row["item"] for row in ordered]]
    hits = [
        Hit(item, row["folder"], row["rank"], row["at"], score, of_meaning.get(item))
        for item, score in fusing.fused(lists)
        for row in (rows[item],)
    ]
    kept, following = cut(beyond(hits, asked.after), asked.limit)
    if following is None and len(by_words) == DEEPEST:
        following = replace(place_of(by_words[-1]), rest=True)
    return kept, following


def beyond(hits: list[Hit], after: Place | None) -> list[Hit]:
    """What comes after the last page; by its score, where what it ended with is gone."""
    if after is None or after.score is None:
        return hits
    for place, hit in enumerate(hits):
        if hit.item == after.item:
            return hits[place + 1 :]
    score = after.score
    return [hit for hit in hits if hit.score is not None and hit.score < score]


def explain(asked: Asked, found: Found, clock: "Clock") -> None:
    """One statement for the whole page."""
    told: dict[UUID, list[tuple[int, Reason]]] = defaultdict(list)
    if found.hits and asked.question.needs:
        among = [hit.item for hit in found.hits]
        looking = Looking(
            asked.question, asked.user.pk, asked.library, Values(), near=found.near, among=among
        )
        terms = terms_by_need(looking)
        for row in clock.run(statements.explaining(looking), statements.WHY):
            told[row["item"]].append((row["need"], reason_of(row, terms[row["need"]])))
    for hit in found.hits:
        hit.reasons = summed(told[hit.item])
        if hit.meant is not None:
            hit.reasons.append(Reason(MEANING, 0, None, hit.meant.second))


def terms_by_need(looking: Looking) -> dict[int, list[Term]]:
    terms: dict[int, list[Term]] = defaultdict(list)
    for need, term in looking.needs():
        terms[need].append(term)
    return terms


def reason_of(row: Mapping[str, Any], terms: Iterable[Term]) -> Reason:
    text = row["text"]
    has_marks = row["source"] == TRANSCRIPT.name and MARKS[0] in text
    snippet = snippets.marked(text, MARKS) if has_marks else snippets.found_in(text, terms)
    return Reason(row["source"], row["score"], snippet, row["second"], row["key"])


def summed(told: Iterable[tuple[int, Reason]]) -> list[Reason]:
    """The best first. What meets several needs counts for all of them; of the same in several frames the best."""
    best: dict[tuple[str, Any], dict[int, Reason]] = defaultdict(dict)
    for need, reason in told:
        same = best[reason.source, reason.key or (reason.snippet and reason.snippet.text)]
        if need not in same or better(reason, same[need]):
            same[need] = reason
    reasons = [
        replace(
            next(iter(same.values())),
            score=sum(reason.score for reason in same.values()),
            snippet=snippets.merged([reason.snippet for reason in same.values() if reason.snippet]),
        )
        for same in best.values()
    ]
    return sorted(reasons, key=lambda reason: (-reason.score, reason.second or 0))[:MOST_REASONS]


def better(one: Reason, other: Reason) -> bool:
    return (-one.score, one.second or 0) < (-other.score, other.second or 0)


@dataclass(slots=True)
class Clock:
    """What is left of the time of one search; it runs statements. `likeness`: when a word is spelled nearly so."""

    until: float
    likeness: float

    @classmethod
    @contextmanager
    def running(cls, likeness: float) -> Iterator["Clock"]:
        """One transaction. What takes too long is told in a sentence."""
        try:
            with limited.ended_in_time():
                yield cls(time.monotonic() + live.value("SEARCH_SECONDS"), likeness)
        except limited.TooLateError as error:
            raise TooSlowError(
                "This search took too long. Use longer or rarer words, or search in one library."
            ) from error

    def run(self, statement: Statement, columns: Sequence[str]) -> list[dict[str, Any]]:
        left = max(1, int((self.until - time.monotonic()) * 1000))
        with connection.cursor() as cursor:
            # Compiling costs more than it saves here, and a sort of all names shall not go to the disk.
            cursor.execute(
                """SELECT set_config('statement_timeout', %s, TRUE), set_config('jit', 'off', TRUE),
                    set_config('work_mem', '32MB', TRUE),
                    set_config('pg_trgm.word_similarity_threshold', %s, TRUE)""",
                [str(left), str(self.likeness)],
            )
            cursor.execute(*statement)
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
