"""Making, moving and trashing folders. Bytes are never touched.

Whatever changes the tree of a library does so with the library's row locked, so that two moves that are each
harmless cannot make a circle together.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from media import stacks
from media.errors import ConflictError, RequestError
from media.intake import clean_name
from media.models import File, Folder, Library


class FolderMissingError(RequestError):
    """No such live folder in this library."""

    code = "folder_not_found"
    http_status = 404


def find_folder(library: Library, folder_id: UUID | None, *, lock: bool = False) -> Folder | None:
    """The live folder of this library; None for the top. FolderMissingError else."""
    if folder_id is None:
        return None
    folders = Folder.objects.live().filter(library=library, pk=folder_id)
    found: Folder | None = (folders.select_for_update(no_key=True) if lock else folders).first()
    if found is None:
        raise FolderMissingError("There is no such folder in this library, or it is in the trash.")
    return found


def create_folder(library: Library, name: str, parent_id: UUID | None = None) -> Folder:
    with changing_tree(library):
        parent = find_folder(library, parent_id)
        folder: Folder = Folder.objects.create(library=library, parent=parent, name=clean_name(name))
    return folder


def rename_folder(library: Library, folder_id: UUID, name: str) -> Folder:
    with changing_tree(library):
        folder = existing(library, folder_id)
        folder.name = clean_name(name)
        folder.save(update_fields=["name", "updated_at"])
    return folder


def move_folder(library: Library, folder_id: UUID, parent_id: UUID | None) -> Folder:
    """ConflictError when the target lies inside of what is moved."""
    with changing_tree(library):
        folder = existing(library, folder_id)
        parent = find_folder(library, parent_id)
        if parent is not None and parent.pk in subtree(library, folder.pk):
            raise ConflictError(
                "A folder cannot be moved into itself or into a folder inside it.", code="folder_cycle"
            )
        folder.parent = parent
        folder.save(update_fields=["parent", "updated_at"])
    return folder


def trash_folder(library: Library, folder_id: UUID) -> int:
    """The folder, all folders below it and their files; returns how many files."""
    with changing_tree(library):
        keys = subtree(library, existing(library, folder_id).pk)
        # Locked first: whoever moves a file in here waits, and then finds the folder gone.
        list(
            Folder.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk", flat=True)
        )
        Folder.objects.filter(pk__in=keys).update(trashed_at=Now())
        files = File.objects.live().filter(library=library, folder__in=keys)
        with stacks.rearranging(library.pk, list(files.values_list("pk", flat=True))):
            return int(files.update(trashed_at=Now()))


def existing(library: Library, folder_id: UUID) -> Folder:
    folder = find_folder(library, folder_id, lock=True)
    assert folder is not None  # noqa: S101  An id was given, so find_folder has raised or found.
    return folder


def subtree(library: Library, root: UUID) -> set[UUID]:
    """The folder itself and every live folder below it."""
    children: dict[UUID | None, list[UUID]] = defaultdict(list)
    for key, parent in Folder.objects.live().filter(library=library).values_list("pk", "parent_id"):
        children[parent].append(key)
    found, waiting = {root}, [root]
    while waiting:
        below = children[waiting.pop()]
        found.update(below)
        waiting.extend(below)
    return found


@contextmanager
def changing_tree(library: Library) -> Iterator[None]:
    """One change of a library's tree at a time; a name that is taken is said as such."""
    try:
        with transaction.atomic():
            Library.objects.select_for_update(no_key=True).get(pk=library.pk)
            yield
    except IntegrityError as error:
        if "folder_name_once_per_place" not in str(error):
            raise
        raise ConflictError(
            "There is a folder with this name here already. Choose another name.", code="name_taken"
        ) from error
