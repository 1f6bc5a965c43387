"""What programs have written into a picture: EXIF, XMP, IPTC and colour profile, out of every container we read.

Pillow reads the containers (pi-heif those of HEIC); of those it does not know, a few lines find the whole blocks
that it reads. What is broken is left out, never raised: it must not cost the picture. Everything is bounded
before it is read.
"""

import io
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from PIL import ExifTags, Image, ImageCms, IptcImagePlugin, PngImagePlugin, TiffImagePlugin

EXIF_IFD: Final = 0x8769
GPS_IFD: Final = 0x8825
INTEROP_IFD: Final = 0xA005
MAKER_NOTE: Final = 0x927C
XMP_TAG: Final = 700
IPTC_RESOURCE, EXIF_RESOURCE, XMP_RESOURCE, PROFILE_RESOURCE = 0x0404, 0x0422, 0x0424, 0x040F
EXIF_NAMES: Final[Mapping[int, str]] = ExifTags.TAGS
GPS_NAMES: Final[Mapping[int, str]] = ExifTags.GPSTAGS

HEAD: Final = 4 * 1024 * 1024
"""Bytes at the beginning of a RAW that are looked at."""
LARGEST_PROFILE: Final = 4 * 1024 * 1024
LARGEST_BLOCK: Final = 4 * 1024 * 1024
MOST_CHUNKS: Final = 100_000
LATE: Final = frozenset({b"eXIf", b"iTXt", b"zTXt", b"tEXt"})
JXL: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
ORDERS: Final = {b"II": b"II*\0", b"MM": b"MM\0*"}
APPLE: Final = b"Apple iOS\0"
XMP_OF_CANON: Final = b"uuid" + bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The box of XMP in ISO files, as Adobe has named it; CR3 has one."""
PRIMARIES: Final = {1: "sRGB", 9: "BT.2020", 12: "Display P3"}
"""Colour primaries by their number in ITU-T H.273, as people know them."""


MEGABYTE: Final = 1024 * 1024
BUDGETS: Final = {
    "TIFF": 16 * MEGABYTE,
    "WEBP": 256 * MEGABYTE,
    "AVIF": 256 * MEGABYTE,
    "HEIF": 256 * MEGABYTE,
}
"""Bytes that a header may cost. TIFF makes a Python number of each of them; the last three are read whole."""
BUDGET: Final = 64 * MEGABYTE
MOST_READS: Final = 250_000
"""Honest headers take some hundred. Pillow reads chunk by chunk, and empty ones cost time and hardly a byte."""


class Frugal(io.BufferedReader):
    """A file that refuses to be read without end: a header can be as long as its file, and all of it lies."""

    def __init__(self, path: Path, budget: int) -> None:
        super().__init__(io.FileIO(path))
        self.left = budget
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        most = self.left + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        self.left -= len(data)
        self.reads += 1
        if self.left < 0 or self.reads > MOST_READS:
            raise OSError("the header is longer than headers are")
        return data


@dataclass(frozen=True, slots=True)
class Embedded:
    """Tags by number, as Pillow gives them."""

    main: dict[int, Any] = field(default_factory=dict)
    exif: dict[int, Any] = field(default_factory=dict)
    gps: dict[int, Any] = field(default_factory=dict)
    apple: dict[int, Any] = field(default_factory=dict)
    """The maker note of an iPhone."""
    xmp: bytes = b""
    iptc: dict[tuple[int, int], Any] = field(default_factory=dict)
    profile: str | None = None
    """Description of the colour profile."""


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns of broken EXIF; it is left out here, which is all there is to do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def of_image(image: Image.Image, path: Path) -> Embedded:
    """Of an opened picture whose pixels are not decoded. `path` is where its bytes lie."""
    blocks: dict[str, Any] = {}
    for read in (late_chunks, raw_profiles, resources):
        with suppress(Exception):
            read(image, path, blocks)
    main, exif, gps = directories(image, blocks)
    return Embedded(
        main=main,
        exif=exif,
        gps=gps,
        apple=apple_of(exif.get(MAKER_NOTE)),
        xmp=packet_of(image, blocks, main),
        iptc=iptc_of(image, blocks),
        profile=profile_of(image, blocks),
    )


def late_chunks(image: Image.Image, path: Path, blocks: dict[str, Any]) -> None:
    """Chunks of a PNG that stand after its pixels: Pillow would decode all of those to come there."""
    if image.format != "PNG":
        return
    with path.open("rb") as reader:
        stream = PngImagePlugin.PngStream(reader)
        reader.seek(8)
        try:
            walk(stream, reader)
        finally:
            blocks.update({str(name): value for name, value in stream.im_info.items()})


def walk(stream: PngImagePlugin.PngStream, reader: BinaryIO) -> None:
    """Read the chunks that hold words; step over all others."""
    for _ in range(MOST_CHUNKS):
        name, position, length = stream.read()
        if name == b"IEND":
            break
        if name in LATE and length <= LARGEST_BLOCK:
            with suppress(Exception):
                stream.call(name, position, length)
        reader.seek(position + length + 4)


def raw_profiles(image: Image.Image, path: Path, blocks: dict[str, Any]) -> None:
    """EXIF, XMP and IPTC that older programs keep in PNG as text: three lines, then hexadecimal."""
    for name in ("exif", "xmp", "iptc", "APP1"):
        text = blocks.get(f"Raw profile type {name}")
        if not isinstance(text, str):
            continue
        digits = re.match(r"[0-9a-fA-F\s]*", "".join(text.split("\n")[3:]))
        packed = "".join(digits[0].split()) if digits else ""
        data = bytes.fromhex(packed[: len(packed) // 2 * 2])
        key = name if name != "APP1" else ("exif" if data.startswith(b"Exif") else "xmp")
        blocks.setdefault(key, data.removeprefix(b"http://ns.adobe.com/xap/1.0/\0"))


def resources(image: Image.Image, path: Path, blocks: dict[str, Any]) -> None:
    """The image resources of Photoshop's own format."""
    names = {
        IPTC_RESOURCE: "iptc",
        EXIF_RESOURCE: "exif",
        XMP_RESOURCE: "xmp",
        PROFILE_RESOURCE: "icc_profile",
    }
    for number, _, data in getattr(image, "resources", ()):
        if number in names:
            blocks.setdefault(names[number], data)


