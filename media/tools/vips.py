"""The libvips door: the only import of pyvips, with its settings, its limits and its errors in our words.

- Only loaders on our list can run; what is not on it (SVG, PDF, ImageMagick ...) is blocked inside libvips.
- One thread per image (a pool of workers is faster in total so) and no cache of operations.
- Headers may be read anywhere. Pixels only in the process that read its first pixels: a fork after that hangs
  in libvips, so `guard_pixels` raises instead.
- Every limit is checked on the header, before a single pixel is decoded. The one that cannot be, time, stops
  libvips in its work: at the next strip of pixels, or the next step of the WebP encoder.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, TypeAlias

# libvips reads these when it starts, which is at import; an operator's own value stays.
os.environ.setdefault("VIPS_CONCURRENCY", "1")
os.environ["VIPS_BLOCK_UNTRUSTED"] = "1"

import pyvips

from media.errors import (
    DamagedFileError,
    InfrastructureError,
    MediaError,
    TimedOutError,
    TooLargeError,
    UnsupportedTypeError,
)
from media.tools import arenas, deadlines
from media.tools.limits import PixelLimits as PixelLimits  # noqa: PLC0414 - Handed on to who knows this door.
from media.tools.limits import check_limits as check_limits  # noqa: PLC0414 - As above.
from media.tools.limits import refuse_endless

Image: TypeAlias = Any
"""A pyvips.Image. The library carries no types; its name stays behind this door."""

LOADERS: Final = ("Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif")
LOADS: Final = {
    "image/jpeg": "jpegload_source",
    "image/png": "pngload_source",
    "image/apng": "pngload_source",
    "image/gif": "gifload_source",
    "image/webp": "webpload_source",
    "image/tiff": "tiffload_source",
    "image/avif": "heifload_source",
}
TYPES: Final = frozenset(LOADS)
"""Sniffed types that libvips reads rightly. DNG it would read as a grey TIFF, HEIC not at all."""

BEYOND: Final = ("too large", "exceed", "user limit", "bad image dimensions")
"""How the decoders call what is over a limit of their own."""
SMALL_PROFILE: Final = 64 * 1024
"""Bytes. A profile of three curves and a matrix has less than 4,000; larger ones are tables, and never sRGB's."""
FOREVER: Final = float("inf")
"""The deadline of what has none."""


def configure() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)
    arenas.limit()


configure()


FIELDS: Final = (
    "orientation",
    "bits-per-sample",
    "icc-profile-data",
    "delay",
    "loop",
    "page-height",
    "n-pages",
    "exif-ifd4-InteroperabilityIndex",
)
"""What we ask of a header beside its size."""


def version() -> str:
    """Of libvips itself."""
    return ".".join(str(pyvips.version(part)) for part in range(3))


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header says: stored size of one frame, before orientation."""

    width: int
    height: int
    bands: int
    pages: int
    format: str
    """Of a band: uchar, ushort, float ..."""
    interpretation: str
    has_alpha: bool
    orientation: int
    bits: int
    profile: bytes = field(repr=False)
    """The embedded ICC profile; empty for none."""
    adobe_rgb: bool = False
    """Cameras say so by a tag of DCF alone, without a profile."""

    @property
    def profiled(self) -> bool:
        """Whether the way to sRGB goes through the embedded profile.

        Lab and XYZ mean colours by themselves; a profile that lies in such a file is not theirs.
        """
        return bool(self.profile) and self.interpretation not in {"lab", "labs", "labq", "xyz", "scrgb"}

    @property
    def on_side(self) -> bool:
        return self.orientation >= 5

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as a person sees them: orientations 5 to 8 lie on their side."""
        return (self.height, self.width) if self.on_side else (self.width, self.height)


def has_loader(mime: str) -> bool:
    """Whether this build of libvips reads one of `TYPES`. Touches no pixel."""
    return bool(pyvips.type_find("VipsOperation", LOADS[mime]))


def open_header(path: Path) -> ImageHeader:
    """Raises UnsupportedTypeError, DamagedFileError or TooLargeError. Decodes nothing."""
    refuse_endless(path)
    return read_header(source_of(path))


