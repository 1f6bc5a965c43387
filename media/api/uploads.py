"""Ways in by plain HTTP: a multipart form or a raw body for small files, presigned PUT with its confirm.

Access is checked before the first byte of a body is read. For big files and bad lines there is tus.
"""

from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID

from django.core.exceptions import BadRequest, TooManyFilesSent
from django.db import transaction
from django.http import Http404
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import intake
from media.api.access import find_library
from media.api.bodies import Body, LeaveBodyParser, blocks, body_size
from media.api.parsing import JSONParser
from media.errors import RequestError
from media.intake import Admitted, Place, Stored
from media.libraries import require_write
from media.models import File, Library, Membership, Upload
from media.models.upload import UploadKind
from media.uploads import finishing, presigned, receiving
from media.uploads.multipart import StoreUploadHandler
from media.uploads.places import find_folder, parse_moment, settled

COPIES = "X-Alcoves-Duplicate-Count"


class ReceivedFile(serializers.Serializer[Any]):
    """A file that has just come in."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    size = serializers.IntegerField()
    mime = serializers.CharField(help_text="by its bytes, whatever was declared")
    kind = serializers.CharField(help_text="image, video, audio or other")
    sha256 = serializers.CharField(allow_null=True, help_text="null until the hash queue has read the bytes")
    duplicate = serializers.BooleanField(
        help_text="the library had these bytes; what was made of them is shared"
    )


class ReceivedFiles(serializers.Serializer[Any]):
    """The answer to a form with several files."""

    files = ReceivedFile(many=True)


def describe(file: File, *, duplicate: bool) -> dict[str, Any]:
    original = file.original
    return {
        "id": file.pk,
        "name": file.name,
        "size": original.size,
        "mime": original.mime,
        "kind": original.kind,
        "sha256": original.sha256,
        "duplicate": duplicate,
    }


def header(name: str, sentence: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=sentence)


class ReceiveFilesMixin(APIView):
    """POST of a view on /libraries/{id}/files. Leaves every body alone until access is known."""

    parser_classes = [LeaveBodyParser]

    @extend_schema(
        operation_id="files_upload",
        summary="Upload files: a form with one or more `file` parts, or one raw body",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    "folder": {"type": "string", "format": "uuid"},
                    "lastModified": {
                        "type": "array",
                        "items": {"type": "integer"},
                        "description": "epoch ms, one per file",
                    },
                },
                "required": ["file"],
            },
            "application/octet-stream": OpenApiTypes.BINARY,
        },
        parameters=[
            header("X-Upload-Name", "raw body: the file's name, percent-encoded UTF-8"),
            header("X-Upload-Folder-Id", "raw body: the folder, if not the top of the library"),
            header("X-Upload-Last-Modified", "raw body: epoch milliseconds"),
        ],
        responses={201: ReceivedFile},
    )
    def post(self, request: Request, library_id: UUID) -> Response:
        library, member = find_library(request, library_id, write=True)
        return receive(request, library, member)


class ReceiveFiles(ReceiveFilesMixin):
    """The mixin as a view of its own."""


def receive(request: Request, library: Library, member: Membership) -> Response:
    """For a view that has checked access and left the body alone: `parser_classes = [LeaveBodyParser]`."""
    require_write(member)
    if (request.content_type or "").lower().startswith("multipart/"):
        return answer(receive_form(request, library))
    return answer([receive_raw(request, library)])


def answer(admitted: list[Admitted]) -> Response:
    """One file as itself, several as a list."""
    described = [describe(one.file, duplicate=one.duplicate) for one in admitted]
    data = described[0] if len(described) == 1 else {"files": described}
    copies = sum(one.duplicate for one in admitted)
    return Response(data, status=201, headers={COPIES: str(copies)})


def receive_raw(request: Request, library: Library) -> Admitted:
    """The body is the file; what else there is to say stands in headers."""
    name = unquote(request.headers.get("X-Upload-Name", ""), errors="replace")
    if not name:
        raise RequestError(
            "Say the file's name in the header X-Upload-Name, percent-encoded.", code="name_missing"
        )
    place = Place(
        library,
        name,
        find_folder(library, request.headers.get("X-Upload-Folder-Id")),
        user_id_of(request),
        parse_moment(request.headers.get("X-Upload-Last-Modified")),
    )
    stored = receiving.receive(library, blocks(request), size=body_size(request))
    return receiving.admit(stored, place, way="raw")


def receive_form(request: Request, library: Library) -> list[Admitted]:
    """All files of the form or none. Fields may come before or after the files."""
    size = body_size(request)
    if size is None:
        raise LengthRequiredError(
            "A form must announce its length. Send Content-Length, or the file as a raw body."
        )
    handler = StoreUploadHandler(library)
    try:
        fields = parse_form(request, handler, size)
        places = places_of(request, library, fields, [name for name, _ in handler.received])
        with transaction.atomic():
            admitted = admit_all([stored for _, stored in handler.received], places)
    except BaseException:
        handler.discard()
        raise
    for one in admitted:
        receiving.count("multipart", one, one.file.original.size)
    return admitted


class LengthRequiredError(RequestError):
    """A form whose end cannot be told from a broken connection."""

    code = "length_required"
    http_status = 411


def parse_form(request: Request, handler: StoreUploadHandler, size: int) -> Any:
    """Run Django's parser with our handler; returns the plain fields."""
    body: Any = Body(request.META["wsgi.input"], size)
    try:
        fields, _ = MultiPartParser(request.META, body, [handler], "utf-8").parse()
    except (MultiPartParserError, TooManyFilesSent, BadRequest) as error:
        raise RequestError(f"This form cannot be read: {error}", code="bad_form") from error
    if handler.interrupted:
        raise RequestError("This form ends inside a file. Send it again.", code="bad_form")
    if not handler.received:
        raise RequestError("This form has no file. Send it in a field named file.", code="file_missing")
    return fields


