"""A deriver that needs a model and does nothing with it."""

from typing import ClassVar

from media.derivers.base import BaseDeriver, Context, Ready, Result
from media.subject import Subject
from ml import downloads


class FacesDeriver(BaseDeriver):
    """Copies nothing: its facts tell which model it was given."""

    name: ClassVar[str] = "faces"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "face-detection"

    def accepts(self, subject: Subject) -> bool:
        return subject.kind == "image"

    def derive(self, context: Context) -> Result:
        ready = downloads.ready("faces")
        return Ready(
            facts={"model": ready.spec.id, "files": sorted(path.name for path in ready.paths.values())}
        )
