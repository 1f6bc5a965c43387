"""Pictures that no encoder here writes, made byte by byte: camera RAW, HEIC, Photoshop documents, PDF, icons.

The HEIC's picture is coded by ffmpeg's x265; the boxes round it are ours.
"""

import io
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media.tools import ffmpeg
from tests.makers import Pixels, corners, make_png, stored_for

SHORT, LONG, ASCII, BYTE, RATIONAL, SRATIONAL = 3, 4, 2, 1, 5, 10
SIZES: Final = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, SRATIONAL: 8}
UNREADABLE: Final = 52546
"""JPEG XL in DNG 1.7: this LibRaw does not read it."""

Tag = tuple[int, int, bytes]


def longs(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def shorts(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def mosaic(pixels: Pixels) -> bytes:
    """What a sensor behind red, green, green and blue glass sees, in 14 bits."""
    seen = pixels[:, :, 1].copy()
    seen[0::2, 0::2] = pixels[0::2, 0::2, 0]
    seen[1::2, 1::2] = pixels[1::2, 1::2, 2]
    return (seen.astype("<u2") * 60).tobytes()


def jpeg_of(pixels: Pixels, *, orientation: int | None = None, profile: bytes | None = None) -> bytes:
    """A JPEG in memory, with a tag of its own only if asked."""
    options: dict[str, Any] = {}
    if orientation is not None:
        tags = Image.Exif()
        tags[0x0112] = orientation
        options["exif"] = tags
    if profile:
        options["icc_profile"] = profile
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=95, subsampling=0, **options)
    return out.getvalue()


def make_dng(
    path: Path,
    upright: Pixels | None = None,
    *,
    orientation: int = 1,
    preview: bytes | None = None,
    claims: tuple[int, int] | None = None,
    compression: int = 1,
) -> Path:
    """A DNG whose sensor lay as `orientation` says. `claims` is a size that its header promises instead."""
    stored = stored_for(orientation, corners() if upright is None else upright)
    height, width = stored.shape[:2]
    if claims:
        width, height = claims
    data = mosaic(stored)
    sensor: list[Tag] = [
        (256, LONG, longs(width)),
        (257, LONG, longs(height)),
        (258, SHORT, shorts(16)),
        (259, SHORT, shorts(compression)),
        (262, SHORT, shorts(32803)),
        (273, LONG, b"DATA"),
        (277, SHORT, shorts(1)),
        (278, LONG, longs(height)),
        (279, LONG, longs(len(data))),
        (33421, SHORT, shorts(2, 2)),
        (33422, BYTE, bytes([0, 1, 1, 2])),
        (50714, LONG, longs(0)),
        (50717, LONG, longs(255 * 60)),
    ]
    matrix = struct.pack("<18i", *(part for row in XYZ_TO_SRGB for part in (row, 10_000)))
    camera: list[Tag] = [
        (271, ASCII, b"Alcoves\0"),
        (272, ASCII, b"Test camera\0"),
        (274, SHORT, shorts(orientation)),
        (50706, BYTE, bytes([1, 4, 0, 0])),
        (50708, ASCII, b"Alcoves Test camera\0"),
        (50721, SRATIONAL, matrix),
        (50728, RATIONAL, longs(1, 1, 1, 1, 1, 1)),
        (50778, SHORT, shorts(21)),
    ]
    if preview is None:
        return write_tiff(path, [[(254, LONG, longs(0)), *sensor, *camera]], data, b"")
    with Image.open(io.BytesIO(preview)) as image:
        small: list[Tag] = [
            (254, LONG, longs(1)),
            (256, LONG, longs(image.width)),
            (257, LONG, longs(image.height)),
            (258, SHORT, shorts(8, 8, 8)),
            (259, SHORT, shorts(7)),
            (262, SHORT, shorts(6)),
            (273, LONG, b"VIEW"),
            (277, SHORT, shorts(3)),
            (278, LONG, longs(image.height)),
            (279, LONG, longs(len(preview))),
            (330, LONG, b"NEXT"),
        ]
    return write_tiff(path, [[*small, *camera], [(254, LONG, longs(0)), *sensor]], data, preview)


XYZ_TO_SRGB: Final = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)


