"""Where a search looks. Each place is one SELECT of one shape, over the rows themselves: nothing is ever stale.

All of them are joined to live files of libraries that the person is a member of, inside the statement; `mine` is that
list of libraries, and what a library has switched off is not looked at. The indexes are those of the migrations named
`search`, of media and of ml: parts of words by trigrams, what is said by the words of its language.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from ml.search.dates import When
from ml.search.plain import without_accents
from ml.search.query import Question, Term, escaped

FAMILIES: Final = (
    *("arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german"),
    *("greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian"),
    *("portuguese", "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish"),
)
"""Languages by whose rules Postgres finds words; `alcoves_family` names them, and `simple` for the rest."""


def local(at: str, offset: str) -> str:
    """The wall clock where a picture was taken, from the moment and the minutes; UTC where nobody knows."""
    return f"({at} AT TIME ZONE 'UTC' + make_interval(mins => coalesce({offset}, 0)))"


LOCAL: Final = local("f.effective_at", "o.captured_offset")
FARTHEST: Final = "interval '14 hours'"
"""That a clock is from UTC: the index of dates is asked for so much more."""

LOOSELY: Final = "regexp_replace(query::text, '<(-|[0-9]+)>', '&', 'g')::tsquery"
"""All words of a quotation, wherever they stand: what does not have them does not have the quotation."""

TOLD: Final = "media_original o JOIN media_file f ON f.original_id = o.id"
PLAIN: Final = "media_file f"
WORN: Final = "JOIN media_file f ON f.id = m.file_id"
NEVER: Final = "NULL::float8"
NO_KEY: Final = "NULL::uuid"


@dataclass(frozen=True, slots=True)
class Source:
    """One place. `tables` make `f`, the file; `text` is what is read, as the index has it.

    `kept`: the column that has it as it is compared; elsewhere it is made when it is read.
    `weight` is what a hit is worth, times 1 to 3: inside a word, at its beginning, the whole word. `signs`: people
    write signs there too, and all of it is read for one.
    """

    name: str
    weight: int
    text: str
    tables: str
    where: str = ""
    switch: str = ""
    second: str = NEVER
    key: str = NO_KEY
    is_label: bool = False
    signs: bool = True
    share: str = "1"
    kept: str = ""

    @property
    def plain(self) -> str:
        """The text as it is compared."""
        return self.kept or plain(self.text)


PEOPLE: Final = """ml_person p JOIN ml_face c ON c.person_id = p.id AND NOT c.removed
    JOIN media_file f ON f.original_id = c.original_id"""
SHOWN: Final = "NOT p.hidden AND p.merged_into_id IS NULL AND p.name <> ''"
TAGGED: Final = f"""media_tag g JOIN media_moment_tags w ON w.tag_id = g.id
    JOIN media_moment m ON m.id = w.moment_id AND m.trashed_at IS NULL {WORN}"""
OBJECTS: Final = """object_labels l JOIN ml_objectdetection d ON d.library_id = l.library_id AND d.label = l.label
    JOIN media_file f ON f.original_id = d.original_id"""
SOUNDS: Final = """sound_labels l JOIN ml_soundevent d ON d.library_id = l.library_id AND d.label = l.label
    JOIN media_file f ON f.original_id = d.original_id"""
CAMERA: Final = "alcoves_camera(o.camera_make, o.camera_model)"

SOURCES: Final = (
    Source("person", 50, "p.name", PEOPLE, SHOWN, switch="faces", second="c.second", key="p.id"),
    Source("tag", 45, "g.name", TAGGED, second="m.start::float8", key="g.id"),
    Source("name", 40, "f.name", PLAIN, kept="f.plain_name"),
    Source("title", 40, "o.title", TOLD),
    Source("keyword", 35, "alcoves_joined(o.keywords)", TOLD),
    Source(
        *("moment", 35, "m.name", f"media_moment m {WORN}", "m.trashed_at IS NULL"),
        second="m.start::float8",
        key="m.id",
    ),
    Source(
        *("object", 30, "l.label", OBJECTS),
        switch="objects",
        second="coalesce(d.second, d.start_seconds)",
        is_label=True,
        share="d.score",
    ),
    Source("caption", 25, "o.caption", TOLD),
    Source("place", 25, "alcoves_place(o.probe)", TOLD, signs=False),
    Source(
        *("sound", 25, "l.label", SOUNDS),
        switch="audio_events",
        second="d.start_seconds",
        is_label=True,
        share="d.score",
    ),
    Source("camera", 20, CAMERA, TOLD, signs=False),
    Source("lens", 20, "o.lens", TOLD, signs=False),
)
FOLDER: Final = Source("folder", 20, "d.name", "")
FOLDER_ITSELF: Final = 45
"""What a folder is worth that is found by its own name."""
TRANSCRIPT: Final = Source("transcript", 20, "s.text", "", switch="transcripts")
DATE: Final = Source("date", 10, f"to_char({LOCAL}, 'YYYY-MM-DD')", TOLD)
WHOLE: Final = 3

REASONS: Final = (
    *(source.name for source in SOURCES),
    *(FOLDER.name, TRANSCRIPT.name, DATE.name, "meaning"),
)
"""Every place that an answer may name. `meaning` comes from the vectors of `ml.search`, not from words."""


class Values:
    """The values of a statement, each bound under a name of its own."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"%({name})s"


