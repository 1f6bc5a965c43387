"""Which picture stands for a film or a recording, as people decide it: one of its frames, or a picture of their own.

Left alone a file shows the poster that is made by itself (variant ""). Each decision is a variant of its own that the
file selects, so two files of the same bytes may show two pictures, and making posters anew loses no choice:

    at-12345   the frame at 12.345 s: a row that a worker makes. Until it is ready the poster before it is shown.
    own-...    a picture that was uploaded, named by its digest: made here at once, and never made again.

What no file selects any more is dropped. docs/posters.md.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from media import blobs, dispatch, imagemaking, ledger, pipeline
from media.derivers.base import Output
from media.derivers.registry import get_deriver
from media.errors import ConflictError, PermanentError, RequestError
from media.images import posters, uploaded
from media.models import Derivative, File, Original, uuid7
from media.models.derivative import GIVEN, Status
from media.pictures import POSTER
from media.pipeline import Planned

AT: Final = "at-"


class NoPosterError(RequestError):
    """This file has no poster to choose, or not this one."""

    code = "no_poster"
    http_status = 422


class NoPictureError(RequestError):
    """What was uploaded is no picture that could be decoded here."""

    code = "no_picture"


def require_poster(file: File) -> None:
    """Pictures are their own poster, and other files have none."""
    if file.original.kind not in {"video", "audio"}:
        raise NoPosterError("Only videos and recordings have a poster. A picture is shown as it is.")


def source_of(file: File) -> str:
    """`auto`, `selected` or `uploaded`."""
    if not file.poster_variant:
        return "auto"
    return "uploaded" if file.poster_variant.startswith(GIVEN) else "selected"


def candidates_of(default: Derivative | None) -> list[Mapping[str, Any]]:
    """The frames that were looked at for the poster made by itself."""
    return list(default.facts.get("candidates", ())) if default is not None else []


def second_of(default: Derivative | None, place: int) -> float:
    """When the candidate near so many percent of the film is shown."""
    candidates = candidates_of(default)
    for one in candidates:
        if one["place"] == place:
            return float(one["second"])
    known = ", ".join(str(one["place"]) for one in candidates) or "none yet"
    raise NoPosterError(f"There is no candidate at {place} percent. There are: {known}.", code="no_candidate")


def choose(file: File, second: float) -> None:
    """The frame at this second shall stand for the file as soon as it is made."""
    if file.original.kind != "video":
        raise NoPosterError("Only videos have frames to choose from. Upload a picture instead.")
    if file.original.duration is not None and second > file.original.duration:
        raise NoPosterError(
            f"The video ends after {file.original.duration:.3f} seconds. Choose an earlier one.",
            code="after_the_end",
        )
    variant = f"{AT}{round(second * 1000)}"
    with deciding(file) as (original, locked):
        queue = get_deriver(POSTER[0]).queue
        pipeline.create_rows(original, [Planned(POSTER[0], queue, variant, {"second": round(second, 3)})])
        row = rows_of(original, variant)
        ledger.request_again(row.filter(status=Status.FAILED))
        dispatch.publish_after_commit(row.filter(status=Status.QUEUED))
        select(original, locked, variant)
    file.poster_variant = variant


def bring(file: File, content: bytes) -> None:
    """A picture of one's own stands for the file from now on. NoPictureError for what is none."""
    variant = GIVEN + hashlib.sha256(content).hexdigest()[:16]
    if select_known(file, variant):
        return
    outputs, facts = make(file, content)
    with deciding(file) as (original, locked):
        if not rows_of(original, variant).exists():
            blobs.name(output["key"] for output in outputs)
            ledger.give(original, get_deriver(POSTER[0]), variant, outputs=outputs, facts=facts)
        select(original, locked, variant)
    file.poster_variant = variant


def select_known(file: File, variant: str) -> bool:
    """Whether this picture was there already; it is looked for under the lock, as another choice may drop it."""
    with deciding(file) as (original, locked):
        if not rows_of(original, variant).exists():
            return False
        select(original, locked, variant)
    file.poster_variant = variant
    return True


def rows_of(original: Original, variant: str) -> QuerySet[Derivative]:
    rows: QuerySet[Derivative] = Derivative.objects.filter(
        original=original, deriver=POSTER[0], variant=variant
    )
    return rows


def revert(file: File) -> None:
    """Back to the poster that is made by itself."""
    with deciding(file) as (original, locked):
        select(original, locked, "")
    file.poster_variant = ""


@contextmanager
def deciding(file: File) -> Iterator[tuple[Original, File]]:
    """The original first, then the file: in the order in which a purge locks them."""
    with transaction.atomic():
        original = Original.objects.select_for_update(no_key=True).filter(pk=file.original_id).first()
        locked = File.objects.select_for_update().filter(pk=file.pk, original=original).first()
        if original is None or locked is None:
            raise ConflictError("This file was deleted or moved meanwhile. Load it again.", code="conflict")
        if locked.trashed_at is not None:
            raise ConflictError("This file is in the trash. Restore it first.", code="in_trash")
        yield original, locked


def select(original: Original, file: File, variant: str) -> None:
    """The file shows this variant; its sizes are made ahead; what no file shows any more goes."""
    if file.poster_variant != variant:
        file.poster_variant = variant
        file.save(update_fields=["poster_variant", "updated_at"])
        original.forget_warmth()
    drop_unselected(original)


def drop_unselected(original: Original) -> int:
    """Posters that were chosen once and that no file selects, in the trash or not. The original is locked."""
    selected = File.objects.filter(original=original).values("poster_variant")
    chosen = Derivative.objects.filter(original=original, deriver=POSTER[0]).exclude(variant="")
    return int(chosen.exclude(variant__in=selected).drop())


def make(file: File, content: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Both sizes of a picture, stored under registered keys that no row names yet; and what is known of them."""
    if not content:
        raise NoPictureError("This picture is empty. Choose another one.", code="empty_file")
    with imagemaking.scratch_folder() as folder:
        source = folder / "source"
        source.write_bytes(content)
        try:
            with uploaded.in_turn() as limits:
                image, deadline = posters.read(source, limits)
                facts = posters.write(image, folder, deadline)
        except PermanentError as error:
            raise NoPictureError(error.message, code=error.code, detail=error.detail) from error
        return store(file, folder), facts


def store(file: File, folder: Path) -> list[dict[str, Any]]:
    names = (posters.SMALL_NAME, posters.LARGE_NAME)
    outputs = [Output(name, folder / name, posters.CONTENT_TYPE) for name in names]
    return blobs.store_outputs(file.library_id, file.original_id, POSTER[0], uuid7().hex, outputs)
