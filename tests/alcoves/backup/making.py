"""Small pictures, and what a library holds."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from django.core.management import call_command
from PIL import Image

from alcoves.backup import database
from media.models import File, Library, uuid7
from storage.registry import get_store
from tests.ingesting import run_queued, take_in
from tests.storage.s3server import running_server


def jpeg(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def fill(library: Library, count: int = 3, *, run: bool = True) -> dict[str, str]:
    """Pictures and a file of words; what they hold."""
    for number in range(count):
        take_in(library, jpeg(64 + number, 48), f"picture-{number}.jpg")
    take_in(library, b"words " * 100_000, "words.bin")
    if run:
        run_queued()
    return digests()


def digests() -> dict[str, str]:
    """What every file of every library holds now, read from the store."""
    found = {}
    for file in File.objects.select_related("original"):
        with get_store("files").open(file.original.key) as opened:
            found[f"{file.library_id}/{file.name}"] = hashlib.sha256(opened.read()).hexdigest()
    return found


def empty_stores() -> None:
    for name in ("files", "avatars", "cache"):
        for stat in list(get_store(name).iterate()):
            with suppress(FileNotFoundError):
                get_store(name).delete(stat.key)


def empty_machine(**options: Any) -> None:
    """As after a first start: tables without rows, no blobs."""
    empty_stores()
    database.wipe()
    call_command("migrate", verbosity=0, interactive=False)


@contextmanager
def far_away(settings: Any) -> Iterator[str]:
    """The address of a target in a bucket of its own: all servers of one process share their buckets."""
    with running_server() as server:
        name = server.create_bucket(f"away-{uuid7()}")
        settings.BACKUP_S3_OPTIONS = {**server.options}
        yield f"s3://{name}/alcoves"


@contextmanager
def unreadable(*paths: Path) -> Iterator[None]:
    """Bad sectors below these files: the kernel says so when their bytes are read."""
    bad, real = {path.stat().st_ino for path in paths}, os.preadv

    def preadv(fd: int, *more: Any) -> int:
        if os.fstat(fd).st_ino in bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, *more)

    with mock.patch.object(os, "preadv", preadv):
        yield
