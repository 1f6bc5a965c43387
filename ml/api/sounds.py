"""Sounds: what is to be heard in a file and when, the names of a library, the files of a name."""

import math
from typing import Any
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api import cursors
from media.api.access import find_file, find_library
from media.api.libraries import checked
from media.api.shapes import FilePageShape
from ml.api import findings
from ml.api.finding_shapes import LabelQuery, LabelShape, SoundsQuery, SoundsShape
from ml.audio_events import recording
from ml.models import SoundEvent


class FileSounds(APIView):
    """What is to be heard in a file."""

    @extend_schema(
        operation_id="libraries_files_sounds_list", parameters=[SoundsQuery], responses=SoundsShape
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """By time, in each window the surest first."""
        file, _ = find_file(request, library_id, file_id)
        given = checked(SoundsQuery(data=request.query_params))
        rows = SoundEvent.objects.filter(original=file.original_id)
        if "start" in given:
            rows = rows.filter(end_seconds__gt=given["start"])
        if "end" in given:
            rows = rows.filter(start_seconds__lt=given["end"])
        return Response({**findings.state_of(file, recording.DERIVER), **page_of(rows, given)})


def page_of(rows: Any, given: dict[str, Any]) -> dict[str, Any]:
    """So many from the cursor on. Keys rise in the order in which a run has heard them, so they order a window."""
    limit = given["limit"]
    if "cursor" in given:
        start, key = place_of(given["cursor"])
        rows = rows.filter(Q(start_seconds__gt=start) | Q(id__gt=key), start_seconds__gte=start)
    found = list(rows.order_by("start_seconds", "id")[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
    return {
        "entries": [told(row) for row in found[:limit]],
        "nextCursor": cursors.encode(repr(last.start_seconds), last.pk) if last is not None else None,
    }


def place_of(cursor: str) -> tuple[float, UUID]:
    """RequestError for anything that `page_of` has not made."""
    text, key = cursors.decode(cursor)
    try:
        start = float(text)
    except ValueError:
        raise cursors.refusal() from None
    if not math.isfinite(start):
        raise cursors.refusal()
    return start, key


class SoundLabels(APIView):
    """What is to be heard in a library."""

    @extend_schema(operation_id="libraries_sounds_labels_list", responses=LabelShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """By frequency, with the number of files outside the trash."""
        library, _ = find_library(request, library_id)
        return Response(findings.labels_of(library, SoundEvent))


class LibrarySounds(APIView):
    """Where something is to be heard."""

    @extend_schema(operation_id="libraries_sounds_list", parameters=[LabelQuery], responses=FilePageShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        """The files in which it was heard, the newest first unless another order is asked for."""
        library, _ = find_library(request, library_id)
        return findings.files_of(request, library, SoundEvent)


def told(row: SoundEvent) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "label": row.label,
        "score": row.score,
        "start": row.start_seconds,
        "end": row.end_seconds,
    }
