"""What is among the things found, and how often: to narrow a search down. Counted over all, not a page.

Only the caller's libraries are counted, as only their things were found; hidden people and what is switched off are not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ml.search.sources import CAMERA, LOCAL, SHOWN, allowed

MOST: Final = 20
"""Of each, by count; of years all."""

OF_FILES: Final = "shown s JOIN media_file f ON f.id = s.item JOIN media_original o ON o.id = f.original_id"
SEEN: Final = f"""shown s JOIN ml_face c ON c.original_id = s.original_id AND NOT c.removed
    JOIN ml_person p ON p.id = c.person_id AND {SHOWN} AND p.library_id {allowed("faces")}"""
LABELLED: Final = f"""(
    SELECT s.item, d.label FROM shown s JOIN ml_objectdetection d ON d.original_id = s.original_id
        AND d.library_id {allowed("objects")}
    UNION SELECT s.item, d.label FROM shown s JOIN ml_soundevent d ON d.original_id = s.original_id
        AND d.library_id {allowed("audio_events")}) AS s"""  # noqa: S608  Made of constants, as all below.


@dataclass(frozen=True, slots=True)
class Facet:
    """`value` is what the filter of the same name takes, `name` what people read."""

    name: str
    tables: str
    value: str
    label: str = "NULL::text"
    where: str = "TRUE"
    most: int = MOST

    def select(self) -> str:
        """Counts files, not rows: one with three dogs is one."""
        return f"""(SELECT '{self.name}' AS section, NULL::uuid AS item, FALSE AS folder, NULL::int AS rank,
                NULL::timestamptz AS at, {self.value} AS value, {self.label} AS label,
                count(DISTINCT s.item) AS count
            FROM {self.tables} WHERE {self.where} GROUP BY {self.value}, {self.label}
            ORDER BY count DESC, value LIMIT {self.most})"""  # noqa: S608


FACETS: Final = (
    Facet(
        "type",
        "shown s LEFT JOIN media_original o ON o.id = s.original_id",
        "CASE WHEN s.folder THEN 'folder' ELSE o.kind END",
    ),
    Facet(
        "library", "shown s JOIN media_library l ON l.id = s.library_id", "s.library_id::text", label="l.name"
    ),
    Facet("year", OF_FILES, f"extract(YEAR FROM {LOCAL})::int::text", most=400),
    Facet("person", SEEN, "p.id::text", label="p.name"),
    Facet("label", LABELLED, "s.label"),
    Facet("camera", OF_FILES, CAMERA, where=f"{CAMERA} <> ''"),
)
NAMES: Final = tuple(facet.name for facet in FACETS)


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
