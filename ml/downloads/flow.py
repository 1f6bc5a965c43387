"""Which model a pipeline uses and where its files lie; what is not here is sent for.

A deriver asks `ready`. Where the model is missing its row is parked (`media.errors.WaitingError`), and
`ml.downloads.waking` makes it due when the last file has come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml import selection
from ml.downloads import ordering
from ml.errors import LicenceError, ModelMissingError
from ml.registry import licences, places
from ml.registry.specs import ModelSpec, Pipeline


@dataclass(frozen=True, slots=True)
class Ready:
    """A model whose files are here. `paths` by role: 'detector', 'recogniser', 'model', 'labels', 'vad' ..."""

    spec: ModelSpec
    paths: Mapping[str, Path]


def ready(pipeline: Pipeline) -> Ready:
    """The model that is chosen, with its files; one query where they are here.

    ModelMissingError where they are not: they are sent for, and the row waits. LicenceError where nobody has
    accepted the licence, without which nothing is fetched.
    """
    spec = selection.chosen(pipeline)
    if places.missing(spec):
        require_licence(spec)
        raise ModelMissingError(ordering.order(spec))
    return Ready(spec, {file.role: places.path_of(spec, file) for file in places.wanted_files(spec)})


def require_licence(spec: ModelSpec) -> None:
    if not selection.may_fetch(spec):
        title = licences.BY_ID[spec.licence].title
        raise LicenceError(
            f"{spec.title} is under a licence that has to be accepted first: {title}. "
            f"An administrator accepts it on the page of models, or with `manage.py models accept {spec.licence}`."
        )
