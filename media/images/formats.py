"""The one table of picture formats: what each is called, what decodes it, and whether that works on this machine.

The sniffed type decides what decodes a file (`media.tools`: each door names its types); this table puts the doors
together for people: `/api/capabilities` and the console show it. Nothing is decoded in the asking process, which may
be one that forks later (see `media.tools.vips.guard_pixels`): libvips and Pillow are asked what they can load, and the
libraries that have processes of their own are tried in one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from media.errors import MediaError
from media.tools import enclosure, heif, jxl, magick, pdf, pillow, raw, vips


@dataclass(frozen=True, slots=True)
class Format:
    """One format on this machine."""

    type: str
    label: str
    extensions: tuple[str, ...]
    decoder: str
    """The library behind it; empty where there is none on purpose."""
    reason: str
    """Why it does not work here and what to do; empty where it works."""

    @property
    def works(self) -> bool:
        return not self.reason

    def as_json(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "label": self.label,
            "extensions": list(self.extensions),
            "works": self.works,
            "decoder": self.decoder,
            "reason": self.reason or None,
        }


NAMES: Final[tuple[tuple[str, str, str], ...]] = (
    ("image/jpeg", "JPEG", "jpg jpeg jpe jfif"),
    ("image/png", "PNG", "png"),
    ("image/apng", "Animated PNG", "apng png"),
    ("image/gif", "GIF", "gif"),
    ("image/webp", "WebP", "webp"),
    ("image/tiff", "TIFF", "tif tiff"),
    ("image/avif", "AVIF", "avif"),
    ("image/heic", "HEIC", "heic heics"),
    ("image/heif", "HEIF", "heif heifs hif"),
    ("image/jxl", "JPEG XL", "jxl"),
    ("image/jp2", "JPEG 2000", "jp2 j2k jpf jpx"),
    ("image/bmp", "Windows bitmap", "bmp dib"),
    ("image/vnd.microsoft.icon", "Windows icon", "ico"),
    ("image/x-icns", "Apple icon", "icns"),
    ("image/vnd.adobe.photoshop", "Photoshop", "psd psb"),
    ("image/x-tga", "Targa", "tga"),
    ("image/x-portable-anymap", "Portable anymap", "pbm pgm ppm pnm"),
    ("image/x-pcx", "PC Paintbrush", "pcx"),
    ("image/qoi", "Quite OK Image", "qoi"),
    ("image/x-adobe-dng", "Digital Negative", "dng"),
    ("image/x-canon-cr2", "Canon RAW 2", "cr2"),
    ("image/x-canon-cr3", "Canon RAW 3", "cr3"),
    ("image/x-nikon-nef", "Nikon RAW", "nef nrw"),
    ("image/x-sony-arw", "Sony RAW", "arw sr2"),
    ("image/x-olympus-orf", "Olympus RAW", "orf"),
    ("image/x-panasonic-rw2", "Panasonic RAW", "rw2"),
    ("image/x-fuji-raf", "Fujifilm RAW", "raf"),
    ("image/x-pentax-pef", "Pentax RAW", "pef"),
    ("image/x-samsung-srw", "Samsung RAW", "srw"),
    ("image/x-hasselblad-3fr", "Hasselblad RAW", "3fr"),
    ("image/x-sigma-x3f", "Sigma RAW", "x3f"),
    ("application/pdf", "PDF, first page", "pdf"),
    ("image/x-exr", "OpenEXR", "exr"),
    ("image/vnd.radiance", "Radiance HDR", "hdr pic"),
    ("image/x-xcf", "GIMP", "xcf"),
    ("image/svg+xml", "SVG", "svg"),
)

NEVER: Final = "An SVG may hold scripts, so it is kept and never drawn. Export it as PNG to see it."


@lru_cache(maxsize=1)
def survey() -> tuple[Format, ...]:
    """Every format, asked once in a process (about 0.3 s)."""
    return tuple(described(*row) for row in NAMES)


def described(mime: str, label: str, extensions: str) -> Format:
    decoder, ask = next(((name, ask) for name, types, ask in DECODERS if mime in types), ("", never))
    return Format(mime, label, tuple(extensions.split()), decoder, reason_of(ask, mime))


def reason_of(ask: Callable[[str], str], mime: str) -> str:
    try:
        return ask(mime)
    except MediaError as error:
        return error.message


def never(mime: str) -> str:
    return NEVER


def ask_vips(mime: str) -> str:
    if vips.has_loader(mime):
        return ""
    return "The libvips of this machine was built without it. Install the package pyvips[binary]."


def ask_pillow(mime: str) -> str:
    if pillow.can_open(mime):
        return ""
    return "The Pillow of this machine was built without it. Install Pillow from its wheel."


def ask_heif(mime: str) -> str:
    try:
        return "" if heif.can_decode() else "libheif has no decoder for HEVC. Install the package pi-heif."
    except ImportError as error:
        return f"pi-heif cannot be loaded ({error}). Install the package pi-heif."


def ask_jxl(mime: str) -> str:
    return "" if jxl.works() else "This ffmpeg was built without libjxl. Use the one of imageio-ffmpeg."


def ask_raw(mime: str) -> str:
    return loaded("rawpy")


def ask_pdf(mime: str) -> str:
    return loaded("pypdfium2")


def loaded(library: str) -> str:
    found = enclosure.report()
    if found[library]:
        return ""
    return f"{library} cannot be loaded ({found[library + '_error']}). Install the package {library}."


def ask_magick(mime: str) -> str:
    known = enclosure.report()["wand"]
    if known is None:
        return "ImageMagick is not installed here. Install libmagickwand, or convert the picture to PNG."
    if magick.FORMATS[mime] in known:
        return ""
    return f"This ImageMagick was built without {magick.FORMATS[mime]}. Install its extra formats."


DECODERS: Final[tuple[tuple[str, frozenset[str], Callable[[str], str]], ...]] = (
    ("libvips", vips.TYPES, ask_vips),
    ("libheif", heif.TYPES, ask_heif),
    ("Pillow", pillow.DECODED, ask_pillow),
    ("LibRaw", raw.TYPES, ask_raw),
    ("PDFium", pdf.TYPES, ask_pdf),
    ("ffmpeg", jxl.TYPES, ask_jxl),
    ("ImageMagick", magick.TYPES, ask_magick),
)
