"""tus 1.0.0 without HTTP: create, append, look, terminate. State is in the row and the store, nowhere else.

What a killed process can cost is the bytes since the last checkpoint; never an offset that lies.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from media import blobs
from media.errors import ConflictError, MediaError
from media.intake import clean_name
from media.models import Folder, Library, Upload, uuid7
from media.models.blob import FILES
from media.models.upload import UploadKind
from media.uploads import digests, expiry, finishing, locks, receiving
from media.uploads.errors import (
    ClientGoneError,
    EmptyFileError,
    GoneError,
    LockedError,
    OffsetError,
    TooLongError,
)
from media.uploads.passage import Checksum, Passage
from media.uploads.room import get_ceiling
from storage.errors import StoreError
from storage.registry import get_store

logger = logging.getLogger(__name__)
WAY = "tus"


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client says when it begins. `length` None: it tells later."""

    library: Library
    user_id: UUID
    name: str
    length: int | None
    partial: bool = False
    metadata: str = ""
    declared_type: str = ""
    folder: Folder | None = None
    client_modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """One request's bytes. `size`: how many were announced; `length`: of the whole, where it was deferred."""

    offset: int
    chunks: Iterable[bytes]
    size: int | None = None
    length: int | None = None
    checksum: Checksum | None = None


def create(creation: Creation) -> Upload:
    if creation.length == 0:
        raise EmptyFileError(receiving.EMPTY_MESSAGE)
    get_ceiling(creation.library).require(creation.length or 1)
    key = blobs.original_key(creation.library.pk, uuid7())
    upload: Upload = Upload.objects.create(
        library=creation.library,
        folder=creation.folder,
        user_id=creation.user_id,
        kind=UploadKind.TUS_PARTIAL if creation.partial else UploadKind.TUS,
        name="" if creation.partial else clean_name(creation.name),
        metadata=creation.metadata,
        declared_type="".join(filter(str.isprintable, creation.declared_type))[:127],
        client_modified_at=creation.client_modified_at,
        length=creation.length,
        key=key,
        assembly=get_store(FILES).begin(key),
        expires_at=expiry.next_expiry(),
    )
    return upload


def append(upload_id: UUID, patch: Patch) -> Upload:
    """Keep the bytes that come; finish the file with the last of them. Returns the row as it is then."""
    with locks.held(upload_id) as lock:
        upload = load(upload_id)
        if upload.finished_at is not None:
            return repeat(upload, patch)
        expiry.require_live(upload)
        if patch.length is not None:
            declare_length(upload, patch.length, lock)
        require_offset(upload, patch)
        take(upload, patch, lock)
        return finish_if_complete(upload)


def look(upload: Upload) -> Upload:
    """For HEAD: a file whose last request died between the last byte and the naming is finished here."""
    if upload.finished_at is not None:
        if upload.file is None:
            raise GoneError("The file of this upload has been deleted. Upload it again if you want it back.")
        return upload
    expiry.require_live(upload)
    if not is_complete(upload) or upload.kind != UploadKind.TUS:
        return upload
    with locks.held(upload.pk):
        return finish_if_complete(load(upload.pk))


def terminate(upload_id: UUID) -> None:
    """Forget the upload and free its bytes. A finished one is a file: that is deleted as a file."""
    with locks.held(upload_id), transaction.atomic():
        upload = finishing.find_locked(upload_id)
        if upload.finished_at is not None:
            raise GoneError("This upload is finished. Delete the file instead.")
        # The blob may be visible already, where a finish was cut short.
        receiving.doom([upload.key])
        upload.delete()
    digests.drop(upload_id, upload.offset)
    try:
        get_store(FILES).abort(upload.assembly)
    except StoreError as error:
        logger.warning("the bytes of upload %s wait for the sweep of staging: %s", upload_id, error)


def load(upload_id: UUID) -> Upload:
    upload: Upload | None = Upload.objects.select_related("library", "file").filter(pk=upload_id).first()
    if upload is None:
        raise GoneError(finishing.GONE)
    return upload


