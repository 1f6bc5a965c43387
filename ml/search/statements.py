"""The two statements of a search: what is found, in order and counted; and why each thing of a page was found.

    places -> hits -> found (meets every need) -> passed (filters) -> shown (stacks closed) -> page, total
                                                          shown -> counted (the best) -> facets

All in one statement, so that a page, its total and its facets are of one moment, and nothing is asked for each row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from ml.search.facets import COLUMNS_OF_FILES, COLUMNS_OF_FOLDERS, FACETS, best
from ml.search.filters import Filters
from ml.search.sources import (
    DATE,
    FOLDER_ITSELF,
    NEVER,
    NO_KEY,
    TOLD,
    TRANSCRIPT,
    WHOLE,
    Looking,
    Source,
    allowed,
)

DEEPEST: Final = 1000
"""How many of the found are fused with what vectors found; the rest follows in its own order."""
MOST_SEGMENTS: Final = 3
"""Of each film that are told: those with most of the needs, and of equals the first."""
MARKS: Final = ("\x02", "\x03")
"""Around what was found in a segment. The text itself is freed of them."""
HEADLINE: Final = f"HighlightAll=true,StartSel={MARKS[0]},StopSel={MARKS[1]}"

LARGEST_VECTOR: Final = 1_000_000
"""Bytes: two vectors of words that are larger together may be too large for Postgres to join (1 MiB)."""

COLUMNS: Final = ("section", "item", "folder", "rank", "at", "value", "label", "count")
TRANSCRIBED: Final = """spoken q JOIN ml_transcript x ON alcoves_words(x.language, x.text) @@ q.query
    AND alcoves_family(x.language) = ANY (q.families)"""
"""The transcripts in which something of the question is said."""
BOUND: Final = """JOIN (SELECT count(*) AS needs FROM binding) AS b ON TRUE
    LEFT JOIN (SELECT h.item, count(DISTINCT h.need) AS needs FROM hits h JOIN binding USING (need)
        GROUP BY h.item) AS met ON met.item = f.id
    WHERE coalesce(met.needs, 0) = b.needs AND"""
"""What vectors found, where it meets all that binds it."""
NOTHING: Final = "SELECT 0 AS need, NULL::uuid AS item, FALSE AS folder, FALSE AS own, 0 AS score WHERE FALSE"


@dataclass(frozen=True, slots=True)
class After:
    """Where the last page ended, in the order of ranks."""

    rank: int
    at: datetime
    item: UUID


@dataclass(frozen=True, slots=True)
class Part:
    """Which of the found are wanted. `meant` are originals that vectors found: they need no word to be found by."""

    limit: int
    after: After | None = None
    facets: bool = True
    meant: Sequence[UUID] = ()


Statement = tuple[str, dict[str, Any]]


def finding(looking: Looking, filters: Filters, part: Part) -> Statement:
    """Rows of COLUMNS: `page` in order, one `total`, and the facets. Never more than `limit` of the page."""
    values = looking.values
    tables = [
        *(looking.tables() if looking.question.needs else [looking.mine()]),
        *filters.tables(values),
        f"hits AS ({' UNION ALL '.join(hits(looking)) or NOTHING})",
        *([looking.binding()] if part.meant and looking.question.wanted else []),
        f"found AS ({found(looking, part)})",
        f"passed AS ({passed(filters, looking)})",
        f"shown AS MATERIALIZED ({shown(filters)})",
        *([f"counted AS MATERIALIZED ({best()})"] if part.facets else []),
    ]
    sections = [page(part, looking), TOTAL, *(facet.select() for facet in FACETS if part.facets)]
    statement = f"WITH RECURSIVE {', '.join(tables)} {' UNION ALL '.join(sections)}"
    return statement, values.bound


def hits(looking: Looking) -> list[str]:
    """A row for each thing and need, from each place where it is met."""
    if not looking.question.needs:
        return []
    return [
        *(
            f"""SELECT {need} AS need, m.item, FALSE AS folder, TRUE AS own,
                {looking.worth(source, term, need)} AS score
            FROM {looking.met(source, term, need)}"""  # noqa: S608
            for need, term, source in looking.places()
        ),
        *(
            f"""SELECT {need}, f.id, FALSE, TRUE, {DATE.weight * WHOLE} FROM {TOLD}
            WHERE {looking.at(term.when)} AND {looking.own(DATE)}"""  # noqa: S608
            for need, term in looking.needs()
            if term.when is not None
        ),
        """SELECT t.need, f.id, FALSE, TRUE, t.score FROM tree t JOIN media_file f ON f.folder_id = t.id
            WHERE f.trashed_at IS NULL""",
        f"""SELECT t.need, t.id, TRUE, t.own, CASE WHEN t.own THEN {FOLDER_ITSELF * WHOLE} ELSE t.score END
            FROM tree t""",  # noqa: S608
        f"""SELECT q.need, f.id, FALSE, TRUE, {TRANSCRIPT.weight * WHOLE}
            FROM {TRANSCRIBED} JOIN media_file f ON f.original_id = x.original_id
            WHERE {looking.own(TRANSCRIPT)}""",  # noqa: S608
    ]


def found(looking: Looking, part: Part) -> str:
    """What meets every need and nothing unwanted. What only vectors found has rank 0, and meets those that bind it."""
    wanted = len(looking.question.wanted)
    by_words = f"""SELECT item, folder, sum(score)::int AS rank FROM (
            SELECT need, item, folder, bool_or(own) AS own, max(score) AS score
            FROM hits GROUP BY need, item, folder) AS best
        GROUP BY item, folder HAVING count(*) = {wanted} AND min(need) >= 0 AND bool_or(own)"""  # noqa: S608
    if not part.meant:
        return by_words
    where = BOUND if wanted else "WHERE"
    return f"""SELECT item, folder, max(rank) AS rank FROM ({by_words}
            UNION ALL SELECT f.id, FALSE, 0 FROM media_file f {where} f.trashed_at IS NULL
                AND f.original_id = ANY ({looking.values.bind(list(part.meant))}::uuid[])
                AND f.library_id {allowed("semantic")}
                AND f.id NOT IN (SELECT item FROM hits WHERE need < 0)) AS either
        GROUP BY item, folder"""  # noqa: S608


def passed(filters: Filters, looking: Looking) -> str:
    """With what the order, the stacks and the facets need."""
    of_files = " AND ".join(["NOT c.folder", *filters.of_files(looking.values)])
    of_folders = " AND ".join(["c.folder", *filters.of_folders()])
    return f"""SELECT c.item, FALSE AS folder, c.rank, f.effective_at AS at, f.original_id, f.library_id,
            k.primary_id AS leader, {COLUMNS_OF_FILES}
        FROM found c JOIN media_file f ON f.id = c.item JOIN media_original o ON o.id = f.original_id
            LEFT JOIN media_stack k ON k.id = f.stack_id
        WHERE {of_files}
        UNION ALL SELECT c.item, TRUE, c.rank, d.created_at, NULL, d.library_id, NULL, {COLUMNS_OF_FOLDERS}
        FROM found c JOIN media_folder d ON d.id = c.item WHERE {of_folders}"""  # noqa: S608


def shown(filters: Filters) -> str:
    """One for all of a stack, where the one that stands for them was found itself."""
    if filters.stacks == "open":
        return "SELECT * FROM passed"
    return """SELECT * FROM passed p
        WHERE p.leader IS NULL OR p.leader = p.item OR p.leader NOT IN (SELECT item FROM passed)"""


def page(part: Part, looking: Looking) -> str:
    after = ""
    if part.after is not None:
        bound = ", ".join(
            looking.values.bind(value) for value in (part.after.rank, part.after.at, part.after.item)
        )
        after = f"AND (s.rank, s.at, s.item) < ({bound})"
    by_words = f"""(SELECT 'page' AS section, s.item, s.folder, s.rank, s.at, NULL::text AS value, NULL::text AS label,
            NULL::bigint AS count
        FROM shown s WHERE s.rank > 0 {after}
        ORDER BY s.rank DESC, s.at DESC, s.item DESC LIMIT {part.limit:d})"""  # noqa: S608
    if not part.meant:
        return by_words
    return f"""{by_words}
        UNION ALL (SELECT 'meant', s.item, s.folder, s.rank, s.at, s.original_id::text, NULL, NULL FROM shown s
            WHERE s.original_id = ANY ({looking.values.bind(list(part.meant))}::uuid[]))"""  # noqa: S608


TOTAL: Final = "SELECT 'total', NULL, FALSE, max(rank), NULL, NULL, NULL, count(*) FROM shown"
"""Where the highest rank is 0, words found nothing."""

WHY: Final = ("need", "item", "source", "score", "text", "second", "key")


def explaining(looking: Looking) -> Statement:
    """Rows of WHY for the items of a page (`among`): every place where each of them meets a need."""
    tables = ", ".join(looking.tables())
    return f"WITH RECURSIVE {tables} {' UNION ALL '.join(reasons(looking))}", looking.values.bound


def reasons(looking: Looking) -> list[str]:
    return [
        *(
            f"""SELECT {need} AS need, m.item, '{source.name}' AS source,
                {looking.worth(source, term, need)} AS score, m.text, m.second, m.key
            FROM {looking.met(source, term, need, *told_of(source))}"""  # noqa: S608
            for need, term, source in looking.places()
        ),
        *(
            f"""SELECT {need}, f.id, '{DATE.name}', {DATE.weight * WHOLE}, {DATE.text}, {NEVER}, {NO_KEY}
            FROM {TOLD} WHERE {looking.at(term.when)} AND {looking.own(DATE)}"""  # noqa: S608
            for need, term in looking.needs()
            if term.when is not None
        ),
        f"""SELECT t.need, f.id, 'folder', t.score, k.name, {NEVER}, k.id
            FROM tree t JOIN media_file f ON f.folder_id = t.id JOIN media_folder k ON k.id = t.key
            WHERE f.id = ANY ({looking.values.bind(looking.among)})""",  # noqa: S608
        f"""SELECT t.need, t.id, 'folder', t.score, k.name, {NEVER}, k.id
            FROM tree t JOIN media_folder k ON k.id = t.key
            WHERE t.id = ANY ({looking.values.bind(looking.among)})""",  # noqa: S608
        said(looking),
    ]


def told_of(source: Source) -> tuple[str, ...]:
    return f"{source.text} AS text", f"{source.second} AS second", f"{source.key} AS key"


def said(looking: Looking) -> str:
    """The segments in which it is said, read of those transcripts alone that the index finds. A quotation may begin in
    one and end in the next."""
    return f"""SELECT need, item, 'transcript', {TRANSCRIPT.weight * WHOLE},
            ts_headline(('pg_catalog.' || family)::regconfig, translate(text, '{"".join(MARKS)}', ''), query,
                '{HEADLINE}'), start_seconds, id
        FROM (SELECT matched.*,
            dense_rank() OVER (PARTITION BY item ORDER BY needs DESC, start_seconds, id) AS place
        FROM (SELECT q.need, q.query, x.item, s.id, s.start_seconds, s.text, alcoves_family(x.language) AS family,
                count(*) OVER (PARTITION BY s.id) AS needs
            FROM (SELECT f.id AS item, x.id, x.language
                FROM (SELECT DISTINCT x.id, x.original_id, x.language FROM {TRANSCRIBED} OFFSET 0) AS x
                JOIN media_file f ON f.original_id = x.original_id WHERE {looking.own(TRANSCRIPT)}) AS x
            CROSS JOIN LATERAL (
                SELECT s.*, lead(text) OVER beside AS next, lead(words) OVER beside AS next_words
                FROM (SELECT id, position, start_seconds, text, alcoves_words(x.language, text) AS words
                    FROM ml_transcriptsegment WHERE transcript_id = x.id OFFSET 0) AS s
                WINDOW beside AS (ORDER BY position)) AS s
            JOIN spoken q ON alcoves_family(x.language) = ANY (q.families)
                AND (s.words @@ q.query OR numnode(q.query) > 1
                    AND CASE WHEN pg_column_size(s.words) + pg_column_size(s.next_words) > {LARGEST_VECTOR}
                        THEN TRUE ELSE (s.words || s.next_words) @@ q.loosely END
                    AND NOT s.next_words @@ q.query
                    AND alcoves_words(x.language, s.text || ' ' || s.next) @@ q.query)) AS matched) AS told
        WHERE place <= {MOST_SEGMENTS}"""  # noqa: S608
