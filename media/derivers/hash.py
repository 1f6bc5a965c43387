"""Reads an original once to know its SHA-256: for presigned uploads, whose bytes nobody here has seen."""

from typing import Any, ClassVar

from media.derivers.base import BaseDeriver, Context, Ready, Result, Subject
from media.hashing import hash_stream


class HashDeriver(BaseDeriver):
    name: ClassVar[str] = "hash"
    version: ClassVar[int] = 1
    queue: ClassVar[str] = "hash"
    regroups: ClassVar[bool] = True
    """Bytes that turn out to be known already share what was learnt of them."""
    hidden: ClassVar[bool] = True

    def accepts(self, subject: Subject) -> bool:
        return not subject.hashed

    def derive(self, context: Context) -> Result:
        size = context.subject.size

        def progress(done: int) -> None:
            context.progress(100.0 * done / size if size else 100.0)

        with context.open_source() as reader:
            digest = hash_stream(reader, abandoned=context.abandoned, progress=progress)
        return Ready(facts={"sha256": digest, "size": size})

    def record(self, original: Any, result: Ready) -> None:
        original.adopt_digest(result.facts["sha256"])
