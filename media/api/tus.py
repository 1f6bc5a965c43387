"""tus 1.0.0 over HTTP: headers in, headers out. What they mean is in `media.uploads.tus`.

The upload's owner, and that the owner may still write to the library, is checked on every verb.
"""

import base64
import binascii
import re
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import http_date
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import live
from media.api.access import find_library
from media.api.bodies import LeaveBodyParser, blocks, body_size
from media.api.uploads import COPIES, find_own, user_id_of
from media.errors import NotAllowedError, RequestError
from media.models import Library, Upload
from media.models.upload import UploadKind
from media.uploads import finishing, tus
from media.uploads.concatenation import Assembling, concatenate
from media.uploads.passage import Checksum
from media.uploads.places import find_folder, parse_moment

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation", "creation-with-upload", "creation-defer-length",
    "termination", "checksum", "expiration", "concatenation",
)  # fmt: skip
ALGORITHMS: Final = ("sha256", "sha1")
CHUNK_TYPE: Final = "application/offset+octet-stream"
KINDS: Final = (UploadKind.TUS, UploadKind.TUS_PARTIAL, UploadKind.TUS_FINAL)
OVERRIDES: Final = ("PATCH", "DELETE", "HEAD")


class VersionError(RequestError):
    """The client speaks another version of the protocol, or none."""

    code = "tus_version"
    http_status = 412


class ChunkTypeError(RequestError):
    """Bytes under another content type: most likely not meant for us."""

    code = "content_type"
    http_status = 415


