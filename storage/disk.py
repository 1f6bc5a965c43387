"""Single acts on a local disk, each whole or not at all. Only `storage.local` calls them.

What the kernel says (errno) becomes a StoreError here and nowhere else.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from storage.errors import (
    BlobExistsError,
    BlobNotFoundError,
    InvalidKeyError,
    StoreAccessError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    UnreadableError,
)

_ATTEMPTS: Final = 200
_BAD_BYTES: Final = {errno.EIO, errno.EBADMSG, errno.EUCLEAN}
_NO_CLONE: Final = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM, errno.EBADF}
_MEANING: Final[dict[int, tuple[type[StoreError], str]]] = {
    errno.ENOENT: (BlobNotFoundError, "There is no {what} in the store {store}."),
    errno.ENOTDIR: (BlobNotFoundError, "There is no {what} in the store {store}."),
    errno.ENOSPC: (StoreFullError, "The disk of the store {store} is full; make room and try again."),
    errno.EDQUOT: (
        StoreFullError,
        "The disk quota of the store {store} is used up; make room and try again.",
    ),
    errno.EFBIG: (
        StoreAccessError,
        "The disk of the store {store} takes no file of this size; raise its limit.",
    ),
    errno.EACCES: (
        StoreAccessError,
        "The store {store} may not use {what}; check owner and mode of its folder.",
    ),
    errno.EPERM: (
        StoreAccessError,
        "The store {store} may not use {what}; check owner and mode of its folder.",
    ),
    errno.EROFS: (
        StoreAccessError,
        "The disk of the store {store} is mounted read-only; mount it for writing.",
    ),
    errno.ELOOP: (InvalidKeyError, "{what} passes through a symbolic link; the store {store} follows none."),
}


@contextlib.contextmanager
def translated(store: str, what: str) -> Iterator[None]:
    """Turns every OSError of the block into the StoreError that tells whether trying again helps."""
    try:
        yield
    except OSError as error:
        unknown = (
            StoreUnavailableError,
            "The disk of the store {store} failed ({name}); see its system log.",
        )
        kind, sentence = _MEANING.get(error.errno or 0, unknown)
        name = errno.errorcode.get(error.errno or 0, "unknown")
        raise kind(sentence.format(store=store, what=what, name=name)) from error


@contextlib.contextmanager
def reading(store: str, key: str) -> Iterator[None]:
    """As `translated`, where one blob is read: a bad place of the disk costs this blob, and no other."""
    with translated(store, key):
        try:
            yield
        except OSError as error:
            if error.errno not in _BAD_BYTES:
                raise
            name = errno.errorcode[error.errno]
            raise UnreadableError(
                f"The disk of the store {store} cannot read {key} ({name}); see its system log."
            ) from error


def write_all(fd: int, data: bytes) -> None:
    """All of `data`: the kernel may take less at a time, above all just before a disk is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folders(folder: Path, root: Path, mode: int, *, sync: bool) -> list[Path]:
    """`folder` and what is missing above it, up to `root`. Another process may remove them meanwhile.

    Returns the folders in which something was missing, the deepest first: synced, or for the caller to sync.
    """
    missing = []
    while folder != root and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode)
            path.chmod(mode)  # The umask has no say in it.
            if sync:
                sync_folder(path.parent)
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, "a blob has the name of this folder", str(path))
    return [path.parent for path in missing]


def publish(staged: Path, target: Path, root: Path, mode: int, *, if_absent: bool, sync: bool) -> None:
    """Gives the finished file its name, in one step. The caller has synced the bytes.

    A delete beside us removes folders that look empty, so making them and moving in is tried again.
    """
    changed = {target.parent: None}
    for attempt in range(_ATTEMPTS):
        try:
            changed |= dict.fromkeys(make_folders(target.parent, root, mode, sync=False))
            _name(staged, target, if_absent=if_absent)
            break
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1 or not staged.exists():
                raise
        except (NotADirectoryError, IsADirectoryError) as error:
            sentence = (
                "Another blob's key is a folder of this key, or this key a folder of others; choose another."
            )
            raise InvalidKeyError(sentence) from error
    # All at the end: a file system with a journal writes all of them with the first.
    for folder in changed if sync else ():
        # A folder that is gone again took a deleted blob with it: there is nothing left to make safe.
        with contextlib.suppress(FileNotFoundError):
            sync_folder(folder)


def _name(staged: Path, target: Path, *, if_absent: bool) -> None:
    if not if_absent:
        staged.replace(target)
        return
    try:
        os.link(staged, target)  # Unlike rename, link refuses a name that is taken.
    except FileExistsError as error:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder has this name", str(target)) from error
        raise BlobExistsError("A blob with this key is already there.") from error
    staged.unlink()


def remove(target: Path, root: Path) -> None:
    """The file, and the folders that are empty without it. Not being there is fine."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        target.unlink()
    for folder in target.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return  # Not empty, or somebody has just moved in.


def clone(source: int, target: int) -> None:
    """All bytes from one descriptor to another: shared blocks where the file system can, else copied."""
    try:
        while os.copy_file_range(source, target, 1 << 30):
            pass
    except OSError as error:
        if error.errno not in _NO_CLONE:
            raise
        os.lseek(source, 0, os.SEEK_SET)
        os.lseek(target, 0, os.SEEK_SET)
        os.truncate(target, 0)
        with open(source, "rb", closefd=False) as reader, open(target, "wb", closefd=False) as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)


def walk(folder: Path, base: str, prefix: str, after: str) -> Iterator[tuple[str, os.stat_result]]:
    """(key, stat) of every file below, in key order, holding one folder's names per level.

    A folder is sorted as if it ended in '/', because its keys do: 'a-b' comes before 'a/b'. Links are
    skipped, names that begin with a dot too, and folders that hold nothing wanted are not opened.
    """
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries
            ]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in sorted(names):
        key = base + name
        if name.startswith(".") or (key <= after and not after.startswith(key)):
            continue
        if key.endswith("/"):
            if key.startswith(prefix) or prefix.startswith(key):
                yield from walk(folder / name, key, prefix, after)
        elif key.startswith(prefix) and key > after:
            with contextlib.suppress(FileNotFoundError):
                found = (folder / name).lstat()
                if _is_file(found):
                    yield key, found


def _is_file(found: os.stat_result) -> bool:
    return (found.st_mode & 0o170000) == 0o100000
