"""The body of a request as a stream of blocks, read straight from the server: never parsed, never spooled."""

from collections.abc import Iterator
from typing import Any

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from media.uploads.errors import ClientGoneError

BLOCK = 256 * 1024
"""Big enough for any store, small enough that a line that breaks costs a slow client little."""


class LeaveBodyParser(BaseParser):
    """Takes any type and reads nothing: the view reads the stream itself, after it has checked access.

    Without it the CSRF check of session authentication would parse the whole body to look for its field.
    """

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        return {}


def is_chunked(request: Request) -> bool:
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def body_size(request: Request) -> int | None:
    """The announced number of bytes; None where the client does not know it (chunked)."""
    if is_chunked(request):
        return None
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0


def blocks(request: Request) -> Iterator[bytes]:
    """Blocks of the body. ClientGoneError when fewer bytes come than were announced."""
    body = Body(request.META["wsgi.input"], body_size(request))
    while block := body.read(BLOCK):
        yield block


class Body:
    """A readable over the server's stream that never takes an early end for the end."""

    def __init__(self, stream: Any, size: int | None) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = BLOCK) -> bytes:
        wanted = size if self._left is None else min(size, self._left)
        if wanted <= 0:
            return b""
        try:
            block: bytes = self._stream.read(wanted)
        except OSError as error:
            raise gone() from error
        if self._left is not None:
            if not block:
                raise gone()
            self._left -= len(block)
        return block


def gone() -> ClientGoneError:
    return ClientGoneError("The connection ended before the whole body had come. Send it again.")
