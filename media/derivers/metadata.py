"""What the headers of a file say: size, time, place, streams. The planner runs again on its answer."""

from typing import Any, ClassVar, Final

from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from media.probing import probe
from media.sniffing import sniff_path

TOLD: Final = ("kind", "mime", "width", "height", "duration", "frames")
"""Facts of the row. All others are the Original's: where a picture was taken is for members of its library only."""


class MetadataDeriver(BaseDeriver):
    name: ClassVar[str] = "metadata"
    version: ClassVar[int] = 2
    queue: ClassVar[str] = "metadata"
    replans: ClassVar[bool] = True
    regroups: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return subject.kind in {"image", "video", "audio"} or subject.is_picture

    def derive(self, context: Context) -> Result:
        # Sniffed again: the planned kind may be the one a former probe has refined.
        path = context.source_path()
        found = probe(path, sniff_path(path)).as_json()
        return Ready(facts={name: found[name] for name in TOLD if name in found}, learnt=found)

    def record(self, original: Any, result: Ready) -> None:
        original.record_probe(result.learnt)
