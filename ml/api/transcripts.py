"""Transcripts of a file: asking for them, reading, correcting and downloading; and the language of a library."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import ledger
from media.api import cursors
from media.api.access import find_file, find_library, user_of
from media.api.derivatives import AsItIs, described_skips
from media.api.describing import derivative_url, version_of, with_all
from media.api.libraries import checked
from media.errors import ConflictError
from media.models import Derivative, File
from media.playback import CAPTIONS
from media.serving import Served, serve
from ml.api.transcript_shapes import (
    AskedShape,
    EditInput,
    LanguageInput,
    LanguageShape,
    RevertInput,
    SegmentQuery,
    TrackShape,
    TranscribeInput,
    TranscribeManyInput,
    TranscriptPageShape,
)
from ml.models import LibraryLanguage, Transcript, TranscriptSegment
from ml.transcription import asking, editing, languages, outputs, recording, tongues

FORMS: Final = {"vtt": CAPTIONS, "srt": outputs.SUBRIP, "txt": outputs.PLAIN, "json": outputs.WHOLE}


class Transcripts(APIView):
    """All tracks of sound of a file."""

    @extend_schema(operation_id="libraries_files_transcripts_list", responses=TrackShape(many=True))
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """What each is called, how its job stands, and what is written down of it. Empty for what has no sound."""
        file, _ = find_file(request, library_id, file_id)
        written = list(asking.transcripts_of(file))
        return Response([told(file, track, written) for track in asking.tracks_of(file)])


class OneTranscript(APIView):
    """One track, by the index of its stream, or `default`."""

    @extend_schema(
        operation_id="libraries_files_transcripts_retrieve",
        parameters=[SegmentQuery],
        responses=TranscriptPageShape,
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID, track: str) -> Response:
        """Its text and segments, in pages; 404 while nothing was written down."""
        file, _ = find_file(request, library_id, file_id)
        given = checked(SegmentQuery(data=request.query_params))
        written = list(asking.transcripts_of(file))
        found = asking.transcript_of(file, asking.track_of(file, track), written)
        track_now = told(file, track_found(file, found.track), written)
        return Response({**track_now, "text": found.text, **page_of(found, given)})

    @extend_schema(
        operation_id="libraries_files_transcripts_create",
        request=TranscribeInput,
        responses={202: TrackShape},
    )
    def post(self, request: Request, library_id: UUID, file_id: UUID, track: str) -> Response:
        """Write it down, or anew. What people have corrected stays, unless `replace` is sent."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(TranscribeInput(data=request.data))
        index = asking.track_of(file, track)
        asking.ask(file, index, language_of(given), replace=given["replace"])
        return answer(request, file, index, status=202)

    @extend_schema(operation_id="libraries_files_transcripts_edit", request=EditInput, responses=TrackShape)
    def patch(self, request: Request, library_id: UUID, file_id: UUID, track: str) -> Response:
        """Correct it: all files of it follow. 409 where somebody else was quicker."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(EditInput(data=request.data))
        found = asking.find_transcript(file, asking.track_of(file, track))
        language = languages.known(given["language"]) if "language" in given else None
        editing.edit(file, found, user_of(request), given["revision"], given["changes"], language)
        return answer(request, file, found.track)


def language_of(given: dict[str, Any]) -> Any:
    """What was asked for; left out: as last time."""
    told = given.get("language", asking.UNCHANGED)
    return languages.known(told) if isinstance(told, str) else told


class TranscribeMany(APIView):
    """Many files at once."""

    @extend_schema(
        operation_id="libraries_transcripts_create", request=TranscribeManyInput, responses={202: AskedShape}
    )
    def post(self, request: Request, library_id: UUID) -> Response:
        """Write down the default track of each, or anew. For a whole library there is `reprocess`."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(TranscribeManyInput(data=request.data))
        files = with_all(File.objects.filter(library=library, pk__in=given["fileIds"]), probe=True)
        found = asking.ask_many({file.pk: file for file in files}, given["fileIds"], language_of(given))
        return Response(
            {
                "queued": [str(one.file) for one in found if not one.reason],
                "skipped": described_skips(found),
            },
            status=202,
        )


