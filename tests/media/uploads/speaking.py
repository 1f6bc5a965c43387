"""A small tus client for tests, over Django's test client; and bodies that break."""

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

from django.test import Client

from media.models import Library

VERSION = {"Tus-Resumable": "1.0.0"}
CHUNK = "application/offset+octet-stream"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 200


def coded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def metadata(library: Library, name: str = "a.png", **more: str) -> str:
    said = {"libraryId": str(library.pk), "filename": name, **more}
    return ",".join(f"{key} {coded(value)}" for key, value in said.items())


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


class Tus:
    """One person's tus client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, library: Library, length: int | None, name: str = "a.png", **options: Any) -> Any:
        headers = VERSION | {"Upload-Metadata": metadata(library, name, **options.pop("said", {}))}
        headers |= {"Upload-Length": str(length)} if length is not None else {"Upload-Defer-Length": "1"}
        headers |= options.pop("headers", {})
        body = {"data": b"", "content_type": "application/octet-stream"} | options
        return self.client.post("/api/tus", headers=headers, **body)

    def begin(self, library: Library, length: int | None, name: str = "a.png", **options: Any) -> str:
        answer = self.create(library, length, name, **options)
        assert answer.status_code == 201, answer.content
        return str(answer["Location"])

    def head(self, url: str) -> Any:
        return self.client.head(url, headers=VERSION)

    def patch(self, url: str, offset: int, data: bytes, **headers: str) -> Any:
        sent = (
            VERSION
            | {"Upload-Offset": str(offset)}
            | {key.replace("_", "-"): value for key, value in headers.items()}
        )
        # Django's client leaves the content type out where there is no body.
        return self.client.patch(url, data, content_type=CHUNK, headers=sent | {"Content-Type": CHUNK})

    def delete(self, url: str) -> Any:
        return self.client.delete(url, headers=VERSION)

    def offset(self, url: str) -> int:
        return int(self.head(url)["Upload-Offset"])


def dying(*blocks: bytes) -> Iterator[bytes]:
    """A body whose connection breaks after these blocks."""
    yield from blocks
    raise ConnectionResetError


class BrokenStream(io.RawIOBase):
    """What a server gives as wsgi.input when the client goes away: some bytes, then an error or an early end."""

    def __init__(self, data: bytes, *, silently: bool) -> None:
        super().__init__()
        self._data = data
        self._silently = silently

    def read(self, size: int = -1, /) -> bytes:
        if not self._data:
            if self._silently:
                return b""
            raise OSError("connection reset")
        block, self._data = self._data[:size], self._data[size:]
        return block
