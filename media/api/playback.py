"""How a file is played: from which sources, with which subtitles; and the proxy, asked for and served."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from media import playback
from media.api import describing
from media.api.access import find_file
from media.api.derivatives import AsItIs, asked_again, served_output
from media.api.film_shapes import PlaybackShape, ProxyInput
from media.api.libraries import checked
from media.api.shapes import FileDetailShape
from media.models import File
from media.playback import PlaybackSource
from media.serving import serve


class PlaybackSources(APIView):
    """What a player may choose from."""

    @extend_schema(operation_id="libraries_files_playback_sources", responses=PlaybackShape)
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """The original and its proxy with their types, the default, subtitles, and how the job of the proxy stands."""
        file, _ = find_file(request, library_id, file_id)
        sources = playback.sources_of(file)
        default = playback.default_of(sources)
        return Response(
            {
                "sources": [source_of(file, source, default) for source in sources],
                "default": default,
                "subtitles": subtitles_of(file),
                **describing.job_columns(playback.PROXY, playback.find_row(file, playback.PROXY)),
            }
        )


def source_of(file: File, source: PlaybackSource, default: str | None) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "url": url_of(file, source),
        "type": source.type,
        "mimeType": source.mime,
        "width": source.width,
        "height": source.height,
        "duration": source.duration,
        "size": source.size,
        "bitRate": source.bit_rate,
        "videoCodec": source.video_codec,
        "audioCodec": source.audio_codec,
        "playable": source.playable,
        "reason": source.reason,
        "label": source.label,
        "default": source.kind == default,
    }


def url_of(file: File, source: PlaybackSource) -> str:
    """That of a proxy changes with its bytes, so browsers may keep them."""
    if source.kind == playback.ORIGINAL:
        return reverse("api:original", args=(file.library_id, file.pk))
    output = playback.proxy_output(playback.find_row(file, playback.PROXY)) or {}
    return f"{reverse('api:proxy', args=(file.library_id, file.pk))}?v={describing.version_of(output)}"


def subtitles_of(file: File) -> list[dict[str, Any]]:
    """Tracks that became WebVTT, in the order of the file; then what was written down of its sound."""
    return [*tracks_of(file), *transcripts_of(file)]


def transcripts_of(file: File) -> list[dict[str, Any]]:
    found = []
    for row in playback.captions_of(file):
        output = row.output(playback.CAPTIONS)
        if output is not None:
            found.append(
                {
                    "url": describing.derivative_url(file, playback.SPOKEN, output, row.variant),
                    "language": row.facts.get("language"),
                    "title": row.facts.get("title"),
                    "default": False,
                    "forced": False,
                    "transcript": True,
                    "track": row.facts.get("track"),
                    "kept": row.facts.get(playback.KEPT),
                }
            )
    return found


def tracks_of(file: File) -> list[dict[str, Any]]:
    row = playback.find_row(file, "subtitles")
    found = []
    for track in row.facts.get("tracks", ()) if row is not None else ():
        output = row.output(track["name"]) if row is not None else None
        if output is not None:
            found.append(
                {
                    "url": describing.derivative_url(file, "subtitles", output),
                    "language": track["language"],
                    "title": track["title"],
                    "default": track["default"],
                    "forced": track["forced"],
                    "transcript": False,
                    "track": None,
                    "kept": None,
                }
            )
    return found


class Proxy(APIView):
    """The proxy of a film or a recording."""

    content_negotiation_class = AsItIs

    @extend_schema(
        operation_id="libraries_files_proxy_retrieve",
        parameters=[
            OpenApiParameter("v", str, description="version in the address, for caches"),
            OpenApiParameter("download", bool, description="1 to save it under the file's name"),
        ],
        responses={(200, "video/mp4"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, library_id: UUID, file_id: UUID) -> HttpResponseBase:
        """Its bytes, with Range and conditions. 404 while there is none."""
        file, _ = find_file(request, library_id, file_id)
        row = playback.find_row(file, playback.PROXY)
        output = playback.proxy_output(row)
        if row is None or output is None:
            raise Http404("There is no proxy of this file. Ask for one with POST, or play the original.")
        served = served_output(file, row, output["name"], request.query_params.get("v"))
        download = request.query_params.get("download", "") not in {"", "0", "false"}
        return serve(request._request, replace(served, download=download, may_redirect=True))  # noqa: SLF001

    @extend_schema(
        operation_id="libraries_files_proxy_create", request=ProxyInput, responses={202: FileDetailShape}
    )
    def post(self, request: Request, library_id: UUID, file_id: UUID) -> Response:
        """Make it, or make it anew. `force` makes one of a file that browsers play as it is; left out: as last time."""
        file, _ = find_file(request, library_id, file_id, write=True)
        given = checked(ProxyInput(data=request.data))
        parameters = {"force": given["force"]} if "force" in given else None
        return asked_again(request, file, playback.PROXY, parameters)