class RevertTranscript(APIView):
    """Corrections that nobody wants any more."""

    @extend_schema(request=RevertInput, responses=TrackShape)
    def post(self, request: Request, library_id: UUID, file_id: UUID, track: str) -> Response:
        """What the model has heard last stands again."""
        file, _ = find_file(request, library_id, file_id, write=True)
        revision = checked(RevertInput(data=request.data))["revision"]
        found = asking.find_transcript(file, asking.track_of(file, track))
        editing.drop_corrections(file, found, revision)
        return answer(request, file, found.track)


class KeptTranscript(APIView):
    """Corrections that were made to another upload of the same bytes, and lie beside those that stand."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, library_id: UUID, file_id: UUID, track: str, key: UUID) -> Response:
        """Delete them for good."""
        file, _ = find_file(request, library_id, file_id, write=True)
        editing.drop_kept(file, asking.find_kept(file, asking.track_of(file, track), key))
        return Response(status=204)


class CancelTranscript(APIView):
    """A job that is not wanted any more."""

    @extend_schema(request=None, responses={202: TrackShape})
    def post(self, request: Request, library_id: UUID, file_id: UUID, track: str) -> Response:
        """Stop it; an earlier transcript stays. 409 when there is nothing to stop."""
        file, _ = find_file(request, library_id, file_id, write=True)
        index = asking.track_of(file, track)
        row = asking.find_row(file, index)
        if row is None or not ledger.cancel(Derivative.objects.filter(pk=row.pk)):
            raise ConflictError(
                "This job is not waiting or running, so there is nothing to stop.", code="not_running"
            )
        return answer(request, file, index, status=202)


class TranscriptFile(APIView):
    """A transcript as a file."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_transcripts_download",
        responses={
            (200, "text/vtt"): OpenApiTypes.STR,
            (200, "application/x-subrip"): OpenApiTypes.STR,
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/json"): OpenApiTypes.OBJECT,
        },
    )
    def get(
        self, request: Request, library_id: UUID, file_id: UUID, track: str, form: str
    ) -> HttpResponseBase:
        """WebVTT, SubRip, plain text or JSON with words; as people have corrected it."""
        file, _ = find_file(request, library_id, file_id)
        row = asking.find_files(file, asking.track_of(file, track))
        output = row.output(FORMS.get(form, "")) if row is not None else None
        if row is None or output is None:
            raise Http404(
                f"There is no {form} of this track. There are: {', '.join(FORMS)}, once it is ready."
            )
        return serve(request._request, served(file, row, output, form, request.query_params.get("v")))  # noqa: SLF001


class SpokenLanguage(APIView):
    """The language that is spoken in a library: asked where neither the file nor its track says one."""

    @extend_schema(operation_id="libraries_language_retrieve", responses=LanguageShape)
    def get(self, request: Request, library_id: UUID) -> Response:
        library, _ = find_library(request, library_id)
        return Response(told_language(languages.of_library(library.pk)))

    @extend_schema(operation_id="libraries_language_set", request=LanguageInput, responses=LanguageShape)
    def put(self, request: Request, library_id: UUID) -> Response:
        """For transcripts that are made from now on; null leaves it to the model. What is made already stays."""
        library, _ = find_library(request, library_id, write=True)
        given = checked(LanguageInput(data=request.data))["language"]
        if given is None:
            LibraryLanguage.objects.filter(library=library).delete()
            return Response(told_language(None))
        code = languages.known(given)
        LibraryLanguage.objects.update_or_create(library=library, defaults={"language": code})
        return Response(told_language(code))


def told_language(code: str | None) -> dict[str, Any]:
    return {"language": code, "name": tongues.NAMES.get(code or "")}


def answer(request: Request, file: File, track: int, *, status: int = 200) -> Response:
    """The track as it is now."""
    fresh, _ = find_file(request, file.library_id, file.pk)
    return Response(told_track(fresh, track), status=status)


def told_track(file: File, index: int) -> dict[str, Any]:
    return told(file, track_found(file, index), list(asking.transcripts_of(file)))


def track_found(file: File, index: int) -> Mapping[str, Any]:
    """As the probe tells it; its index alone where a later probe does not know it."""
    return next((one for one in asking.tracks_of(file) if one["index"] == index), {"index": index})


