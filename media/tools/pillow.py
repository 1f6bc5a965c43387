"""The Pillow door: headers of every picture type, and pixels of those that libvips lacks.

`formats` is always given, by the sniffed type: Pillow never guesses, so that no plug-in that starts a program
(EPS and Ghostscript) can be reached. HEIC comes through pi-heif. Text chunks of PNG are bounded.
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from PIL import Image, ImageCms, ImageOps, Jpeg2KImagePlugin, PngImagePlugin, features

from media.errors import DamagedFileError, UnsupportedTypeError
from media.tools import embedded, heif
from media.tools.embedded import Embedded, Frugal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS: Final[dict[str, str]] = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/apng": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/bmp": "BMP",
    "image/vnd.microsoft.icon": "ICO",
    "image/vnd.adobe.photoshop": "PSD",
    "image/jp2": "JPEG2000",
    "image/x-tga": "TGA",
    "image/x-portable-anymap": "PPM",
    "image/x-icns": "ICNS",
    "image/x-pcx": "PCX",
    "image/qoi": "QOI",
    # Camera RAW in the clothes of TIFF: good for EXIF; the picture in its first directory is a small one.
    "image/x-adobe-dng": "TIFF",
    "image/x-nikon-nef": "TIFF",
    "image/x-sony-arw": "TIFF",
    "image/x-pentax-pef": "TIFF",
    "image/x-canon-cr2": "TIFF",
}
DECODED: Final = frozenset(
    {
        "image/heic",
        "image/heif",
        "image/bmp",
        "image/vnd.microsoft.icon",
        "image/vnd.adobe.photoshop",
        "image/jp2",
        "image/x-tga",
        "image/x-portable-anymap",
        "image/x-icns",
        "image/x-pcx",
        "image/qoi",
    }
)
"""Types whose pixels we take from here."""

DEPTHS: Final = frozenset({8, 10, 12, 14, 16})
BRIGHTEST: Final = 65535
STRIP: Final = 256
"""Rows."""
HEAD: Final = 64 * 1024
CODESTREAM, CODING_STYLE = b"\xff\x4f\xff\x51", b"\xff\x52\x00"
SRGB: Final = ImageCms.createProfile("sRGB")
BITS: Final = {"1": 1, "I;16": 16, "I;16B": 16, "I": 32, "F": 32}

# Limits are checked by media.tools.vips.check_limits on the header, for every decoder alike; Pillow's own one
# is a warning at open, before anybody could look.
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_CHUNK = 1024 * 1024
PngImagePlugin.MAX_TEXT_MEMORY = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PillowHeader:
    """What Pillow says without decoding."""

    width: int
    height: int
    mode: str
    frames: int
    bits: int
    has_alpha: bool
    embedded: Embedded


def open_image(path: Path | BinaryIO, mime: str) -> Image.Image:
    name = FORMATS.get(mime)
    if name is None:
        raise UnsupportedTypeError("This type of picture cannot be read here. Convert it to JPEG or PNG.")
    if name == "HEIF":
        heif.register()
    try:
        return Image.open(path, formats=[name])
    except Exception as error:
        # Plug-ins raise whatever their parsing runs into: struct.error, ValueError, SyntaxError, OSError ...
        raise DamagedFileError(
            "The picture is damaged and cannot be read. Upload it again.", detail=repr(error)[:500]
        ) from error


def can_open(mime: str) -> bool:
    """Whether this Pillow has the plug-in, and the library behind it."""
    Image.init()
    name = FORMATS[mime]
    return name in Image.OPEN and (name != "JPEG2000" or bool(features.check_codec("jpg_2000")))


def open_header(path: Path, mime: str) -> PillowHeader:
    """Raises UnsupportedTypeError or DamagedFileError. Broken EXIF is no error: it is empty."""
    budget = embedded.BUDGETS.get(FORMATS.get(mime, ""), embedded.BUDGET)
    with embedded.quiet(), Frugal(path, budget) as reader, open_image(reader, mime) as image:
        return PillowHeader(
            width=image.width,
            height=image.height,
            mode=image.mode,
            frames=frames_of(image),
            bits=bits_of(image),
            has_alpha=image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info,
            embedded=embedded.of_image(image, path),
        )


def bits_of(image: Image.Image) -> int:
    """HEIC tells its depth beside the mode."""
    told = image.info.get("bit_depth")
    return told if isinstance(told, int) and told in DEPTHS else BITS.get(image.mode, 8)


def frames_of(image: Image.Image) -> int:
    # GIF would decode every frame to count them; a second JPEG inside is a gain map. libvips counts the frames of
    # GIF and the pages of TIFF.
    if image.format in {"GIF", "JPEG", "MPO", "ICO", "PSD", "TIFF"}:
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # noqa: BLE001 - A frame count that cannot be read is one frame.
        return 1


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded picture: upright, 8 bits a band, 3 bands or 4."""

    data: bytearray
    width: int
    height: int
    bands: int
    profile: bytes | None
    coding: tuple[int, int] | None = None
    """Primaries and transfer by their numbers in ITU-T H.273, where those tell the colours and no profile does."""