class TusView(APIView):
    """What all addresses of the protocol share."""

    parser_classes = [LeaveBodyParser]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Some proxies and clients know only GET and POST; the true verb stands in a header."""
        override = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and override in OVERRIDES:
            request.method = override
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get_permissions(self) -> list[BasePermission]:
        """Anybody may ask what the server can do."""
        return [AllowAny()] if self.request.method == "OPTIONS" else [IsAuthenticated()]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            raise VersionError(
                f"Send the header Tus-Resumable: {VERSION}; this server speaks no other version."
            )

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Tus-Resumable"] = VERSION
        if response.status_code == VersionError.http_status:
            response.headers["Tus-Version"] = VERSION
        return response

    @extend_schema(
        operation_id="tus_options", summary="What this server can do", request=None, responses={204: None}
    )
    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": ",".join(EXTENSIONS),
            "Tus-Max-Size": str(live.value("MAX_UPLOAD_BYTES")),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return Response(status=204, headers=headers)


class TusUploads(TusView):
    """/tus: begin an upload, or join partial ones."""

    @extend_schema(
        operation_id="tus_create",
        summary="Begin a resumable upload (tus 1.0.0)",
        description="Upload-Metadata holds libraryId and filename (required), folderId, lastModified (ms). "
        "Partial uploads need libraryId only.",
        request=None,
        responses={201: None},
    )
    def post(self, request: Request) -> Response:
        said = parse_metadata(request.headers.get("Upload-Metadata", ""))
        library, _ = find_library(request, library_id_of(said), write=True)
        concat = request.headers.get("Upload-Concat", "")
        if concat.startswith("final;"):
            upload = join(request, library, said, concat)
        else:
            upload = begin(request, library, said, partial=is_partial(concat))
        location = f"{request.path.rstrip('/')}/{upload.pk}"
        return Response(status=201, headers={"Location": location, **describe(upload)})


class TusUpload(TusView):
    """/tus/{id}: how far it is, more bytes, the end of it."""

    @extend_schema(
        operation_id="tus_head", summary="How far an upload is", request=None, responses={200: None}
    )
    def head(self, request: Request, upload_id: UUID) -> Response:
        upload = tus.look(find_own(request, upload_id, *KINDS))
        headers = describe(upload) | {"Cache-Control": "no-store"}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        if upload.length is None:
            headers["Upload-Defer-Length"] = "1"
        else:
            headers["Upload-Length"] = str(upload.length)
        return Response(headers=headers | concat_header(request, upload))

    @extend_schema(
        operation_id="tus_append", summary="More bytes of an upload", responses={204: None},
        request={CHUNK_TYPE: {"type": "string", "format": "binary"}},
    )  # fmt: skip
    def patch(self, request: Request, upload_id: UUID) -> Response:
        upload = find_own(request, upload_id, *KINDS)
        if upload.kind == UploadKind.TUS_FINAL:
            raise NotAllowedError("This upload was joined from others and takes no bytes of its own.")
        require_chunk_type(request)
        offset = whole_number(request, "Upload-Offset")
        if offset is None:
            raise RequestError(
                "Say in the header Upload-Offset at which byte you go on.", code="offset_missing"
            )
        return Response(status=204, headers=describe(send(request, upload, offset)))

    @extend_schema(
        operation_id="tus_terminate", summary="Forget an upload", request=None, responses={204: None}
    )
    def delete(self, request: Request, upload_id: UUID) -> Response:
        tus.terminate(find_own(request, upload_id, *KINDS).pk)
        return Response(status=204)


def begin(request: Request, library: Library, said: dict[str, str], *, partial: bool) -> Upload:
    """Create the upload, with its first bytes where they came along."""
    name = said.get("filename", "")
    if not name and not partial:
        raise RequestError("Say the file's name in Upload-Metadata as filename.", code="name_missing")
    with_bytes = body_size(request) != 0
    if with_bytes:
        require_chunk_type(request)
    upload = tus.create(
        tus.Creation(
            library=library,
            user_id=user_id_of(request),
            name=name,
            length=length_of(request),
            partial=partial,
            metadata=request.headers.get("Upload-Metadata", ""),
            declared_type=said.get("mimeType", "") or said.get("filetype", ""),
            folder=find_folder(library, said.get("folderId")),
            client_modified_at=parse_moment(said.get("lastModified")),
        )
    )
    return send(request, upload, 0, length=None) if with_bytes else upload


def send(request: Request, upload: Upload, offset: int, **fields: Any) -> Upload:
    """The body of this request into the upload."""
    length = fields["length"] if "length" in fields else whole_number(request, "Upload-Length")
    patch = tus.Patch(
        offset=offset,
        chunks=blocks(request),
        size=body_size(request),
        length=length,
        checksum=parse_checksum(request.headers.get("Upload-Checksum")),
    )
    return tus.append(upload.pk, patch)


def join(request: Request, library: Library, said: dict[str, str], concat: str) -> Upload:
    if not said.get("filename"):
        raise RequestError("Say the file's name in Upload-Metadata as filename.", code="name_missing")
    if "Upload-Length" in request.headers:
        raise RequestError("Leave Upload-Length out: the length is that of the parts.", code="bad_length")
    return concatenate(
        Assembling(
            library=library,
            user_id=user_id_of(request),
            name=said["filename"],
            parts=[part_id(url) for url in concat.removeprefix("final;").split()],
            metadata=request.headers.get("Upload-Metadata", ""),
            folder=find_folder(library, said.get("folderId")),
            client_modified_at=parse_moment(said.get("lastModified")),
        )
    )


def describe(upload: Upload) -> dict[str, str]:
    """Offset and expiry of an unfinished upload; the file of a finished one."""
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.finished_at is None:
        headers["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    elif upload.file_id is not None:
        headers["Alcoves-File-Id"] = str(upload.file_id)
        headers[COPIES] = str(int(finishing.is_duplicate(upload)))
    return headers


def concat_header(request: Request, upload: Upload) -> dict[str, str]:
    if upload.kind == UploadKind.TUS_PARTIAL:
        return {"Upload-Concat": "partial"}
    if upload.kind == UploadKind.TUS_FINAL:
        folder = request.path.rstrip("/").rpartition("/")[0]
        return {"Upload-Concat": "final;" + " ".join(f"{folder}/{part}" for part in upload.parts)}
    return {}


def is_partial(concat: str) -> bool:
    if concat not in {"", "partial"}:
        raise RequestError("Upload-Concat is either partial or final; with the parts.", code="bad_concat")
    return concat == "partial"


def part_id(url: str) -> UUID:
    """The id in an address that we gave out, absolute or not."""
    try:
        return UUID(url.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise RequestError(
            "Upload-Concat names an address that is no upload of this server.", code="bad_concat"
        ) from None


def parse_metadata(header: str) -> dict[str, str]:
    """`key base64,key base64`: the values as text. A key without a value is empty."""
    said: dict[str, str] = {}
    for pair in filter(None, (piece.strip() for piece in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            said[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise RequestError(
                f"The value of {key[:40]!a} in Upload-Metadata is not UTF-8 in base64.", code="bad_metadata"
            ) from None
    return said


def library_id_of(said: dict[str, str]) -> UUID:
    try:
        return UUID(said.get("libraryId", ""))
    except ValueError:
        raise RequestError(
            "Say the library's id in Upload-Metadata as libraryId.", code="library_missing"
        ) from None


def length_of(request: Request) -> int | None:
    """Upload-Length, or None when it is deferred by the header that says so."""
    length = whole_number(request, "Upload-Length")
    deferred = request.headers.get("Upload-Defer-Length")
    if (length is None) == (deferred is None) or deferred not in {None, "1"}:
        raise RequestError("Send either Upload-Length, or Upload-Defer-Length: 1.", code="bad_length")
    return length


def whole_number(request: Request, name: str) -> int | None:
    value = request.headers.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise RequestError(f"{name} must be a whole number of bytes.", code="bad_number")
    return int(value)


def require_chunk_type(request: Request) -> None:
    if (request.content_type or "").partition(";")[0].strip().lower() != CHUNK_TYPE:
        raise ChunkTypeError(f"Send the bytes as Content-Type: {CHUNK_TYPE}.")


def parse_checksum(header: str | None) -> Checksum | None:
    if header is None:
        return None
    algorithm, _, value = header.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise RequestError(f"This server checks {' and '.join(ALGORITHMS)} only.", code="bad_checksum")
    try:
        return Checksum(algorithm, base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        raise RequestError(
            "Upload-Checksum is an algorithm, a blank and the digest in base64.", code="bad_checksum"
        ) from None
