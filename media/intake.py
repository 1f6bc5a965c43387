"""From bytes in the store to an Original and a File: the last step of every way in. One transaction.

Same bytes in the same library share one Original, and so everything made from it; another library knows nothing of it.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.utils import timezone

from media import belonging, blobs, dispatch, pipeline, stacks
from media.errors import RequestError
from media.models import File, Folder, Library, Original, UnnamedBlob
from media.models.original import is_known_digest
from media.sniffing import Sniffed

LONGEST_NAME = 255
JOINERS = "\u200c\u200d"
"""Invisible, and part of names: they hold family emoji and Persian words together."""


class QuotaError(RequestError):
    """The library has no room left."""

    code = "quota_exceeded"
    http_status = 413


class LibraryGoneError(RequestError):
    """The library was deleted while the bytes were coming."""

    code = "library_gone"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that lie in the store under a registered key. `sha256` None: the hash queue will read them."""

    original_id: UUID
    key: str
    size: int
    sha256: str | None
    sniffed: Sniffed


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file goes and who brings it."""

    library: Library
    name: str
    folder: Folder | None = None
    user_id: UUID | None = None
    client_modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The new file. `duplicate` tells that its bytes were already known in this library."""

    file: File
    duplicate: bool


def admit(stored: Stored, place: Place) -> Admitted:
    """Name the blob, or drop it for the one we have; plan what is to be made; publish after commit."""
    with transaction.atomic():
        hold_library(place.library)
        original, created = get_original(stored, place.library)
        file = File.objects.create(
            library=place.library,
            folder=place.folder,
            original=original,
            name=clean_name(place.name),
            created_by_id=place.user_id,
            client_modified_at=place.client_modified_at,
            effective_at=original.captured_at or place.client_modified_at or timezone.now(),
        )
        if not created or original.mime in belonging.RAW_TYPES:
            # Of known bytes no run will tell anything new; RAW files of new cameras may never be read.
            stacks.join(place.library.pk, [file.pk])
        if not created:
            original.forget_warmth()  # The files before may all have been turned, or lie in the trash.
        dispatch.publish_after_commit(pipeline.plan_original(original, place.library.switches()))
    return Admitted(file, duplicate=not created)


def hold_library(library: Library) -> None:
    """Nobody deletes the library until this transaction ends. Uploads do not wait for each other here.

    FOR KEY SHARE is what a foreign key takes; Django has no word for it. LibraryGoneError where it is too late.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM media_library WHERE id = %s FOR KEY SHARE", [library.pk])
        if cursor.fetchone() is None:
            raise LibraryGoneError("This library was deleted meanwhile. Choose another one for your files.")


def get_original(stored: Stored, library: Library) -> tuple[Original, bool]:
    """The library's original with these bytes, locked so that no purge takes it away; True when it is new."""
    while True:
        known = find_twin(stored.sha256, library)
        if known is not None:
            UnnamedBlob.objects.retire([stored.key])
            return known, False
        check_quota(library, stored.size)
        try:
            with transaction.atomic():
                created = create_original(stored, library)
        except IntegrityError as error:
            if not is_known_digest(error):
                raise
            continue  # Somebody brought the same bytes at the same moment, and may have purged them by now.
        blobs.name([stored.key])
        return created, True


def find_twin(sha256: str | None, library: Library) -> Original | None:
    if sha256 is None:
        return None
    found: Original | None = (
        Original.objects.select_for_update(no_key=True).filter(library=library, sha256=sha256).first()
    )
    return found


def create_original(stored: Stored, library: Library) -> Original:
    original: Original = Original.objects.create(
        id=stored.original_id,
        library=library,
        sha256=stored.sha256,
        size=stored.size,
        mime=stored.sniffed.mime,
        kind=stored.sniffed.kind,
        key=stored.key,
    )
    return original


def check_quota(library: Library, size: int) -> None:
    """QuotaError when the library would hold more than it may. Locks the library row where there is a quota."""
    if library.quota_bytes is None:
        return
    quota = (
        Library.objects.select_for_update(no_key=True)
        .values_list("quota_bytes", flat=True)
        .get(pk=library.pk)
    )
    used: Any = Original.objects.filter(library=library).aggregate(total=Sum("size"))["total"] or 0
    if quota is not None and used + size > quota:
        raise QuotaError(
            f"This library may hold {quota:,} bytes and {used:,} are taken. Delete something or ask for more room."
        )


def clean_name(name: str) -> str:
    """A name people gave, made safe to keep: the last part of a path, without control characters, not empty."""
    kept = visible(name.replace("\\", "/").rsplit("/", 1)[-1])
    if len(kept) > LONGEST_NAME:
        stem, dot, suffix = kept.rpartition(".")
        keep_suffix = f"{dot}{suffix}" if stem and len(suffix) <= 16 else ""
        kept = kept[: LONGEST_NAME - len(keep_suffix)] + keep_suffix
    return kept if kept.strip(".") else "unnamed"


def visible(text: str) -> str:
    """Without control characters and without blanks around it; what holds emoji and words together stays."""
    return "".join(char for char in text if char.isprintable() or char in JOINERS).strip()


def one_line(text: str, longest: int) -> str:
    """A name that is no file's: one spelling for what looks the same, single blanks. Empty where nothing is seen."""
    words = (visible(word) for word in unicodedata.normalize("NFC", text).split())
    line = " ".join(word for word in words if word)[:longest].strip()
    return line if line.strip(JOINERS) else ""
