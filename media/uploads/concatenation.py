"""tus concatenation: partial uploads, sent side by side, become one file in the order the client gives.

The parts are read once and written once, hashed on the way; memory stays at one block. The parts go away in
the transaction that names the file, so a client that asks again never makes a second one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from media import blobs, intake
from media.errors import ConflictError, RequestError
from media.intake import Admitted, Place, Stored
from media.models import Folder, Library, Upload
from media.models.blob import FILES
from media.models.upload import UploadKind
from media.uploads import expiry, finishing, receiving, tus
from media.uploads.errors import GoneError, NoSuchUploadError
from media.uploads.places import settled
from storage.base import CHUNK_SIZE
from storage.errors import BlobNotFoundError
from storage.registry import get_store

MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Assembling:
    """What a client says when it joins its partial uploads."""

    library: Library
    user_id: UUID
    name: str
    parts: Sequence[UUID]
    metadata: str = ""
    folder: Folder | None = None
    client_modified_at: datetime | None = None


def concatenate(wanted: Assembling) -> Upload:
    """One finished upload of all the parts. 404 for a part not the caller's, 409 for one not complete."""
    done = find_final(wanted)
    if done is not None:
        return done
    parts = find_parts(wanted)
    for part in parts:
        publish_part(part)
    total = sum(part.offset for part in parts)
    stored = receiving.receive(
        wanted.library, bytes_of(parts), size=total, besides=[part.pk for part in parts]
    )
    try:
        upload, admitted = name_once(wanted, stored)
    except BaseException:
        receiving.doom([stored.key])
        raise
    receiving.count(tus.WAY, admitted, stored.size)
    return upload


def find_final(wanted: Assembling) -> Upload | None:
    """The answer got lost and the client asks again: the same parts in the same order are joined already."""
    rows = Upload.objects.select_related("file").filter(
        kind=UploadKind.TUS_FINAL, library=wanted.library, user_id=wanted.user_id, file__isnull=False
    )
    found: Upload | None = rows.filter(parts=[str(part) for part in wanted.parts]).first()
    return found


def find_parts(wanted: Assembling) -> list[Upload]:
    """The caller's complete partial uploads of this library, in the order given."""
    if not 1 <= len(set(wanted.parts)) == len(wanted.parts) <= MOST_PARTS:
        raise RequestError(
            f"Name 1 to {MOST_PARTS} partial uploads, each once, in their order.", code="bad_parts"
        )
    rows = Upload.objects.filter(
        pk__in=wanted.parts, library=wanted.library, user_id=wanted.user_id, kind=UploadKind.TUS_PARTIAL
    )
    found = {row.pk: row for row in rows}
    if len(found) != len(wanted.parts):
        raise NoSuchUploadError("One of the partial uploads is unknown here. Upload that part again.")
    parts = [found[key] for key in wanted.parts]
    for part in parts:
        expiry.require_live(part)
        if not tus.is_complete(part):
            raise ConflictError(f"The partial upload {part.pk} is not complete. Send the rest of it first.")
    return parts


def publish_part(part: Upload) -> None:
    """Make the part readable. Its key stays in the register: no row ever names it."""
    blobs.register([part.key])
    try:
        finishing.publish_assembly(part)
    except BlobNotFoundError:
        raise GoneError("A partial upload is no longer there. Upload that part again.") from None


def bytes_of(parts: Sequence[Upload]) -> Iterator[bytes]:
    store = get_store(FILES)
    for part in parts:
        with store.open(part.key) as reader:
            while block := reader.read(CHUNK_SIZE):
                yield block


def name_once(wanted: Assembling, stored: Stored) -> tuple[Upload, Admitted]:
    """The file, the upload that tells of it, and the end of the parts, in one transaction."""
    with transaction.atomic():
        parts = list(Upload.objects.select_for_update().filter(pk__in=wanted.parts).order_by("pk"))
        if len(parts) != len(wanted.parts):
            raise ConflictError(
                "Another request has joined these partial uploads already. Look for the file there."
            )
        place = Place(wanted.library, wanted.name, wanted.folder, wanted.user_id, wanted.client_modified_at)
        admitted = intake.admit(stored, settled(place))
        upload = create_final(wanted, stored, admitted)
        receiving.doom([part.key for part in parts])
        Upload.objects.filter(pk__in=wanted.parts).delete()
    return upload, admitted


def create_final(wanted: Assembling, stored: Stored, admitted: Admitted) -> Upload:
    upload: Upload = Upload.objects.create(
        library=wanted.library,
        folder=wanted.folder,
        user_id=wanted.user_id,
        kind=UploadKind.TUS_FINAL,
        name=admitted.file.name,
        metadata=wanted.metadata,
        length=stored.size,
        offset=stored.size,
        key=stored.key,
        parts=[str(part) for part in wanted.parts],
        file=admitted.file,
        finished_at=timezone.now(),
        expires_at=expiry.next_expiry(),
    )
    return upload
