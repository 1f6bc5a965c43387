"""Where a file may go, and when its owner's machine last changed it."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from media import folders
from media.errors import RequestError
from media.intake import Place
from media.models import Folder, Library
from media.models.captured import EARLIEST, LATEST

LATEST_MS = 253_402_300_799_000
"""The last second of the year 9999: the end of Python's calendar."""


def find_folder(library: Library, folder_id: str | UUID | None) -> Folder | None:
    """The live folder of this library with that id; None for the top of the library."""
    if not folder_id:
        return None
    try:
        wanted = UUID(str(folder_id))
    except ValueError:
        raise RequestError(
            "The folder id is no UUID. Take it from the list of folders.", code="bad_folder"
        ) from None
    return folders.find_folder(library, wanted)


def settled(place: Place) -> Place:
    """The place with its folder locked against the trash; the top of the library where it is there by now.

    Inside the transaction that makes the file: bytes that took hours to come are not lost for a folder.
    """
    if place.folder is None:
        return place
    try:
        return replace(place, folder=folders.find_folder(place.library, place.folder.pk, lock=True))
    except folders.FolderMissingError:
        return replace(place, folder=None)


def parse_moment(milliseconds: str | None) -> datetime | None:
    """Epoch milliseconds, as browsers give `File.lastModified`. None too for what no clock can mean."""
    if not milliseconds:
        return None
    try:
        value = int(milliseconds)
    except ValueError:
        value = LATEST_MS + 1
    if abs(value) > LATEST_MS:
        raise RequestError(
            "The time of last change must be milliseconds since 1970. Send a whole number.", code="bad_time"
        )
    return moment_at(value / 1000)


def moment_at(seconds: float) -> datetime | None:
    """Unix time as a moment from 1826 to 2199. Others are left out: a wrong clock costs nobody the file."""
    if not EARLIEST.timestamp() <= seconds < LATEST.timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC)