def repeat(upload: Upload, patch: Patch) -> Upload:
    """The answer to the last request got lost and the client asks again: the same answer, no second file."""
    require_offset(upload, patch)
    if patch.size != 0:
        raise TooLongError("This upload is finished; no more bytes are taken.")
    return look(upload)


def require_offset(upload: Upload, patch: Patch) -> None:
    if patch.offset != upload.offset:
        raise OffsetError(
            f"This upload goes on at byte {upload.offset}, not at {patch.offset}. Ask for the offset first."
        )


def declare_length(upload: Upload, length: int, lock: locks.Lock) -> None:
    """The deferred length arrives. Once it is known it stays."""
    if upload.length is not None:
        if upload.length != length:
            raise ConflictError(
                f"The length of this upload was declared as {upload.length} and cannot change."
            )
        return
    if length == 0:
        raise EmptyFileError(receiving.EMPTY_MESSAGE)
    if length < upload.offset:
        raise TooLongError(
            f"{upload.offset} bytes are here already, more than the declared {length}. Begin again."
        )
    get_ceiling(upload.library, besides=[upload.pk]).require(length)
    lock.save(length=length)
    upload.length = length


def limit_of(upload: Upload) -> tuple[int, MediaError]:
    """How many bytes may still come, and what is said of one more."""
    if upload.length is not None:
        sentence = f"This upload was declared to have {upload.length} bytes; more came and were not kept."
        return upload.length - upload.offset, TooLongError(sentence)
    ceiling = get_ceiling(upload.library, besides=[upload.pk])
    return ceiling.size - upload.offset, ceiling.refusal()


def take(upload: Upload, patch: Patch, lock: locks.Lock) -> None:
    limit, over = limit_of(upload)
    if patch.size is not None and patch.size > limit:
        raise over
    state = digests.get(upload.pk, upload.offset)
    passage = Passage(patch.chunks, limit=limit, over=over, lock=lock, state=state)
    while not passage.ended:
        take_segment(upload, passage, patch.checksum, lock)
    if passage.broken is not None:
        raise ClientGoneError(
            f"The connection ended early; {upload.offset} bytes are kept. Go on from there."
        ) from passage.broken


def take_segment(upload: Upload, passage: Passage, checksum: Checksum | None, lock: locks.Lock) -> None:
    """Bytes up to the next checkpoint into the store, then the new offset into the row."""
    store = get_store(FILES)
    before, passed = upload.offset, passage.passed
    seen = checksum.begin() if checksum is not None else None
    assembly, kept = store.append(upload.assembly, before, passage.segment(seen))
    if checksum is not None and seen is not None:
        passage.verify(checksum, seen)
    if passage.refusal is not None:
        if not isinstance(
            passage.refusal, LockedError
        ):  # With the lock lost, the bytes are another's by now.
            store.append(upload.assembly, before, [])
        raise passage.refusal
    upload.assembly, upload.offset = assembly, before + kept
    upload.expires_at = expiry.next_expiry(upload.created_at)
    lock.save(assembly=assembly, offset=upload.offset, expires_at=upload.expires_at)
    if passage.state is not None and kept == passage.passed - passed:
        digests.keep(upload.pk, upload.offset, passage.state)
    else:
        passage.state = None
    if upload.offset != before:
        digests.drop(upload.pk, before)


def is_complete(upload: Upload) -> bool:
    return upload.length is not None and upload.offset == upload.length


def finish_if_complete(upload: Upload) -> Upload:
    """Partial uploads only wait; the final one of a concatenation makes the file."""
    if not is_complete(upload) or upload.kind != UploadKind.TUS:
        return upload
    state = digests.get(upload.pk, upload.offset)
    done = finishing.finish(
        upload.pk, finishing.publish_assembly, state.hexdigest() if state is not None else None, way=WAY
    )
    digests.drop(upload.pk, upload.offset)
    return done
