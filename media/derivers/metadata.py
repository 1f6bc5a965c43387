"""What the headers of a file say: size, time, place, streams. The planner runs again on its answer."""

from typing import Any, BinaryIO, ClassVar, Final

from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from media.probing import probe, probe_streams
from media.sniffing import HEAD, TAIL, UNKNOWN, Sniffed, sniff

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
        sniffed = sniff_again(context)
        if sniffed.demuxer is not None:
            found = probe_streams(context.source_input(), sniffed).as_json()
        else:
            found = probe(context.source_path(), sniffed).as_json()
        return Ready(facts={name: found[name] for name in TOLD if name in found}, learnt=found)

    def record(self, original: Any, result: Ready) -> None:
        original.record_probe(result.learnt)


def sniff_again(context: Context) -> Sniffed:
    """The planned kind may be the one that a former probe has refined. Most types need no look at the last bytes."""
    size = context.subject.size
    with context.open_source(0, min(HEAD, size)) as source:
        head = read_all(source)
    found = sniff(head, size)
    if found.mime != UNKNOWN:
        return found
    with context.open_source(max(0, size - TAIL), size) as source:
        return sniff(head, size, read_all(source))


def read_all(source: BinaryIO) -> bytes:
    """A stream from a bucket may give less than is asked for."""
    return b"".join(iter(lambda: source.read(HEAD), b""))
