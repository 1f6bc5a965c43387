"""Models: which each pipeline uses, whether it is here, and what is on its way."""

from typing import Any, Final

from ml import selection
from ml.models import Download
from ml.registry import licences, places
from ml.registry.specs import ModelSpec

SHOWN: Final = 30


def report() -> dict[str, Any]:
    return {
        "pipelines": [pipeline(spec, language) for spec, language in selection.all_chosen().values()],
        "downloads": [
            on_its_way(row) for row in Download.objects.exclude(state="ready").order_by("name")[:SHOWN]
        ],
    }


def pipeline(spec: ModelSpec, language: str) -> dict[str, Any]:
    missing = places.missing(spec)
    accepted = selection.may_fetch(spec) if missing else True
    return {
        "pipeline": spec.pipeline,
        "model": spec.id,
        "title": spec.title,
        "state": "here" if not missing else "missing" if accepted else "licence",
        "licence": licences.BY_ID[spec.licence].title,
        "language": language if spec.pipeline == "speech" else None,
        "bytes": spec.disk_bytes,
    }


def on_its_way(row: Download) -> dict[str, Any]:
    return {
        "name": row.name,
        "pipeline": row.pipeline,
        "state": row.state,
        "done": row.bytes_done,
        "total": row.bytes_total,
        "error": row.error,
    }
