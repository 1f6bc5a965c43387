"""Objects: what is to be seen in a file and when, the names of a library, the files of a name."""

from typing import Any
from uuid import UUID

from django.db.models import F
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media.api.access import find_file, find_library
from media.api.shapes import FilePageShape
from ml.api import findings
from ml.api.finding_shapes import LabelQuery, LabelShape, ObjectsShape
from ml.models import ObjectDetection
from ml.objects import recording


class FileObjects(APIView):
    """What is to be seen in a file."""

    @extend_schema(operation_id="libraries_files_objects_list", responses=ObjectsShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Of a picture the surest first, of a film by time. All of them: a run keeps no more than a thousand."""
        file, _ = find_file(request, library_id, file_id)
        rows = ObjectDetection.objects.filter(original=file.original_id)
        ordered = rows.order_by(F("start_seconds").asc(nulls_first=True), "-score", "id")
        return Response(
            {**findings.state_of(file, recording.DERIVER), "entries": [told(row) for row in ordered]}
        )


class ObjectLabels(APIView):
    """What is to be seen in a library."""

    @extend_schema(operation_id="libraries_objects_labels_list", responses=LabelShape(many=True))
    def get(self, request: Request, library_id: UUID) -> Response:
        """By frequency, with the number of files outside the trash."""
        library, _ = find_library(request, library_id)
        return Response(findings.labels_of(library, ObjectDetection))


class LibraryObjects(APIView):
    """Where something is to be seen."""

    @extend_schema(operation_id="libraries_objects_list", parameters=[LabelQuery], responses=FilePageShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        """The files in which it was found, the newest first unless another order is asked for."""
        library, _ = find_library(request, library_id)
        return findings.files_of(request, library, ObjectDetection)


def told(row: ObjectDetection) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "label": row.label,
        "score": row.score,
        "box": {"x": row.x, "y": row.y, "width": row.width, "height": row.height},
        "second": row.second,
        "start": row.start_seconds,
        "end": row.end_seconds,
    }
