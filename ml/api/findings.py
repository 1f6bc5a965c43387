"""What objects and sounds have in common: the names of a library with their files, the files of a name."""

from typing import Any, Final

from django.db import connection
from django.db.models import Exists, OuterRef
from rest_framework.request import Request
from rest_framework.response import Response

from media.api.files import PAGE_LIMIT, page_of
from media.api.libraries import checked
from media.models import Derivative, File, Library
from ml.api.finding_shapes import LabelQuery

LABELS: Final = """
SELECT found.label, sum(live.files)::integer
FROM (SELECT DISTINCT label, original_id FROM {table} WHERE library_id = %(library)s) found
JOIN (SELECT original_id, count(*) AS files FROM media_file
      WHERE library_id = %(library)s AND trashed_at IS NULL GROUP BY original_id) live USING (original_id)
WHERE NOT EXISTS (SELECT FROM media_original o WHERE o.id = found.original_id AND o.held_at IS NOT NULL)
GROUP BY found.label ORDER BY 2 DESC, 1
"""
"""Each original once for each name, however often it was found there: an index has these pairs in order."""


def labels_of(library: Library, model: Any) -> list[dict[str, Any]]:
    """The names that were found in files outside the trash, the most frequent first. One query."""
    with connection.cursor() as cursor:
        cursor.execute(LABELS.format(table=model._meta.db_table), {"library": library.pk})
        return [{"label": label, "files": files} for label, files in cursor.fetchall()]


def files_of(request: Request, library: Library, model: Any) -> Response:
    """A page of the live files in which a name was found."""
    given = checked(LabelQuery(data=request.query_params))
    rows = model.objects.filter(
        library=library,
        label=given["label"],
        original=OuterRef("original_id"),
        score__gte=given["minScore"],
    )
    files = File.objects.live().filter(Exists(rows), library=library, original__held_at=None)
    limit = min(given["limit"], PAGE_LIMIT)
    return Response(page_of(request, library, files, given["order"], given.get("cursor"), limit))


def state_of(file: File, deriver: str) -> dict[str, Any]:
    """How far the job is, and which model has made what is shown. Needs `find_file`; costs no query."""
    rows: list[Derivative] = list(file.original.derivatives.all())
    row = next((row for row in rows if row.deriver == deriver and row.variant == ""), None)
    return {
        "status": row.status if row else None,
        "model": row.made_by.get("model") if row else None,
    }