def directories(
    image: Image.Image, blocks: Mapping[str, Any]
) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The three EXIF directories we read."""
    try:
        if "exif" in blocks and "exif" not in image.info:
            tags = loaded(blocks["exif"].removeprefix(b"Exif\0\0"))
        else:
            # The method of the base class: that of PNG would decode every pixel to look for a chunk at the end.
            tags = Image.Image.getexif(image)
    except Exception:  # noqa: BLE001 - A camera's broken EXIF must never cost the picture.
        return {}, {}, {}
    return parts_of(tags)


def parts_of(tags: Image.Exif) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The directory of DCF, which has one tag of interest, stays a value of the one that it hangs from."""
    found: list[dict[int, Any]] = []
    for number in (None, EXIF_IFD, GPS_IFD):
        try:
            found.append(dict(tags if number is None else tags.get_ifd(number)))
        except Exception:  # noqa: BLE001 - As above, for one directory.
            found.append({})
    with suppress(Exception):
        if interop := dict(tags.get_ifd(INTEROP_IFD)):
            found[1][INTEROP_IFD] = interop
    return found[0], found[1], found[2]


def apple_of(note: Any) -> dict[int, Any]:
    """The maker note of an iPhone is a TIFF directory; its offsets count from the note's first byte."""
    if not isinstance(note, bytes) or not note.startswith(APPLE):
        return {}
    try:
        reader = io.BytesIO(note)
        directory = TiffImagePlugin.ImageFileDirectory_v2(note[12:14] + b"\0\x2a\0\0\0\0")
        reader.seek(14)
        directory.load(reader)
        return dict(directory)
    except Exception:  # noqa: BLE001 - As above.
        return {}


def packet_of(image: Image.Image, blocks: Mapping[str, Any], main: Mapping[int, Any]) -> bytes:
    for found in (image.info.get("xmp"), blocks.get("xmp")):
        if isinstance(found, bytes | str) and found:
            return found.encode(errors="replace") if isinstance(found, str) else found
    return packet_in(main)


def packet_in(main: Mapping[int, Any]) -> bytes:
    """XMP as a tag of TIFF."""
    found = main.get(XMP_TAG)
    if isinstance(found, tuple) and all(isinstance(part, int) and 0 <= part < 256 for part in found):
        return bytes(found)
    return found if isinstance(found, bytes) else b""


