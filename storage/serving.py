"""What serving a blob over HTTP needs and no framework should decide: ranges, names, a closing reader.

Pure functions; views in `media` turn their answers into responses.
"""

import re
from collections.abc import Generator
from urllib.parse import quote

from storage.base import CHUNK_SIZE, BlobStore
from storage.errors import RangeError

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)\s*", re.ASCII | re.IGNORECASE)
_UNSAFE = re.compile(r'[^ -~]|["\\%/:;]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_DIGITS = 18  # More digits than any blob needs; longer numbers are nonsense and cost time to parse.


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, end), end excluded, of a Range header; None when the whole blob is to be sent.

    None for no header, another unit, several ranges and wrong syntax (RFC 9110 lets a server ignore
    those); RangeError (416) when the one range lies outside of `size` bytes.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None:
        return None
    first, last = match.groups()
    if not (first or last) or max(len(first), len(last)) > _DIGITS:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise RangeError(f"The range begins beyond the {size} bytes of this file.")
    return start, end


def content_disposition(filename: str, *, inline: bool) -> str:
    """The header for any file name a person can invent: an ASCII stand-in and the true name (RFC 8187).

    Control and direction-changing characters are dropped: they split headers or disguise extensions.
    """
    kind = "inline" if inline else "attachment"
    name = _CONTROL.sub("", filename).strip() or "file"
    fallback = _UNSAFE.sub("_", name)
    if fallback == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='')}"


def iter_range(
    store: BlobStore, key: str, start: int = 0, end: int | None = None, chunk: int = CHUNK_SIZE
) -> Generator[bytes, None, None]:
    """The bytes of a range. The blob is opened at once, so that its errors come before any header is
    sent, and closed when the generator ends or is closed because the client has gone.
    """
    reader = _pump(store, key, start, end, chunk)
    next(reader)
    return reader


def _pump(
    store: BlobStore, key: str, start: int, end: int | None, chunk: int
) -> Generator[bytes, None, None]:
    with store.open(key, start=start, end=end) as blob:
        # A generator that has been started runs its clean-up even if nobody ever reads from it.
        yield b""
        while piece := blob.read(chunk):
            yield piece
