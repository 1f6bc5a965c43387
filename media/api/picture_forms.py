"""A picture that is sent to be taken in at once: the part of a form, or the whole body; never read beyond its limit."""

from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import BadRequest, TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from rest_framework.request import Request

from media.api.bodies import Body, body_size
from media.api.uploads import LengthRequiredError
from media.errors import RequestError
from media.uploads.errors import TooLongError

FORM: Final = 64 * 1024
"""Bytes that the form around it may have."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What may come: the names of the part, the bytes of the picture, and what is said of a longer one."""

    fields: frozenset[str]
    largest: int
    too_long: str

    def refuse(self) -> TooLongError:
        return TooLongError(self.too_long)


class PictureHandler(FileUploadHandler):
    """Keeps the one picture of a form in memory."""

    chunk_size = 256 * 1024

    def __init__(self, expected: Expected) -> None:
        super().__init__()
        self.expected = expected
        self.content: bytearray | None = None
        self.whole = False

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name not in self.expected.fields or self.content is not None:
            raise SkipFile
        self.content = bytearray()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self.content is not None  # noqa: S101  Parts that are passed over come to no handler.
        if len(self.content) + len(raw_data) > self.expected.largest:
            raise self.expected.refuse()
        self.content += raw_data

    def file_complete(self, file_size: int) -> None:
        self.whole = True


def read_form(request: Request, expected: Expected) -> bytes:
    """The picture of the form. RequestError (400) where there is none, TooLongError (413) as soon as it is too long."""
    handler = PictureHandler(expected)
    body: Any = Body(request.META["wsgi.input"], size_of(request, expected, FORM))
    try:
        MultiPartParser(request.META, body, [handler], "utf-8").parse()
    except (MultiPartParserError, TooManyFilesSent, BadRequest) as error:
        raise RequestError(
            f"This form cannot be read: {error}. Send the picture as the part named file.", code="bad_form"
        ) from error
    if handler.content is None or not handler.whole:
        raise RequestError("This form has no picture. Send it as the part named file.", code="file_missing")
    return bytes(handler.content)


def read_form_or_body(request: Request, expected: Expected) -> bytes:
    """The same, or the body itself where it says that it is a picture."""
    if not request.META.get("CONTENT_TYPE", "").startswith("image/"):
        return read_form(request, expected)
    size = size_of(request, expected, 0)
    body, content = Body(request.META["wsgi.input"], size), bytearray()
    while block := body.read():
        content += block
    return bytes(content)


def size_of(request: Request, expected: Expected, around: int) -> int:
    size = body_size(request)
    if size is None:
        raise LengthRequiredError("A picture must announce its length. Send Content-Length.")
    if size > expected.largest + around:
        raise expected.refuse()
    return size
