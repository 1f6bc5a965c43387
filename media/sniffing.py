"""A step: what a file is, from its own bytes. Names, extensions and declared types are never asked.

An allow-list: what no rule here recognises is `application/octet-stream`, kind `other`, and no decoder ever
sees it. `TYPES` says for each type which kind it is and which ffmpeg demuxer may open it: `media.tools`
forces that one, so that a playlist in the clothes of a film is never followed. Brands cannot tell sound-only
MP4, Matroska or ASF from video: `media.probing` refines the kind later.

Sources of the magics: the formats' own specifications and the WHATWG MIME sniffing standard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from media import magics

Kind: TypeAlias = Literal["image", "video", "audio", "other"]
HEAD: Final = 64 * 1024
TAIL: Final = 26
"""Only TGA keeps its signature at the end, in its last 26 bytes."""

UNKNOWN: Final = "application/octet-stream"
EMPTY: Final = "application/x-empty"

TYPES: Final[dict[str, tuple[Kind, str | None]]] = {
    "image/jpeg": ("image", None),
    "image/png": ("image", None),
    "image/apng": ("image", None),
    "image/gif": ("image", None),
    "image/webp": ("image", None),
    "image/tiff": ("image", None),
    "image/avif": ("image", None),
    "image/heic": ("image", None),
    "image/heif": ("image", None),
    "image/jxl": ("image", None),
    "image/bmp": ("image", None),
    "image/vnd.microsoft.icon": ("image", None),
    "image/vnd.adobe.photoshop": ("image", None),
    "image/jp2": ("image", None),
    "image/x-tga": ("image", None),
    "image/x-portable-anymap": ("image", None),
    "image/x-icns": ("image", None),
    "image/x-pcx": ("image", None),
    "image/qoi": ("image", None),
    "image/x-exr": ("image", None),
    "image/vnd.radiance": ("image", None),
    "image/x-xcf": ("image", None),
    "image/x-adobe-dng": ("image", None),
    "image/x-canon-cr2": ("image", None),
    "image/x-canon-cr3": ("image", None),
    "image/x-nikon-nef": ("image", None),
    "image/x-sony-arw": ("image", None),
    "image/x-olympus-orf": ("image", None),
    "image/x-panasonic-rw2": ("image", None),
    "image/x-fuji-raf": ("image", None),
    "image/x-pentax-pef": ("image", None),
    "image/x-samsung-srw": ("image", None),
    "image/x-hasselblad-3fr": ("image", None),
    "image/x-sigma-x3f": ("image", None),
    # Drawn by a program with scripts, links and entities: kept and never decoded.
    "image/svg+xml": ("other", None),
    "application/pdf": ("other", None),
    "video/mp4": ("video", "mov"),
    "video/quicktime": ("video", "mov"),
    "video/3gpp": ("video", "mov"),
    "video/3gpp2": ("video", "mov"),
    "video/x-matroska": ("video", "matroska"),
    "video/webm": ("video", "matroska"),
    "video/x-msvideo": ("video", "avi"),
    "video/ogg": ("video", "ogg"),
    "video/mp2t": ("video", "mpegts"),
    "video/mpeg": ("video", "mpeg"),
    "video/x-flv": ("video", "flv"),
    "video/x-ms-asf": ("video", "asf"),
    "audio/mp4": ("audio", "mov"),
    "audio/mpeg": ("audio", "mp3"),
    "audio/aac": ("audio", "aac"),
    "audio/ogg": ("audio", "ogg"),
    "audio/wav": ("audio", "wav"),
    "audio/aiff": ("audio", "aiff"),
    "audio/flac": ("audio", "flac"),
    "audio/x-caf": ("audio", "caf"),
    "audio/amr": ("audio", "amr"),
    "audio/x-wavpack": ("audio", "wv"),
    "application/zip": ("other", None),
    "application/xml": ("other", None),
    "application/vnd.apple.mpegurl": ("other", None),
    "text/html": ("other", None),
    "text/markdown": ("other", None),
    "text/plain": ("other", None),
    EMPTY: ("other", None),
    UNKNOWN: ("other", None),
}

PREFIXES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"\x76\x2f\x31\x01", "image/x-exr"),
    (b"#?RADIANCE\n", "image/vnd.radiance"),
    (b"#?RGBE\n", "image/vnd.radiance"),
    (b"gimp xcf ", "image/x-xcf"),
    (b"qoif", "image/qoi"),
    (b"FUJIFILMCCD-RAW ", "image/x-fuji-raf"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"%PDF-", "application/pdf"),
    (b"fLaC", "audio/flac"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", "video/x-ms-asf"),
    (b"caff\x00\x01", "audio/x-caf"),
    (b"#!AMR\n", "audio/amr"),
    (b"#!AMR-WB\n", "audio/amr"),
    (b"wvpk", "audio/x-wavpack"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
)

RECOGNISERS: Final[tuple[Callable[[bytes], str | None], ...]] = (
    magics.jpeg,
    magics.png,
    magics.riff,
    magics.iso_media,
    magics.matroska,
    magics.tiff,
    magics.ogg,
    magics.aiff,
    magics.bmp,
    magics.icon,
    magics.apple_icon,
    magics.photoshop,
    magics.anymap,
    magics.paintbrush,
    magics.mpeg_stream,
    magics.mpeg_audio,
    magics.text,
)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The type of a file by its bytes."""

    mime: str
    kind: Kind
    demuxer: str | None
    """The one ffmpeg demuxer that may open it; None for what is not ffmpeg's."""


class Reader(Protocol):
    """A seekable stream: a file, a blob opened from a store."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


def sniff(head: bytes, size: int, tail: bytes = b"") -> Sniffed:
    """`head`: the first 64 KiB or the whole file. `tail`: the last bytes, for formats signed at the end."""
    return described(EMPTY if size == 0 else type_of(head[:HEAD], tail))


def sniff_path(path: Path) -> Sniffed:
    with path.open("rb") as reader:
        return sniff_reader(reader, path.stat().st_size)


def sniff_reader(reader: Reader, size: int) -> Sniffed:
    head = reader.read(HEAD)
    reader.seek(max(0, size - TAIL))
    return sniff(head, size, reader.read(TAIL))


def described(mime: str) -> Sniffed:
    """What `TYPES` says of a type; a type that is not there is as good as unknown bytes."""
    kind, demuxer = TYPES.get(mime, TYPES[UNKNOWN])
    return Sniffed(mime, kind, demuxer)


def type_of(head: bytes, tail: bytes) -> str:
    for prefix, mime in PREFIXES:
        if head.startswith(prefix):
            return mime
    for recognise in RECOGNISERS:
        if found := recognise(head):
            return found
    if tail.endswith(b"TRUEVISION-XFILE.\x00"):
        return "image/x-tga"
    return UNKNOWN