def iptc_of(image: Image.Image, blocks: Mapping[str, Any]) -> dict[tuple[int, int], Any]:
    """Where the format keeps it: a tag of TIFF's own, or Photoshop's resource 0x0404."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        with suppress(Exception):
            return dict(IptcImagePlugin.getiptcinfo(image) or {})
    shop = image.info.get("photoshop")
    found = shop.get(IPTC_RESOURCE) if isinstance(shop, Mapping) else blocks.get("iptc")
    if not isinstance(found, bytes):
        return {}
    # ImageMagick's text holds the whole resource, whose data begin with the first record.
    begin = found.find(b"\x1c") if found.startswith(b"8BIM") else 0
    return records_of(found[max(0, begin) :])


def records_of(block: bytes) -> dict[tuple[int, int], Any]:
    """The records up to the first that cannot be read."""
    if not block or len(block) > LARGEST_BLOCK:
        return {}
    reader = IptcImagePlugin.IptcImageFile.__new__(IptcImagePlugin.IptcImageFile)
    reader.fp = io.BytesIO(block)
    found: dict[tuple[int, int], Any] = {}
    with suppress(Exception):
        while True:
            tag, size = reader.field()
            if tag is None:
                break
            found.setdefault(tag, []).append(reader.fp.read(size))
    return found


def profile_of(image: Image.Image, blocks: Mapping[str, Any]) -> str | None:
    """What the profile calls itself; else what the container says of its colours."""
    data = image.info.get("icc_profile") or blocks.get("icc_profile")
    if isinstance(data, bytes) and 0 < len(data) <= LARGEST_PROFILE:
        try:
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data)))
            return name.strip() or None
        except Exception:  # noqa: BLE001 - As above; a profile that cannot be read is none.
            return None
    if "srgb" in image.info:
        return PRIMARIES[1]
    nclx = image.info.get("nclx_profile")
    return PRIMARIES.get(nclx.get("color_primaries", 0)) if isinstance(nclx, Mapping) else None


def of_raw(path: Path) -> Embedded:
    """Of a camera RAW, or of another container that Pillow cannot open. Empty where nothing can be read."""
    with path.open("rb") as reader:
        head = reader.read(HEAD)
    for read in (of_jxl, of_canon, of_fuji, of_tiff):
        with quiet(), suppress(Exception):
            if found := read(path, head):
                return found
    return Embedded()


def of_jxl(path: Path, head: bytes) -> Embedded | None:
    """JPEG XL keeps both in boxes of its own, before its pixels or after them. Packed ones (`brob`) stay closed."""
    if not head.startswith(JXL):
        return None
    found: dict[bytes, bytes] = {}
    with path.open("rb") as reader:
        for _ in range(MOST_CHUNKS):
            begin, header = reader.tell(), reader.read(16)
            if len(header) < 8 or header.startswith(bytes(4)):
                break
            size, name, long = struct.unpack(">I4sQ", header.ljust(16, b"\0"))
            body = begin + (16 if size == 1 else 8)
            end = begin + max(8, long if size == 1 else size)
            if name in {b"Exif", b"xml "} and end - body <= LARGEST_BLOCK:
                reader.seek(body)
                found.setdefault(name, reader.read(max(0, end - body)))
            reader.seek(end)
    block = found.get(b"Exif", bytes(4))
    main, exif, gps = parts_of(loaded(block[4 + int.from_bytes(block[:4]) :]))
    return Embedded(main, exif, gps, apple_of(exif.get(MAKER_NOTE)), found.get(b"xml ", b""))


def of_canon(path: Path, head: bytes) -> Embedded | None:
    """CR3 has three whole TIFF files in boxes: the first directory, that of the exposure, and that of the place."""
    if head[4:12] != b"ftypcrx ":
        return None
    found: dict[bytes, dict[int, Any]] = {}
    for box in re.finditer(rb"(.{4})CMT([124])(?=II\*\0|MM\0\*)", head, re.DOTALL):
        (size,) = struct.unpack(">I", box[1])
        found.setdefault(box[2], dict(loaded(head[box.end() : box.start() + size])))
    place = head.find(XMP_OF_CANON)
    end = place - 4 + int.from_bytes(head[place - 4 : place]) if place >= 4 else 0
    words = head[place + len(XMP_OF_CANON) : end] if end else b""
    return Embedded(found.get(b"1", {}), found.get(b"2", {}), found.get(b"4", {}), xmp=words)


def of_fuji(path: Path, head: bytes) -> Embedded | None:
    """RAF carries a whole JPEG with all that the camera had to say; the header tells where."""
    if not head.startswith(b"FUJIFILMCCD-RAW "):
        return None
    offset, length = struct.unpack_from(">II", head, 84)
    with path.open("rb") as reader:
        reader.seek(offset)
        data = reader.read(min(length, LARGEST_BLOCK))
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return of_image(image, path)


def of_tiff(path: Path, head: bytes) -> Embedded | None:
    """RAW families that are TIFF but for the number that says so (ORF, RW2), and those that wear no disguise."""
    if head[:2] not in ORDERS:
        return None
    main, exif, gps = parts_of(loaded(ORDERS[head[:2]] + head[4:]))
    return Embedded(main, exif, gps, apple_of(exif.get(MAKER_NOTE)), packet_in(main))


def loaded(block: bytes) -> Image.Exif:
    """The tags of a TIFF file that lies in memory."""
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + block)
    return tags