def write_tiff(path: Path, directories: Sequence[list[Tag]], data: bytes, preview: bytes) -> Path:
    """Directories, what does not fit into their entries, the sensor's data, the preview."""
    starts, position = [], 8
    for tags in directories:
        starts.append(position)
        position += 2 + 12 * len(tags) + 4
    extra_at, extra = position, b""
    extra_size = sum(
        len(value) + len(value) % 2 for tags in directories for _, _, value in tags if len(value) > 4
    )
    places = {b"DATA": extra_at + extra_size, b"VIEW": extra_at + extra_size + len(data), b"NEXT": starts[-1]}
    out = b"II*\0" + longs(8)
    for tags in directories:
        out += shorts(len(tags))
        for number, kind, value in sorted(tags):
            told = longs(places[value]) if value in places else value
            out += struct.pack("<HHI", number, kind, len(told) // SIZES[kind])
            if len(told) > 4:
                out += longs(extra_at + len(extra))
                extra += told + b"\0" * (len(told) % 2)
            else:
                out += told.ljust(4, b"\0")
        out += longs(0)
    path.write_bytes(out + extra + data + preview)
    return path


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


def full_box(name: bytes, version: int, flags: int, body: bytes) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags) + body)


Item = tuple[bytes, bytes, bool]
"""Of a HEIC: what it is (as its entry says), its bytes, and whether it is hidden."""


def make_heic(
    path: Path,
    pixels: Pixels | None = None,
    *,
    turns: int | None = None,
    hidden_items: int = 0,
    profile: bytes | None = None,
    coding: tuple[int, int] | None = None,
    exif: Image.Exif | None = None,
    xmp: bytes | None = None,
) -> Path:
    """One HEVC picture. `turns`: quarters to the left that a viewer shall make; `hidden_items`: more of the same."""
    shown = corners(128, 96) if pixels is None else pixels
    units = hevc_units(path.with_suffix(".hevc"), shown)
    data = b"".join(struct.pack(">I", len(unit)) + unit for unit in units if unit_type(unit) < 32)
    properties = [
        configuration(units),
        full_box(b"ispe", 0, 0, struct.pack(">II", shown.shape[1], shown.shape[0])),
    ]
    if profile:
        properties.append(box(b"colr", b"prof" + profile))
    if coding:
        properties.append(box(b"colr", b"nclx" + struct.pack(">HHHB", *coding, 6, 0x80)))
    if turns is not None:
        properties.append(box(b"irot", bytes([turns])))
    pictures: list[Item] = [(b"hvc1\0", data, number > 0) for number in range(1 + hidden_items)]
    words: list[Item] = []
    if exif is not None:
        words.append((b"Exif\0", b"\0\0\0\x06" + exif.tobytes(), True))
    if xmp is not None:
        words.append((b"mime\0application/rdf+xml\0", xmp, True))
    return write_heic(path, properties, pictures, words)


def write_heic(path: Path, properties: list[bytes], pictures: list[Item], words: list[Item]) -> Path:
    """Pictures that share their properties and their bytes; what is said of the first."""
    described = listed(pictures + words) + referred(len(pictures), len(words))
    described += properties_of(properties, len(pictures))

    def meta(offset: int) -> bytes:
        sizes = [len(body) for _, body, _ in words]
        starts = [offset + len(pictures[0][1]) + sum(sizes[:number]) for number in range(len(sizes))]
        lying = [(offset, len(pictures[0][1]))] * len(pictures) + list(zip(starts, sizes, strict=True))
        places = b"".join(
            struct.pack(">HHHII", number, 0, 1, *place) for number, place in enumerate(lying, 1)
        )
        located = full_box(b"iloc", 0, 0, b"\x44\0" + struct.pack(">H", len(lying)) + places)
        handler = full_box(b"hdlr", 0, 0, b"\0\0\0\0pict" + b"\0" * 13)
        return full_box(b"meta", 0, 0, handler + full_box(b"pitm", 0, 0, b"\0\1") + located + described)

    brands = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    said = b"".join(body for _, body, _ in words)
    begin = len(brands) + len(meta(0)) + 8
    path.write_bytes(brands + meta(begin) + box(b"mdat", pictures[0][1] + said))
    return path


def listed(items: list[Item]) -> bytes:
    entries = (
        full_box(b"infe", 2, int(hidden), struct.pack(">HH", number, 0) + kind)
        for number, (kind, _, hidden) in enumerate(items, 1)
    )
    return full_box(b"iinf", 0, 0, struct.pack(">H", len(items)) + b"".join(entries))


def referred(pictures: int, words: int) -> bytes:
    """The words speak of the first picture."""
    numbers = range(pictures + 1, pictures + words + 1)
    told = b"".join(box(b"cdsc", struct.pack(">HHH", number, 1, 1)) for number in numbers)
    return full_box(b"iref", 0, 0, told) if told else b""


def properties_of(properties: list[bytes], pictures: int) -> bytes:
    used = bytes([len(properties)]) + bytes(0x80 | (place + 1) for place in range(len(properties)))
    links = b"".join(struct.pack(">H", number) + used for number in range(1, pictures + 1))
    association = full_box(b"ipma", 0, 0, struct.pack(">I", pictures) + links)
    return box(b"iprp", box(b"ipco", b"".join(properties)) + association)