def decode(path: Path, mime: str, enough: tuple[int, int] | None = None) -> Pixels:
    """All pixels of the first frame. The caller has checked the limits on the header.

    JPEG 2000 is decoded no larger than it must be to have `enough`: its decoder takes 16 bytes for each pixel.
    """
    if mime not in DECODED:
        raise UnsupportedTypeError("This type of picture cannot be decoded here. Convert it to JPEG or PNG.")
    if mime == "image/jp2" and enough and (times := halvings(path, enough)):
        # Where its tiles do not begin at the corner, the halves have other sizes than Pillow expects.
        with suppress(DamagedFileError):
            return decoded(path, mime, times)
    return decoded(path, mime)


def decoded(path: Path, mime: str, halved: int = 0) -> Pixels:
    with open_image(path, mime) as opened:
        try:
            if isinstance(opened, Jpeg2KImagePlugin.Jpeg2KImageFile):
                opened.reduce = halved
            opened.load()
            # In place, and converted only where need be: a copy of 100 megapixels takes 400 MB.
            ImageOps.exif_transpose(opened, in_place=True)
            image = in_eight_bits(opened)
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA"} else None
            mode = "RGBA" if "A" in image.mode or "transparency" in image.info else "RGB"
            image = image if image.mode == mode else image.convert(mode)
            coding = None if profile else coding_of(opened)
            return Pixels(bytes_of(image), image.width, image.height, len(mode), profile, coding)
        except Exception as error:
            raise DamagedFileError(
                "The picture is damaged and cannot be decoded. Upload it again.", detail=repr(error)[:500]
            ) from error


def halvings(path: Path, enough: tuple[int, int]) -> int:
    """How often a JPEG 2000 is halved as it is decoded: by what is enough, and by what its encoder prepared."""
    with path.open("rb") as reader:
        head = reader.read(HEAD)
    style = head.find(CODING_STYLE, max(0, head.find(CODESTREAM)))
    # Marker, length, style, order, layers and transform of the components stand before the number of halvings.
    levels = head[style + 9] if 0 <= style < len(head) - 9 else 0
    with open_image(path, "image/jp2") as opened:
        sides = opened.size
    wanted = min(side // max(1, least) for side, least in zip(sides, enough, strict=True))
    times = max(0, min(levels, wanted.bit_length() - 1))
    # OpenJPEG rounds up, Pillow to the nearest: a size they do not agree on ends as damaged.
    while any((side + (1 << times >> 1)) >> times != -(-side >> times) for side in sides):
        times -= 1
    return times


def coding_of(image: Image.Image) -> tuple[int, int] | None:
    told = image.info.get("nclx_profile")
    if not isinstance(told, dict):
        return None
    return int(told.get("color_primaries", 0)), int(told.get("transfer_characteristics", 0))


def bytes_of(image: Image.Image) -> bytearray:
    """Strip by strip: Pillow's own way holds all of it twice, beside the picture."""
    stride = image.width * len(image.getbands())
    data = bytearray(stride * image.height)
    for top in range(0, image.height, STRIP):
        bottom = min(image.height, top + STRIP)
        data[top * stride : bottom * stride] = image.crop((0, top, image.width, bottom)).tobytes()
    return data


def in_eight_bits(image: Image.Image) -> Image.Image:
    """Modes that Pillow's `convert` would clip, refuse or show in false colours."""
    if image.mode.startswith("I"):
        # Pillow stretches whatever it reads so to 16 bits.
        return image.convert("I").point(lambda value: value * (255 / BRIGHTEST)).convert("L")
    if image.mode == "LAB":
        return (
            ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), SRGB, outputMode="RGB") or image
        )
    profile = image.info.get("icc_profile")
    if image.mode != "CMYK" or not profile:
        return image
    try:
        return ImageCms.profileToProfile(image, io.BytesIO(profile), SRGB, outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError):
        # A profile that does not fit its picture is passed over, as libvips does.
        return image


def write_webp(pixels: "NDArray[np.uint8]", path: Path, quality: int) -> None:
    """Rows x columns x RGB as WebP, without metadata; method 0 as `media.images.encoding` has it."""
    Image.fromarray(pixels).save(path, "WEBP", quality=quality, method=0)
