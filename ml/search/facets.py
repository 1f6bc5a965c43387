"""What is among the things found, and how often: to narrow a search down. Counted over all pages, of much the best.

Only things of the caller's libraries were found, so only they are counted; hidden people and what is off are not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml.search.dates import FIRST_YEAR, LAST_YEAR
from ml.search.filters import FOLDERS
from ml.search.sources import SHOWN, allowed, local

MOST: Final = 20
"""Of each, by count; of years all."""

COUNTED: Final = 10_000
"""Facets are of so many, of the highest ranks and the newest. To read what is on 100,000 pictures takes seconds."""

COLUMNS_OF_FILES: Final = "o.kind, o.captured_offset, o.camera_make, o.camera_model"
"""What counting needs of each file, read where its filters are; as it stands, for most are never counted."""
COLUMNS_OF_FOLDERS: Final = f"'{FOLDERS}', NULL, '', ''"

SEEN: Final = f"""(
    SELECT DISTINCT s.item, p.id, p.name
    FROM counted s JOIN ml_face c ON c.original_id = s.original_id AND NOT c.removed
    JOIN ml_person p ON p.id = c.person_id AND {SHOWN} AND p.library_id {allowed("faces")}) AS s"""  # noqa: S608  Made of constants, as all below.
LABELLED: Final = f"""(
    SELECT s.item, d.label FROM counted s JOIN ml_objectdetection d ON d.original_id = s.original_id
        AND d.library_id {allowed("objects")}
    UNION SELECT s.item, d.label FROM counted s JOIN ml_soundevent d ON d.original_id = s.original_id
        AND d.library_id {allowed("audio_events")}) AS s"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Facet:
    """`value` is what the filter of the same name takes, `label` what people read.

    `tables` have each file once for each value: one with three dogs is one.
    """

    name: str
    value: str
    tables: str = "counted s"
    label: str = "NULL::text"
    where: str = "TRUE"
    most: int = MOST

    def select(self) -> str:
        return f"""(SELECT '{self.name}' AS section, NULL::uuid AS item, FALSE AS folder, NULL::int AS rank,
                NULL::timestamptz AS at, {self.value} AS value, {self.label} AS label, count(*) AS count
            FROM {self.tables} WHERE {self.where} GROUP BY {self.value}, {self.label}
            ORDER BY count DESC, value LIMIT {self.most})"""  # noqa: S608


FACETS: Final = (
    Facet("type", "s.kind"),
    Facet("library", "s.library_id::text", "counted s JOIN media_library l ON l.id = s.library_id", "l.name"),
    Facet("year", "s.year::text", where="s.year IS NOT NULL", most=LAST_YEAR - FIRST_YEAR + 1),
    Facet("person", "s.id::text", SEEN, "s.name"),
    Facet("label", "s.label", LABELLED),
    Facet("camera", "s.camera", where="s.camera <> ''"),
)
NAMES: Final = tuple(facet.name for facet in FACETS)


def best() -> str:
    """Those of `shown` that are counted, with what is made of their columns."""
    return f"""SELECT s.item, s.original_id, s.library_id, s.kind,
            CASE WHEN NOT s.folder THEN extract(YEAR FROM {local("s.at", "s.captured_offset")})::int END AS year,
            alcoves_camera(s.camera_make, s.camera_model) AS camera
        FROM (SELECT * FROM shown ORDER BY rank DESC, at DESC, item DESC LIMIT {COUNTED:d}) AS s"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Count:
    value: str
    name: str
    count: int


def counted(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Count]]:
    """Every facet, by count; years from the newest on."""
    found: dict[str, list[Count]] = {name: [] for name in NAMES}
    for row in rows:
        found[row["section"]].append(Count(row["value"], row["label"] or row["value"], row["count"]))
    found["year"].sort(key=lambda one: int(one.value), reverse=True)
    return found