def open_photo(path: Path) -> tuple[ImageHeader, Any]:
    """The header of a JPEG, and the source it was read from, for `open_shrunk`."""
    source = source_of(path)
    return read_header(source), source


def open_header_of_bytes(data: bytes) -> ImageHeader:
    """The same of a picture file in memory: one that lay inside another."""
    return read_header(pyvips.Source.new_from_memory(data))


def read_header(source: Any) -> ImageHeader:
    with translated():
        image = pyvips.Image.new_from_source(source, "", access="sequential")
        names = names_of(image)
        return ImageHeader(
            width=image.width,
            height=image.get_page_height(),
            bands=image.bands,
            pages=pages_of(image, names),
            format=image.format,
            interpretation=image.interpretation,
            has_alpha=bool(image.hasalpha()),
            orientation=orientation_of(image, names),
            bits=bits_of(image, names),
            profile=bytes(image.get("icc-profile-data")) if "icc-profile-data" in names else b"",
            adobe_rgb=means_adobe_rgb(image, names),
        )


def pages_of(image: Image, names: set[str]) -> int:
    """Asked of the field: the function of libvips says 1 of more than 10,000."""
    return max(1, int(image.get("n-pages"))) if "n-pages" in names else 1


def names_of(image: Image) -> set[str]:
    """Which of the fields we read are there. A list of all names would fail on a PNG text in another alphabet."""
    return {name for name in FIELDS if image.get_typeof(name)}


def orientation_of(image: Image, names: set[str]) -> int:
    value = int(image.get("orientation")) if "orientation" in names else 1
    return value if 1 <= value <= 8 else 1


def bits_of(image: Image, names: set[str]) -> int:
    if "bits-per-sample" in names:
        return int(image.get("bits-per-sample"))
    return {"uchar": 8, "char": 8, "ushort": 16, "short": 16}.get(image.format, 32)


def means_adobe_rgb(image: Image, names: set[str]) -> bool:
    name = "exif-ifd4-InteroperabilityIndex"
    told = name in names and str(image.get(name)).startswith("R03")
    return told and image.interpretation == "srgb" and "icc-profile-data" not in names


def load_thumbnail(
    path: Path,
    width: int,
    height: int,
    *,
    strict: bool,
    profiled: bool,
    on_side: bool = False,
    deadline: float = FOREVER,
) -> Image:
    """Decode with shrink-on-load into the box, upright, in sRGB through the embedded profile. Never larger.

    `strict` refuses what is cut off or damaged; without it the part that can be read is returned.
    `profiled`: see `needs_conversion`. False saves 6 ms of a thumbnail of 720 pixels, 200 ms of 12 megapixels.
    `on_side`: orientations 5 to 8. Turning is done here, on the small picture: libvips would decode while it only
    prepares, where no deadline reaches it.
    """
    box = (height, width) if on_side else (width, height)
    image = open_thumbnail(path, *box, strict=strict, profiled=profiled)
    with translated():
        small = in_memory(image, deadline)
        return small if orientation_of(small, names_of(small)) == 1 else in_memory(small.autorot())


def open_thumbnail(path: Path, width: int, height: int, *, strict: bool, profiled: bool) -> Image:
    """The same before it is decoded, and not upright: whoever takes its pixels, once and in their order, decodes it."""
    guard_pixels()
    with translated():
        return pyvips.Image.thumbnail_source(
            source_of(path),
            width,
            height=height,
            size="down",
            no_rotate=True,
            **({"output_profile": "srgb"} if profiled else {}),
            # This call passes the loader its options as a string only; its own `fail_on` goes unheard.
            option_string="[fail_on=truncated]" if strict else "[fail_on=none]",
        )


def open_shrunk(source: Any, header: ImageHeader, width: int, height: int) -> Image:
    """The same of an upright JPEG whose header was read from this source: it is opened once instead of twice more."""
    guard_pixels()
    with translated():
        image = pyvips.Image.jpegload_source(
            source, shrink=preshrink(header, width, height), access="sequential", fail_on="truncated"
        )
        return image.thumbnail_image(width, height=height, size="down", no_rotate=True)


