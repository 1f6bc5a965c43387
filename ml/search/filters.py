"""What else has to hold of what is found: kind, person, label, days, camera, tag, folder."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ml.search.sources import CAMERA, LOCAL, Values, allowed

FOLDERS: Final = "folder"
"""The kind of what is no file."""

IS_SEEN: Final = """EXISTS (SELECT FROM ml_face c JOIN ml_person p ON p.id = c.person_id
    WHERE c.original_id = o.id AND p.id = {value} AND NOT c.removed AND NOT p.hidden AND p.merged_into_id IS NULL
        AND c.library_id {allowed})"""
HAS_LABEL: Final = """EXISTS (SELECT FROM {table} d
    WHERE d.original_id = o.id AND lower(d.label) = lower({value}) AND d.library_id {allowed})"""
WEARS: Final = """EXISTS (SELECT FROM media_moment m JOIN media_moment_tags w ON w.moment_id = m.id
    WHERE m.file_id = f.id AND m.trashed_at IS NULL AND w.tag_id = {value})"""
INSIDE: Final = """inside AS (
    SELECT d.id FROM media_folder d WHERE d.id = {value} AND d.trashed_at IS NULL AND d.library_id {allowed}
    UNION SELECT d.id FROM inside JOIN media_folder d ON d.parent_id = inside.id AND d.trashed_at IS NULL)"""


@dataclass(frozen=True, slots=True)
class Filters:
    """None and empty: anything goes. `since` and `until` are wall clocks where the picture was taken."""

    kind: str | None = None
    person: UUID | None = None
    label: str = ""
    since: datetime | None = None
    until: datetime | None = None
    camera: str = ""
    tag: UUID | None = None
    folder: UUID | None = None
    stacks: str = "closed"

    @property
    def takes_folders(self) -> bool:
        """A folder has neither faces nor a camera."""
        of_files = (self.person, self.label, self.since, self.until, self.camera, self.tag)
        return self.kind in {None, FOLDERS} and not any(of_files)

    @property
    def takes_files(self) -> bool:
        return self.kind != FOLDERS

    def tables(self, values: Values) -> list[str]:
        return [INSIDE.format(value=values.bind(self.folder), allowed=allowed())] if self.folder else []

    def of_files(self, values: Values) -> list[str]:
        """Conditions on `f` and `o`. What operators have set aside is not found, nor counted."""
        found = ["o.held_at IS NULL"] if self.takes_files else ["FALSE"]
        if self.takes_files and self.kind is not None:
            found.append(f"o.kind = {values.bind(self.kind)}")
        if self.person is not None:
            found.append(IS_SEEN.format(value=values.bind(self.person), allowed=allowed("faces")))
        if self.label:
            found.append(f"({' OR '.join(self.with_label(values))})")
        if self.since is not None:
            found.append(f"{LOCAL} >= {values.bind(self.since.isoformat())}::timestamp")
        if self.until is not None:
            found.append(f"{LOCAL} < {values.bind(self.until.isoformat())}::timestamp")
        if self.camera:
            found.append(f"UPPER({CAMERA}) = UPPER({values.bind(self.camera)})")
        if self.tag is not None:
            found.append(WEARS.format(value=values.bind(self.tag)))
        if self.folder is not None:
            found.append("f.folder_id IN (SELECT id FROM inside)")
        return found

    def with_label(self, values: Values) -> list[str]:
        value = values.bind(self.label)
        switches = {"ml_objectdetection": "objects", "ml_soundevent": "audio_events"}
        return [
            HAS_LABEL.format(table=table, value=value, allowed=allowed(switch))
            for table, switch in switches.items()
        ]

    def of_folders(self) -> list[str]:
        """Conditions on `d`, a folder."""
        found = [] if self.takes_folders else ["FALSE"]
        return [*found, "d.parent_id IN (SELECT id FROM inside)"] if self.folder is not None else found
