"""Files of a multipart form, streamed into the store while Django parses: no temporary file, no memory.

Django pushes, the store pulls: each file is written by a thread of its own behind a short queue. Nothing is
named here; the view names all files together once the whole form has arrived.
"""

import queue
import threading
from collections.abc import Iterator
from typing import Any

from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from media.errors import RequestError
from media.intake import Stored
from media.models import Library
from media.uploads import receiving
from media.uploads.errors import ClientGoneError
from media.uploads.receiving import Reservation

FIELD = "file"
BLOCK = 256 * 1024
AHEAD = 4
"""Blocks that may wait for the store."""


class Writer:
    """Writes one reserved blob from blocks that are handed over one by one."""

    def __init__(self, reservation: Reservation) -> None:
        self.reservation = reservation
        self._blocks: queue.Queue[bytes | None] = queue.Queue(AHEAD)
        self._whole = False
        self._told = self._heard = False
        """Whether the end was announced, and whether the writer has heard of it: each exactly once."""
        self._failure: BaseException | None = None
        self._stored: Stored | None = None
        self._thread = threading.Thread(target=self._write, name="multipart-writer", daemon=True)
        self._thread.start()

    def push(self, block: bytes) -> None:
        """Raises what has gone wrong in the store."""
        if self._failure is not None:
            raise self._failure
        self._blocks.put(block)

    def finish(self) -> Stored:
        self._whole = True
        self._end()
        if self._failure is not None:
            raise self._failure
        assert self._stored is not None  # noqa: S101  The thread ends with one or the other.
        return self._stored

    def abort(self) -> None:
        """Ends the thread; the store sees a source that failed and keeps nothing."""
        self._end()

    def _end(self) -> None:
        if not self._told:
            self._told = True
            self._blocks.put(None)
        self._thread.join()

    def _write(self) -> None:
        try:
            self._stored = receiving.write(self.reservation, self._arriving())
        except BaseException as error:  # noqa: BLE001  Handed to the thread that waits for the result.
            self._failure = error
            self._drain()

    def _next(self) -> bytes | None:
        block = self._blocks.get()
        self._heard = block is None
        return block

    def _arriving(self) -> Iterator[bytes]:
        while (block := self._next()) is not None:
            yield block
        if not self._whole:
            raise ClientGoneError("The connection ended before the whole file had come. Send it again.")

    def _drain(self) -> None:
        """The pushing side must never wait for a writer that has failed; it is told at its next push."""
        while not self._heard:
            self._next()


class StoreUploadHandler(FileUploadHandler):
    """Django's hook for each part of a form that is a file. Fields of other names are passed over."""

    chunk_size = BLOCK

    def __init__(self, library: Library, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self.library = library
        self.received: list[tuple[str, Stored]] = []
        """Name and blob of each whole file, in the order of the form."""
        self._writer: Writer | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != FIELD:
            raise SkipFile
        taken = sum(stored.size for _, stored in self.received)
        self._writer = Writer(receiving.reserve(self.library, taken=taken))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self._writer is not None:
            self._writer.push(raw_data)

    def file_complete(self, file_size: int) -> None:
        if self._writer is None:
            return
        try:
            self.received.append((self.file_name or "", self._writer.finish()))
        except RequestError as error:
            raise type(error)(f"{self.file_name}: {error}", code=error.code) from error
        self._writer = None

    @property
    def interrupted(self) -> bool:
        """The form ended inside a file: its closing boundary never came."""
        return self._writer is not None

    def discard(self) -> None:
        """Nothing of this form is kept: the writer under way ends, all keys are due for the sweeper."""
        keys = [stored.key for _, stored in self.received]
        if self._writer is not None:
            self._writer.abort()
            keys.append(self._writer.reservation.key)
        receiving.doom(keys)
