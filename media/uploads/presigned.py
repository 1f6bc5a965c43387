"""Permission to PUT one blob straight to the store, and the confirm that makes it a file.

What a client says of its bytes is checked at the confirm: the size by the store's own figure, the type by the
first bytes, the checksum where the store vouches for it (else the `hash` queue reads the bytes once). The key
is in the register until then, so an upload that is never confirmed is swept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from media import blobs
from media.intake import clean_name
from media.models import Folder, Library, UnnamedBlob, Upload, uuid7
from media.models.blob import FILES
from media.models.upload import UploadKind
from media.uploads import expiry, finishing, receiving
from media.uploads.errors import BrokenPromiseError, EmptyFileError, GoneError, NotThereYetError, TooLongError
from media.uploads.room import get_ceiling
from storage.base import BlobStat, SignedPut
from storage.errors import BlobExistsError, BlobNotFoundError
from storage.registry import get_store
from storage.signing import Grant

WAY = "presigned"
LARGEST_PUT = 5 * 1024**3
"""The most that S3 takes in one request."""
LAST_PUT = timedelta(hours=24)
"""A PUT that began in time may end this much later; its key stays in the register until then."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a client says of the file it is about to PUT."""

    library: Library
    user_id: UUID
    name: str
    size: int
    sha256: str = ""
    content_type: str = "application/octet-stream"
    folder: Folder | None = None
    client_modified_at: datetime | None = None


def permit(asking: Asking) -> tuple[Upload, SignedPut]:
    """An upload and where to PUT its bytes."""
    if asking.size == 0:
        raise EmptyFileError(receiving.EMPTY_MESSAGE)
    get_ceiling(asking.library).require(asking.size)
    if asking.size > LARGEST_PUT:
        raise TooLongError(
            f"One PUT carries up to {LARGEST_PUT:,} bytes. Send larger files in pieces, by tus."
        )
    key = blobs.original_key(asking.library.pk, uuid7())
    expires_at = expiry.next_expiry()
    lifetime = expires_at - timezone.now()
    signed = get_store(FILES).signed_put_url(
        key,
        expires=lifetime,
        size=asking.size,
        content_type=asking.content_type,
        sha256=asking.sha256 or None,
    )
    with transaction.atomic():
        blobs.register([key], due=lifetime + LAST_PUT)
        upload: Upload = Upload.objects.create(
            library=asking.library,
            folder=asking.folder,
            user_id=asking.user_id,
            kind=UploadKind.PRESIGNED,
            name=clean_name(asking.name),
            client_modified_at=asking.client_modified_at,
            declared_type=asking.content_type,
            declared_sha256=asking.sha256,
            length=asking.size,
            key=key,
            expires_at=expires_at,
        )
    return upload, signed


def confirm(upload_id: UUID) -> Upload:
    """The finished upload. Asking again gives the same answer."""
    upload = load(upload_id)
    if upload.finished_at is not None:
        if upload.file is None:
            raise GoneError("The file of this upload has been deleted. Upload it again if you want it back.")
        return upload
    expiry.require_live(upload)
    require_arrived(upload)
    done = finishing.finish(upload.pk, check_promises, received_digest(upload), way=WAY)
    if finishing.is_duplicate(done):
        # The link is still good and its key free again once swept: watch the key until the link has died.
        forget(done)
    return done


def load(upload_id: UUID) -> Upload:
    upload: Upload | None = Upload.objects.select_related("library", "file").filter(pk=upload_id).first()
    if upload is None:
        raise GoneError(finishing.GONE)
    return upload


def require_arrived(upload: Upload) -> None:
    try:
        get_store(FILES).stat(upload.key)
    except BlobNotFoundError:
        raise NotThereYetError("The bytes have not arrived yet. PUT them first, then confirm.") from None


def check_promises(upload: Upload) -> BlobStat:
    """The stat of what lies in the store. What breaks its promise is removed and the upload is over."""
    stat = get_store(FILES).stat(upload.key)
    if stat.size != upload.length:
        break_off(upload)
        raise BrokenPromiseError(
            f"{stat.size} bytes arrived where {upload.length} were promised; they were dropped. Send it again."
        )
    if upload.declared_sha256 and stat.sha256 not in {None, upload.declared_sha256}:
        break_off(upload)
        raise BrokenPromiseError(
            "The bytes that arrived do not have the promised SHA-256; they were dropped. Send them again."
        )
    return stat


def break_off(upload: Upload) -> None:
    forget(upload)
    Upload.objects.filter(pk=upload.pk, finished_at__isnull=True).update(expires_at=timezone.now())


def forget(upload: Upload) -> None:
    """Remove the bytes; the key stays in the register for as long as somebody could PUT to it again."""
    lifetime = max(upload.expires_at - timezone.now(), timedelta(0))
    receiving.doom([upload.key], due=lifetime + LAST_PUT)
    get_store(FILES).delete(upload.key)


def received_digest(upload: Upload) -> str | None:
    """The SHA-256 where the bytes came through us: `offset` says that they did."""
    return upload.declared_sha256 or None if upload.offset == upload.length else None


def receive_signed(grant: Grant, chunks: Iterable[bytes]) -> BlobStat:
    """The PUT of a store that has no web server of its own. Only keys in the register are written to."""
    if not UnnamedBlob.objects.filter(store=grant.store, key=grant.key).exists():
        raise GoneError("This link has been used or its upload is over. Ask for a new one.")
    try:
        stat = get_store(grant.store).put(
            grant.key, chunks, size=grant.size, sha256=grant.sha256, if_absent=True
        )
    except BlobExistsError:
        raise GoneError("This link has been used. Confirm the upload, or ask for a new link.") from None
    Upload.objects.filter(key=grant.key, kind=UploadKind.PRESIGNED, finished_at__isnull=True).update(
        offset=stat.size, declared_sha256=stat.sha256
    )
    return stat