def told(file: File, track: Any, written: Sequence[Transcript]) -> dict[str, Any]:
    """A track, with what was written down of it; costs no query."""
    row = asking.find_row(file, track["index"])
    mine = [one for one in written if one.track == track["index"]]
    found = asking.find_standing(file, track["index"], written)
    return {
        "track": track["index"],
        "default": track["index"] == asking.default_of(file),
        "title": track.get("title"),
        "tagged": track.get("language"),
        "asked": row.parameters.get("language") if row else None,
        "status": row.status if row else None,
        "progress": row.progress if row else None,
        "etaSeconds": row.eta_seconds if row else None,
        "errorCode": (row.error_code or None) if row else None,
        "error": (row.error_message or None) if row else None,
        "transcript": told_transcript(file, found) if found is not None else None,
        "kept": [told_kept(file, one) for one in mine if recording.is_put_aside(one)],
    }


def told_kept(file: File, found: Transcript) -> dict[str, Any]:
    row: Derivative = found.derivative
    outputs_of = {form: row.output(name) for form, name in FORMS.items()}
    return {
        "id": str(found.pk),
        "language": found.language or None,
        "segmentCount": row.facts.get("segments", 0),
        "wordCount": row.facts.get("words", 0),
        "editedAt": found.edited_at,
        "editedBy": told_editor(found),
        "urls": {
            form: derivative_url(file, outputs.DERIVER, output, row.variant)
            for form, output in outputs_of.items()
            if output is not None
        },
    }


def told_editor(found: Transcript) -> dict[str, str] | None:
    editor: Any = found.edited_by
    return {"id": str(editor.pk), "name": editor.name} if editor else None


def told_transcript(file: File, found: Transcript) -> dict[str, Any]:
    row = asking.find_files(file, found.track)
    facts = row.facts if row is not None else {}
    return {
        "language": found.language or None,
        "languageFound": found.language_found,
        "model": found.model,
        "segmentCount": facts.get("segments", 0),
        "wordCount": facts.get("words", 0),
        "revision": found.revision,
        "editedAt": found.edited_at,
        "editedBy": told_editor(found),
        "newer": "heard_version" in facts and facts["heard_version"] < found.derivative.ready_version,
        "urls": addresses(file, found.track, row) if row is not None else {},
        "updatedAt": found.updated_at,
    }


def addresses(file: File, track: int, row: Derivative) -> dict[str, str]:
    """Of its forms. They change with the bytes, so browsers may keep them."""
    found = {}
    for form, name in FORMS.items():
        if (output := row.output(name)) is not None:
            keys = (file.library_id, file.pk, track, form)
            found[form] = f"{reverse('understanding:transcript-file', args=keys)}?v={version_of(output)}"
    return found


def page_of(found: Transcript, given: dict[str, Any]) -> dict[str, Any]:
    """Segments in the order of the track, from the cursor on."""
    rows = TranscriptSegment.objects.filter(transcript=found)
    if "cursor" in given:
        position, _ = cursors.decode(given["cursor"])
        if not position.isdecimal() or len(position) > 9:
            raise cursors.refusal()
        rows = rows.filter(position__gt=int(position))
    if not given["words"]:
        rows = rows.defer("words")
    page = list(rows.order_by("position")[: given["limit"] + 1])
    last = page[given["limit"] - 1] if len(page) > given["limit"] else None
    return {
        "segments": [told_segment(row, words=given["words"]) for row in page[: given["limit"]]],
        "nextCursor": cursors.encode(str(last.position), last.pk) if last is not None else None,
    }


def told_segment(row: TranscriptSegment, *, words: bool) -> dict[str, Any]:
    names = ("start", "end", "text", "probability")
    return {
        "id": str(row.pk),
        "position": row.position,
        "start": row.start_seconds,
        "end": row.end_seconds,
        "text": row.text,
        "confidence": row.confidence,
        "words": [dict(zip(names, word, strict=True)) for word in row.words] if words else [],
    }


def served(file: File, row: Derivative, output: dict[str, Any], form: str, version: str | None) -> Served:
    """Under the file's name with the language, as players look for it: `holiday.de.vtt`."""
    stem = file.name.rpartition(".")[0] or file.name
    language = row.facts.get("language")
    return Served(
        key=output["key"],
        size=output["size"],
        content_type=output["content_type"],
        name=".".join(filter(None, (stem, language, form))),
        modified_at=row.finished_at or row.updated_at,
        sha256=output.get("sha256"),
        immutable=version == version_of(output),
    )