@dataclass(slots=True)
class Looking:
    """One question of one person. `near` also finds what is spelled nearly so; `among` asks only about these items."""

    question: Question
    user: Any
    library: UUID | None
    values: Values
    near: bool = False
    among: list[UUID] | None = None

    def mine(self) -> str:
        """The libraries of this person, in the statement itself: who was shut out meanwhile finds nothing."""
        only = f" AND l.id = {self.values.bind(self.library)}" if self.library is not None else ""
        return f"""mine AS MATERIALIZED (
            SELECT l.id, l.faces, l.objects, l.audio_events, l.transcripts, l.semantic
            FROM media_library l JOIN media_membership m ON m.library_id = l.id
            WHERE m.user_id = {self.values.bind(self.user)}{only})"""  # noqa: S608  Made of constants; values are bound.

    def needs(self) -> Iterator[tuple[int, Term]]:
        """Each term with the number of its need; what is unwanted has -1. What only has to be explained is wanted."""
        number = 0
        for need in self.question.needs:
            if need.unwanted and self.among is not None:
                continue
            for term in need.terms:
                yield (-1 if need.unwanted else number), term
            number += not need.unwanted

    def places(self) -> Iterator[tuple[int, Term, Source]]:
        """Where each of them is looked for."""
        for need, term in self.needs():
            yield from ((need, term, source) for source in SOURCES if source.signs or not term.is_sign)

    def tables(self) -> list[str]:
        """What the SELECTs read beside the tables there are."""
        return [
            self.mine(),
            *labels("object", "objects"),
            *labels("sound", "audio_events"),
            *self.folders(),
            self.spoken(),
        ]

    def binding(self) -> str:
        """The needs that hold for what vectors find too, which know neither days nor names: a date, and a person by the
        first name or the whole one. Of a choice each has to be one: `2024 OR beach` holds nothing back."""
        terms: dict[int, list[Term]] = {}
        for need, term in self.needs():
            if need >= 0:
                terms.setdefault(need, []).append(term)
        told = ", ".join(
            f"({need}, {' AND '.join(self.is_person(term) for term in those if term.when is None) or 'TRUE'})"
            for need, those in terms.items()
        )
        return f"""binding AS MATERIALIZED (
            SELECT need FROM (VALUES {told}) AS told (need, binds) WHERE binds)"""  # noqa: S608

    def is_person(self, term: Term) -> str:
        """A family name is often a word of another meaning: whoever is called Rob Beach is not every beach."""
        name = plain("p.name")
        return f"""EXISTS (SELECT FROM ml_person p WHERE {name} LIKE ' ' || {self.letters(term)} || ' %%'
            AND {SHOWN} AND p.library_id {allowed("faces")})"""

    def folders(self) -> list[str]:
        """Folders that are named so, and all below them, with what that is worth."""
        named = [
            f"""SELECT {need} AS need, d.id, TRUE AS own, d.id AS key,
                {self.worth(FOLDER, term, need, plain("d.name"), "1")} AS score
            FROM media_folder d WHERE d.trashed_at IS NULL AND d.library_id {allowed()}
                AND {self.matches(FOLDER, term, need)}"""  # noqa: S608  Made of constants; values are bound.
            for need, term in self.needs()
        ]
        below = """SELECT t.need, d.id, FALSE, t.key, t.score FROM tree t
            JOIN media_folder d ON d.parent_id = t.id AND d.trashed_at IS NULL"""
        return [f"named AS ({' UNION ALL '.join(named)})", f"tree AS (SELECT * FROM named UNION {below})"]  # noqa: S608

    def spoken(self) -> str:
        """What to look for in each language; languages to whom a word is the same are asked at once."""
        asked = []
        for need, term in self.needs():
            spellings = dict.fromkeys((term.words, without_accents(term.words)))
            bound = [f"alcoves_spaced({self.values.bind(words)})" for words in spellings]
            for name in (*FAMILIES, "simple"):
                query = " || ".join(f"phraseto_tsquery('pg_catalog.{name}', {words})" for words in bound)
                asked.append(f"({need}, '{name}', {query})")
        return f"""spoken AS MATERIALIZED (
            SELECT need, query, array_agg(family) AS families, {LOOSELY} AS loosely
            FROM (VALUES {", ".join(asked)}) AS asked (need, family, query)
            WHERE numnode(query) > 0 GROUP BY need, query)"""  # noqa: S608

    def met(self, source: Source, term: Term, need: int, *told: str) -> str:
        """A SELECT of what is found in this place: `item`, `plain` (the text as it is compared), `share`, and `told`.

        It is read before anything is made of it: so each text is made plain once, and not for each comparison.
        """
        columns = ", ".join(("f.id AS item", f"{source.plain} AS plain", f"{source.share} AS share", *told))
        return f"""(SELECT {columns} FROM {source.tables}
            WHERE {self.matches(source, term, need)} AND {self.own(source)} OFFSET 0) AS m"""  # noqa: S608

    def matches(self, source: Source, term: Term, need: int) -> str:
        """Slips of the finger are looked for in what is wanted alone: what is unwanted is so as it is spelled."""
        near = self.near_to(source, term, need)
        found = self.is_met(source, term)
        return f"({found} OR {near} <%% {source.plain})" if near else found

    def is_met(self, source: Source, term: Term) -> str:
        if source.is_label:
            return f"{spread(source.text)} LIKE ANY ({self.values.bind(term.labels)})"
        if term.is_sign:
            return f"{source.text} LIKE {self.values.bind(f'%{escaped(term.words)}%')}"
        begin = "%% " if term.is_short else "%%"
        return f"{source.plain} LIKE '{begin}' || {self.letters(term)} || '%%'"

    def near_to(self, source: Source, term: Term, need: int) -> str:
        return plain(self.values.bind(term.near)) if self.near and need >= 0 and term.near else ""

    def letters(self, term: Term) -> str:
        """A term for LIKE; what nothing is left of is met by nothing."""
        text = f"btrim({plain(self.values.bind(term.words))})"
        return f"nullif(regexp_replace({text}, '([%%\\\\])', '\\\\\\1', 'g'), '')"

    def worth(
        self, source: Source, term: Term, need: int, text: str = "m.plain", share: str = "m.share"
    ) -> str:
        """How well it is found, in whole points, so that pages can begin where others ended."""
        quality = str(WHOLE) if source.is_label else self.quality(term, text)
        if near := self.near_to(source, term, need):
            met = f"{text} LIKE '%%' || {self.letters(term)} || '%%'"
            quality = f"CASE WHEN {met} THEN {quality} ELSE word_similarity({near}, {text}) END"
        return f"greatest(1, round({source.weight} * ({quality}) * {share}))::int"

    def quality(self, term: Term, text: str) -> str:
        letters = self.letters(term)
        return f"""CASE WHEN {text} LIKE '%% ' || {letters} || ' %%' THEN {WHOLE}
            WHEN {text} LIKE '%% ' || {letters} || '%%' THEN 2 ELSE 1 END"""

    def own(self, source: Source) -> str:
        """The conditions of every place: live, in a library of mine, and of those that are asked about."""
        among = f" AND f.id = ANY ({self.values.bind(self.among)})" if self.among is not None else ""
        where = f" AND {source.where}" if source.where else ""
        return f"f.trashed_at IS NULL AND f.library_id {allowed(source.switch)}{among}{where}"

    def at(self, when: When) -> str:
        """When a file has to be from. A day without a year is that day of every year."""
        span = when.span()
        if span is None:
            parts = {"month": when.month, "day": when.day}
            return " AND ".join(
                f"extract({part} FROM {LOCAL}) = {value}"
                for part, value in parts.items()
                if value is not None
            )
        since, until = (f"{self.values.bind(end.isoformat())}::timestamp" for end in span)
        return f"""f.effective_at >= {since} AT TIME ZONE 'UTC' - {FARTHEST}
            AND f.effective_at < {until} AT TIME ZONE 'UTC' + {FARTHEST}
            AND {LOCAL} >= {since} AND {LOCAL} < {until}"""