def preshrink(header: ImageHeader, width: int, height: int) -> int:
    """By how much the JPEG decoder itself makes it smaller: libvips leaves at least half of the way to its resize.

    The rule of `vips_thumbnail_find_jpegshrink` (libvips 8.18, resample/thumbnail.c).
    """
    factor = max(header.width / width, header.height / height)
    return next((shrink for shrink in (8, 4, 2) if factor >= 2 * shrink), 1)


def load_bytes(
    data: bytes, width: int, height: int, *, orientation: int, profiled: bool, deadline: float = FOREVER
) -> Image:
    """A picture file in memory, like `load_thumbnail`; turned by this orientation and never by a tag of its own."""
    guard_pixels()
    box = (height, width) if orientation >= 5 else (width, height)
    with translated():
        image = pyvips.Image.thumbnail_source(
            pyvips.Source.new_from_memory(data),
            box[0],
            height=box[1],
            size="down",
            no_rotate=True,
            **({"output_profile": "srgb"} if profiled else {}),
            option_string="[fail_on=truncated]",
        )
        return upright(in_memory(image, deadline), orientation)


def upright(image: Image, orientation: int) -> Image:
    """Turned and mirrored as this EXIF orientation says, whatever tag the picture carries."""
    tagged = image.copy()
    tagged.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return in_memory(tagged.autorot())


def load_frames(
    path: Path, width: int, height: int, *, profiled: bool, deadline: float = FOREVER
) -> tuple[list[Image], list[int], int]:
    """Every frame of an animation, whole as a viewer sees it, like `load_thumbnail`; delays in ms; how often it plays.

    The frames are read one after the other and made small one by one: in one long strip the edge of one would
    bleed into the next, and the strip would be in memory whole.
    """
    guard_pixels()
    with translated():
        strip = pyvips.Image.new_from_source(
            source_of(path), "", access="sequential", n=-1, fail_on="truncated"
        )
        names = names_of(strip)
        delays = [int(delay) for delay in strip.get("delay")] if "delay" in names else []
        loop = int(strip.get("loop")) if "loop" in names else 0
        tall = strip.get_page_height()
        for name in names & {"delay", "loop", "page-height", "n-pages"}:
            strip = strip.copy()
            strip.remove(name)
        frames = [
            shrink(strip.crop(0, top, strip.width, tall), width, height, profiled=profiled, deadline=deadline)
            for top in range(0, strip.height, tall)
        ]
    return frames, delays, loop


def shrink(
    image: Image, width: int, height: int, *, profiled: bool = False, deadline: float = FOREVER
) -> Image:
    """A smaller copy of decoded pixels, never larger. `profiled`: to sRGB through the profile that they carry."""
    guard_pixels()
    profile = {"output_profile": "srgb"} if profiled else {}
    with translated():
        return in_memory(image.thumbnail_image(width, height=height, size="down", **profile), deadline)


def scale(image: Image, factor: float) -> Image:
    """Larger or smaller by this factor: bilinear, over as many pixels as become one where it gets smaller."""
    guard_pixels()
    with translated():
        return in_memory(image.resize(factor, kernel="linear"))


def in_memory(image: Image, deadline: float = FOREVER) -> Image:
    """All pixels, computed now. Raises TimedOutError at the deadline."""
    with translated(), watched(image, deadline) as watching:
        return watching.copy_memory()


@contextmanager
def watched(image: Image, deadline: float) -> Iterator[Image]:
    """The same picture, whose computation libvips gives up at the deadline."""
    if deadline == FOREVER:
        yield image
        return
    if time.monotonic() >= deadline:
        raise too_slow()
    image = image.copy()
    try:
        with deadlines.ending(deadline, partial(image.set_kill, True)):
            yield image
    except pyvips.Error as error:
        # What is ended in its middle may look like damage to a loader.
        if time.monotonic() >= deadline:
            raise too_slow(str(error)) from error
        raise
    # Work that has overlooked the sign may have left something out where it was given.
    if time.monotonic() >= deadline:
        raise too_slow()


def too_slow(detail: str = "") -> TimedOutError:
    return TimedOutError(
        "The picture takes longer to turn than the limit allows. Try again later, or make it smaller.",
        detail=detail,
    )


def turn(image: Image, degrees: int) -> Image:
    """Clockwise by 90, 180 or 270."""
    guard_pixels()
    return in_memory(image.rot(f"d{degrees}"))


