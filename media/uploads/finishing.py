"""A complete blob becomes a file, once, whoever asks and however often.

Two short transactions around the store's slow step, both under the lock of the upload's row: the first
enters the key in the register, the second names it. A crash anywhere leaves an upload that can be finished.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from media import blobs, intake
from media.intake import Admitted, Place, Stored
from media.models import Upload
from media.models.blob import FILES
from media.uploads import receiving
from media.uploads.errors import GoneError
from media.uploads.places import settled
from storage.base import BlobStat
from storage.errors import BlobNotFoundError, SizeMismatchError
from storage.registry import get_store

GONE = "This upload is no longer there. Begin it again."


def find_locked(upload_id: UUID) -> Upload:
    """The row, locked until the transaction ends. GoneError where it was swept or ended meanwhile."""
    rows = Upload.objects.select_for_update(of=("self",)).select_related("library", "folder")
    upload: Upload | None = rows.filter(pk=upload_id).first()
    if upload is None:
        raise GoneError(GONE)
    return upload


def finish(upload_id: UUID, publish: Callable[[Upload], BlobStat], sha256: str | None, *, way: str) -> Upload:
    """`publish` makes the blob visible under the upload's key, again and again the same; gives its stat."""
    with transaction.atomic():
        upload = find_locked(upload_id)
        if upload.finished_at is not None:
            return upload
        # Entered under the row's lock: a key that is named already must never come back into the register.
        blobs.register(
            [upload.key], due=max(upload.expires_at - timezone.now(), timedelta(0)) + blobs.WRITING
        )
    try:
        stat = publish(upload)
        sniffed = receiving.sniff_stored(get_store(FILES), upload.key, stat.size)
    except BlobNotFoundError:
        return find_finished(upload_id)
    stored = Stored(original_id_of(upload), upload.key, stat.size, sha256 or stat.sha256, sniffed)
    return admit_once(upload_id, stored, way=way)


def find_finished(upload_id: UUID) -> Upload:
    """Somebody finished it between our two looks, and its bytes were known already; else it is gone."""
    upload: Upload | None = Upload.objects.filter(pk=upload_id, finished_at__isnull=False).first()
    if upload is None:
        raise GoneError(GONE)
    return upload


def admit_once(upload_id: UUID, stored: Stored, *, way: str) -> Upload:
    with transaction.atomic():
        upload = find_locked(upload_id)
        if upload.finished_at is not None:
            return upload
        admitted = intake.admit(stored, place_of(upload))
        record(upload, admitted)
    receiving.count(way, admitted, stored.size)
    return upload


def record(upload: Upload, admitted: Admitted) -> None:
    upload.file = admitted.file
    upload.finished_at = timezone.now()
    upload.offset = upload.length or upload.offset
    upload.assembly = {}
    upload.save(update_fields=["file", "finished_at", "offset", "assembly", "updated_at"])


def place_of(upload: Upload) -> Place:
    place = Place(upload.library, upload.name, upload.folder, upload.user_id, upload.client_modified_at)
    return settled(place)


def publish_assembly(upload: Upload) -> BlobStat:
    """What a request that was refused has left behind the offset is cut off first."""
    store = get_store(FILES)
    try:
        return store.finish(upload.assembly, size=upload.offset)
    except SizeMismatchError:
        assembly, _ = store.append(upload.assembly, upload.offset, [])
        return store.finish(assembly, size=upload.offset)


def original_id_of(upload: Upload) -> UUID:
    """The id the key was made with; the Original gets it unless the bytes were known."""
    return UUID(upload.key.split("/")[1])


def is_duplicate(upload: Upload) -> bool:
    """Whether a finished upload brought bytes that the library had."""
    return upload.file is not None and upload.file.original_id != original_id_of(upload)