def places_of(request: Request, library: Library, fields: Any, names: list[str]) -> list[Place]:
    folder = find_folder(library, fields.get("folder"))
    moments = fields.getlist("lastModified")
    moments += [None] * (len(names) - len(moments))
    pairs = zip(names, moments, strict=False)
    return [Place(library, name, folder, user_id_of(request), parse_moment(moment)) for name, moment in pairs]


def admit_all(received: list[Stored], places: list[Place]) -> list[Admitted]:
    """In the order of their digests, so that two forms with the same files never wait for each other."""
    order = sorted(range(len(received)), key=lambda number: received[number].sha256 or "")
    admitted = {number: intake.admit(received[number], settled(places[number])) for number in order}
    return [admitted[number] for number in range(len(received))]


class AskUpload(serializers.Serializer[Any]):
    """What a client says of the file it is about to PUT."""

    name = serializers.CharField(max_length=1024)
    size = serializers.IntegerField(min_value=0)
    sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$", required=False)
    contentType = serializers.RegexField(
        r"^[\w.+-]+/[\w.+-]+$", max_length=127, default="application/octet-stream", required=False
    )
    folder = serializers.UUIDField(required=False, allow_null=True)
    lastModified = serializers.IntegerField(required=False, allow_null=True, help_text="epoch milliseconds")


class GrantedUpload(serializers.Serializer[Any]):
    """Where to PUT the bytes, with exactly these headers, and until when."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    method = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    expiresAt = serializers.DateTimeField()


class AskUploadView(APIView):
    """POST /libraries/{id}/uploads."""

    parser_classes = [JSONParser]

    @extend_schema(
        operation_id="uploads_presign", summary="Ask for a URL to PUT one file to", request=AskUpload,
        responses={201: GrantedUpload},
    )  # fmt: skip
    def post(self, request: Request, library_id: UUID) -> Response:
        library, _ = find_library(request, library_id, write=True)
        asked = AskUpload(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data
        moment = said.get("lastModified")
        upload, signed = presigned.permit(
            presigned.Asking(
                library=library,
                user_id=user_id_of(request),
                name=said["name"],
                size=said["size"],
                sha256=said.get("sha256", "").lower(),
                content_type=said["contentType"],
                folder=find_folder(library, said.get("folder")),
                client_modified_at=parse_moment(None if moment is None else str(moment)),
            )
        )
        data = {
            "id": upload.pk,
            "url": signed.url,
            "method": signed.method,
            "headers": signed.headers,
            "expiresAt": upload.expires_at,
        }
        return Response(data, status=201)


class ConfirmUpload(APIView):
    """POST /uploads/{id}/confirm."""

    parser_classes = [LeaveBodyParser]

    @extend_schema(
        operation_id="uploads_confirm", summary="The bytes have been PUT: make the file", request=None,
        responses={200: ReceivedFile},
    )  # fmt: skip
    def post(self, request: Request, upload_id: UUID) -> Response:
        upload = find_own(request, upload_id, UploadKind.PRESIGNED)
        done = presigned.confirm(upload.pk)
        duplicate = finishing.is_duplicate(done)
        assert done.file is not None  # noqa: S101  `confirm` refuses a finished upload without its file.
        return Response(describe(done.file, duplicate=duplicate), headers={COPIES: str(int(duplicate))})


def user_id_of(request: Request) -> UUID:
    return cast("UUID", request.user.pk)


def find_own(request: Request, upload_id: UUID, *kinds: str) -> Upload:
    """The caller's own upload, as long as the caller may still write to its library. 404 for anybody else."""
    rows = Upload.objects.select_related("library", "file").filter(
        pk=upload_id, user_id=user_id_of(request), kind__in=kinds
    )
    upload: Upload | None = rows.first()
    if upload is None:
        raise Http404("There is no such upload, or it is not yours.")
    find_library(request, upload.library_id, write=True)
    return upload