def to_file(path: Path) -> Any:
    """Where an encoder writes. Not a file name, for the same reason as in `source_of`."""
    with translated():
        return pyvips.Target.new_to_file(str(path))


def to_memory() -> Any:
    """An encoder's bytes are in its property `blob` afterwards."""
    return pyvips.Target.new_to_memory()


def animated(frames: Sequence[Image], delays: Sequence[int], loop: int) -> Image:
    """Frames of one size as one picture that the WebP encoder writes as an animation."""
    with translated():
        strip = pyvips.Image.arrayjoin(list(frames), across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    strip.set_type(pyvips.GValue.array_int_type, "delay", list(delays))
    strip.set_type(pyvips.GValue.gint_type, "loop", loop)
    return strip


def needs_conversion(header: ImageHeader) -> bool:
    """Whether the profile changes any colour. Most say sRGB, and converting is a good part of a thumbnail."""
    if not header.profiled:
        return False
    plain = header.interpretation in {"srgb", "rgb16"} and len(header.profile) <= SMALL_PROFILE
    return not plain or changes_colors(header.profile)


@lru_cache(maxsize=64)
def changes_colors(profile: bytes) -> bool:
    """Tried on 512 colours. False for what libvips cannot use."""
    levels = range(0, 256, 36)
    swatch = bytes(
        value for red in levels for green in levels for blue in levels for value in (red, green, blue)
    )
    image = from_pixels(swatch, 64, 8, 3)
    return bool((image - srgb_from(image, profile)).abs().max() > 1)


def from_pixels(data: Any, width: int, height: int, bands: int) -> Image:
    """Pixels decoded elsewhere (8 bits a band, rows from the top) as an image in memory."""
    guard_pixels()
    image = pyvips.Image.new_from_memory(data, width, height, bands, "uchar")
    return image.copy(interpretation="srgb" if bands >= 3 else "b-w").copy_memory()


def srgb_from(image: Image, profile: bytes | None) -> Image:
    """To sRGB through a profile that came beside the pixels; an unusable profile is passed over."""
    if not profile:
        return image
    tagged = image.copy()
    tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        return tagged.icc_transform("srgb", embedded=True).copy_memory()
    except pyvips.Error:
        return image


def pixels_of(image: Image) -> bytes:
    with translated():
        return bytes(image.write_to_memory())


_first_pixels_in: int | None = None


def guard_pixels() -> None:
    """Remember the process of the first pixel; raise in any other, where libvips would hang for ever."""
    global _first_pixels_in  # noqa: PLW0603 - One fact per process, and the process is what it is about.
    if _first_pixels_in is None:
        _first_pixels_in = os.getpid()
    if _first_pixels_in != os.getpid():
        raise InfrastructureError(
            "Pictures were decoded before this worker was forked. Start workers before touching pictures.",
            code="forked_after_pixels",
        )


def source_of(path: Path) -> Any:
    """A source and not a file name: libvips would read `name[option=value]` in a name as options."""
    if not path.exists():
        raise InfrastructureError(
            f"The file {path.name} is not there any more. Try again.", code="source_missing"
        )
    return pyvips.Source.new_from_file(str(path))


@contextmanager
def translated() -> Iterator[None]:
    # libvips keeps the warnings of earlier files in one buffer; they must not be told of this one.
    pyvips.vips_lib.vips_error_clear()
    try:
        yield
    except pyvips.Error as error:
        raise explain(error) from error


def explain(error: pyvips.Error) -> MediaError:
    detail = f"{error.message} {error.detail}".strip()[-2000:]
    if "No space left" in detail:
        return InfrastructureError("The disk is full. Free some space.", code="disk_full", detail=detail)
    if "killed" in detail:
        return too_slow(detail)
    if "not a known" in detail or "is not in a known format" in detail or "operation is blocked" in detail:
        return UnsupportedTypeError(
            "This type of picture cannot be read here. Convert it to JPEG or PNG.", detail=detail
        )
    if any(words in detail.lower() for words in BEYOND):
        return TooLargeError(
            "The picture is larger than a decoder accepts. Make it smaller.",
            code="too_many_pixels",
            detail=detail,
        )
    return DamagedFileError("The picture is damaged and cannot be decoded. Upload it again.", detail=detail)
