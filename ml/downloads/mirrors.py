"""The address of a file: on the operator's mirror of the pipeline, on that of all, else where it is published."""

from django.conf import settings

from ml.downloads.errors import NotOnMirrorError
from ml.registry.specs import ModelFile, ModelSpec


def address_of(spec: ModelSpec, file: ModelFile) -> str:
    """NotOnMirrorError for a file that is published nowhere, where no mirror is named."""
    if file.role == "labels" and settings.SOUND_LABELS_URL:
        return str(settings.SOUND_LABELS_URL)
    base = settings.MODEL_BASE_URLS[spec.pipeline] or settings.MODEL_BASE_URL
    if base:
        return f"{base.rstrip('/')}/{file.path}"
    if not file.origin:
        name = f"ALCOVES_{spec.pipeline.upper()}_MODEL_BASE_URL"
        raise NotOnMirrorError(
            f"{file.name} is published nowhere. Put it on a mirror of yours and name that in {name}, or bring it with"
            " `manage.py models import`."
        )
    return file.origin