def hevc_units(scratch: Path, pixels: Pixels) -> list[bytes]:
    """The NAL units of one coded picture."""
    png = scratch.with_suffix(".source.png")
    Image.fromarray(pixels).save(png)
    quiet = ["-c:v", "libx265", "-x265-params", "log-level=error:info=0:range=full", "-crf", "8"]
    matrix = ["-vf", "scale=out_color_matrix=bt601:out_range=full", "-pix_fmt", "yuv420p"]
    ffmpeg.run(["-i", png, "-frames:v", "1", *matrix, *quiet, "-f", "hevc", scratch], timeout=30)
    return [unit for unit in re.split(b"\0\0\0?\1", scratch.read_bytes()) if unit]


def unit_type(unit: bytes) -> int:
    return unit[0] >> 1 & 63


def configuration(units: list[bytes]) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO/IEC 14496-15): profile and level from the SPS, then the parameter sets."""
    sets = {kind: next(unit for unit in units if unit_type(unit) == kind) for kind in (32, 33, 34)}
    profile = sets[33].replace(b"\0\0\3", b"\0\0")[3:15]
    body = b"\1" + profile + struct.pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(sets))
    for kind, unit in sets.items():
        body += struct.pack(">BHH", 0x80 | kind, 1, len(unit)) + unit
    return box(b"hvcC", body)


def make_psd(
    path: Path,
    planes: Sequence[NDArray[Any]],
    *,
    mode: int = 3,
    bits: int = 8,
    version: int = 1,
    claims: tuple[int, int] | None = None,
) -> Path:
    """A Photoshop document without layers; `planes` are its channels. Modes: 1 grey, 3 RGB, 4 CMYK, 9 Lab."""
    height, width = planes[0].shape
    if claims:
        width, height = claims
    head = b"8BPS" + struct.pack(">H6xHIIHH", version, len(planes), height, width, bits, mode)
    layers = b"\0" * (8 if version == 2 else 4)
    data = b"".join(plane.astype(">u2" if bits == 16 else "u1").tobytes() for plane in planes)
    path.write_bytes(head + b"\0" * 8 + layers + b"\0\0" + data)
    return path


def make_pdf(
    path: Path, *, size: tuple[float, float] = (200, 100), rotate: int = 0, title: str = "", drawing: str = ""
) -> Path:
    """One page with its left half red, or with another `drawing`; a second page follows."""
    drawn = (drawing or f"1 0 0 rg 0 0 {size[0] / 2} {size[1]} re f").encode()
    page = f"/Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Rotate {rotate}"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
        f"<< {page} /Contents 4 0 R >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        f"<< {page} >>".encode(),
        f"<< /Title ({title}) >>".encode(),
    ]
    out, places = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 7 /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF" % len(out)
    path.write_bytes(out + b"xref\n0 7\n0000000000 65535 f \n" + table + trailer)
    return path


def make_jxl(path: Path, source: Path, *, lossless: bool = True) -> Path:
    distance = "0" if lossless else "1"
    ffmpeg.run(
        ["-i", source, "-frames:v", "1", "-c:v", "libjxl", "-distance", distance, "-update", "1", path],
        timeout=30,
    )
    return path


def make_icon_with_bomb(path: Path, width: int, height: int) -> Path:
    """An ICO whose directory says 16 x 16 and whose PNG says something else."""
    png = make_png(path.with_suffix(".png"), width, height).read_bytes()
    path.write_bytes(struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22) + png)
    return path


def as_rgb(image: Any) -> Pixels:
    """A picture of libvips as rows x columns x 3."""
    data = np.frombuffer(image.write_to_memory(), dtype=np.uint8)
    return data.reshape(image.height, image.width, image.bands)[:, :, :3]


def quarters(image: Any) -> list[str]:
    """The colours of the four quarters, row by row, by their names: for pictures like `corners`."""
    pixels = as_rgb(image).astype(int)
    height, width = pixels.shape[:2]
    places = [
        (height // 4, width // 4),
        (height // 4, width * 3 // 4),
        (height * 3 // 4, width // 4),
        (height * 3 // 4, width * 3 // 4),
    ]
    return [color_name(pixels[row, column]) for row, column in places]


def color_name(color: Any) -> str:
    if color.min() > 140:
        return "white"
    return ("red", "green", "blue")[int(color.argmax())]


UPRIGHT: Final = ["red", "green", "blue", "white"]
"""`quarters` of `corners`."""