def allowed(switch: str = "") -> str:
    """In my libraries, or in those of them that have this switched on."""
    where = f" WHERE {switch}" if switch else ""
    return f"= ANY (ARRAY(SELECT id FROM mine{where}))"  # noqa: S608


def spread(text: str) -> str:
    """A label as words with one blank around each."""
    return f"(' ' || regexp_replace(lower({text}), '[^[:alnum:]]+', ' ', 'g') || ' ')"


def plain(text: str) -> str:
    """A text as it is compared and indexed: `ml.search.plain` tells how."""
    return f"alcoves_plain({text})"


def labels(kind: str, switch: str) -> list[str]:
    """The few labels of each library, found by skipping from one to the next in the index of the many rows."""
    table = {"object": "ml_objectdetection", "sound": "ml_soundevent"}[kind]
    return [
        f"""{kind}_steps AS (
            SELECT mine.id AS library_id, (SELECT min(d.label) FROM {table} d WHERE d.library_id = mine.id) AS label
            FROM mine WHERE {switch}
            UNION ALL
            SELECT s.library_id,
                (SELECT min(d.label) FROM {table} d WHERE d.library_id = s.library_id AND d.label > s.label)
            FROM {kind}_steps s WHERE s.label IS NOT NULL)""",  # noqa: S608
        f"{kind}_labels AS MATERIALIZED (SELECT * FROM {kind}_steps WHERE label IS NOT NULL)",  # noqa: S608
    ]
