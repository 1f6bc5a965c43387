"""Short ways to bring bytes in and to run what is queued, for tests of other rooms."""

import hashlib
from pathlib import Path
from uuid import UUID

from media import blobs, intake, ledger, runs
from media.intake import Admitted, Place, Stored
from media.models import Derivative, Library, uuid7
from media.sniffing import sniff
from storage.registry import get_store


def put_bytes(library: Library, content: bytes, *, hashed: bool = True) -> Stored:
    """Store bytes as an upload would, registered and not yet named."""
    original_id = uuid7()
    key = blobs.original_key(library.pk, original_id)
    blobs.register([key])
    get_store("files").put(key, [content])
    digest = hashlib.sha256(content).hexdigest() if hashed else None
    return Stored(original_id, key, len(content), digest, sniff(content[:65536], len(content)))


def take_in(library: Library, content: bytes | Path, name: str, *, hashed: bool = True) -> Admitted:
    data = content.read_bytes() if isinstance(content, Path) else content
    return intake.admit(put_bytes(library, data, hashed=hashed), Place(library, name))


def run_queued(limit: int = 50) -> int:
    """Run everything that is queued, in this process, as a worker would; returns how many runs."""
    count = 0
    while count < limit and (row := ledger.waiting().order_by("queued_at").first()) is not None:
        runs.run(row.pk)
        count += 1
    return count


def derivative(file_original_id: UUID, deriver: str) -> Derivative:
    found: Derivative = Derivative.objects.get(original_id=file_original_id, deriver=deriver)
    return found
