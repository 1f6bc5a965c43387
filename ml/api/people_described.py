"""People and faces as the API tells them. Needs the rows as `ml.faces.listing` reads them."""

from typing import Any
from uuid import UUID

from media.api.describing import derivative_url
from media.models import File
from ml.models import Face


def person(row: Any) -> dict[str, Any]:
    """Of `listing.shown`."""
    return {
        "id": str(row.pk),
        "libraryId": str(row.library_id),
        "name": row.name,
        "hidden": row.hidden,
        "faceCount": row.face_count,
        "fileCount": row.file_count,
        "cover": face(row.face, row.face.file) if row.face is not None else None,
        "coverChosen": row.face is not None and row.cover_chosen and row.cover_id == row.face.pk,
        "canUndoMerge": row.merges > 0,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def face(row: Any, file: UUID) -> dict[str, Any]:
    """As it is to be seen in this file."""
    return {
        "id": str(row.pk),
        "libraryId": str(row.library_id),
        "fileId": str(file),
        "personId": str(row.person_id) if row.person_id else None,
        "personName": row.person.name if row.person else None,
        "assignedBy": (row.assigned_by or None) if row.person_id else None,
        "distance": row.distance,
        "box": {"x": row.x, "y": row.y, "width": row.width, "height": row.height},
        "second": row.second,
        "spans": row.spans,
        "score": row.score,
        "quality": row.quality,
        "comparable": row.comparable,
        "drawn": row.drawn_by_id is not None,
        "cropUrl": crop_url(row, file),
    }


def crop_url(row: Face, file: UUID) -> str | None:
    """Its small picture is an output of the run that has found it; the address is that of any output."""
    derivative = row.derivative
    output = derivative.output(row.crop) if derivative is not None and row.crop else None
    if derivative is None or output is None:
        return None
    shown_in = File(pk=file, library_id=row.library_id)
    return derivative_url(shown_in, derivative.deriver, output, derivative.variant)
