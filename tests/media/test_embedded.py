"""The containers that EXIF, XMP and IPTC come in, and what cameras put beside their pictures."""

import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from media.exif import Location
from media.motion import Motion, motion_of
from media.particulars import Particulars, merged, particulars_of
from media.probing import Probe, probe
from media.sniffing import Sniffed, sniff_path
from media.tools import embedded, ffmpeg
from media.tools.embedded import Embedded
from tests.makers import exif_of, make_image, make_video
from tests.media.test_xmp import bag, packet

WORDS = packet(
    "<dc:title>"
    + bag("Title", kind="Alt")
    + "</dc:title><dc:subject>"
    + bag("Berg", "See")
    + "</dc:subject>",
    "xmp:Rating='4' xmp:CreateDate='2018-03-04T05:06:07+09:00'",
)
TAKEN = {0x9003: "2021:07:14 18:30:05", 0x9011: "+02:00"}
CAMERA = {0x010F: "TestCam", 0x0110: "TC-1"}
PLACE = {1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 22.2, 0.0)}


def probed(path: Path) -> Probe:
    return probe(path, sniff_path(path))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif"])
def test_words_of_every_format(tmp_path: Path, suffix: str) -> None:
    options: dict[str, Any] = {"xmp": WORDS}
    if suffix == "png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", WORDS.decode())
        options = {"pnginfo": chunks}
    if suffix == "tif":
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        directory[700] = WORDS
        options = {"tiffinfo": directory}
    found = probed(make_image(tmp_path / f"a.{suffix}", **options))
    assert (found.title, found.keywords, found.rating) == ("Title", ("Berg", "See"), 4)
    assert (str(found.taken_at), found.taken_offset) == ("2018-03-03 20:06:07+00:00", "+09:00")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def test_chunks_after_the_pixels_of_a_png(tmp_path: Path) -> None:
    data = make_image(tmp_path / "a.png").read_bytes()
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(WORDS)
    late = chunk(b"iTXt", text) + chunk(b"eXIf", exif_of(main=CAMERA).tobytes()[6:])
    (tmp_path / "b.png").write_bytes(data[:-12] + late + data[-12:])
    found = probed(tmp_path / "b.png")
    assert (found.title, found.camera and found.camera.make) == ("Title", "TestCam")


def test_texts_of_a_png_may_be_named_in_latin_1(tmp_path: Path) -> None:
    data = make_image(tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data[:33] + chunk(b"tEXt", b"Sch\xf6pfer\0Ada") + data[33:])
    assert probed(tmp_path / "b.png").width == 120


def raw_profile(name: str, data: bytes) -> str:
    return f"\n{name}\n{len(data):8}\n" + "\n".join(
        data.hex()[at : at + 72] for at in range(0, 2 * len(data), 72)
    )


def test_profiles_that_older_programs_keep_as_text_in_png(tmp_path: Path) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Raw profile type exif", raw_profile("exif", exif_of(main=CAMERA).tobytes()), zip=True)
    chunks.add_text("Raw profile type xmp", raw_profile("xmp", WORDS), zip=True)
    caption = b"8BIM\x04\x04\0\0\0\0\0\x0c" + record(120, b"Caption")
    chunks.add_text("Raw profile type iptc", raw_profile("iptc", caption), zip=True)
    found = probed(make_image(tmp_path / "a.png", pnginfo=chunks))
    assert (found.title, found.caption, found.camera and found.camera.model) == ("Title", "Caption", "TC-1")


def record(number: int, value: bytes) -> bytes:
    return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value


def test_records_of_iptc_in_jpeg_and_tiff(tmp_path: Path) -> None:
    block = (
        record(5, b"Title") + record(25, b"Frost") + record(25, "Bäume".encode()) + record(120, b"Caption")
    )
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)
    body = b"Photoshop 3.0\0" + resource
    segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body
    jpeg = make_image(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.tagtype[33723] = 7
    directory[33723] = block
    tiff = make_image(tmp_path / "a.tif", tiffinfo=directory)
    for path in (tmp_path / "b.jpg", tiff):
        found = probed(path)
        assert (found.title, found.caption, found.keywords) == ("Title", "Caption", ("Frost", "Bäume"))


def sparse_tiff(path: Path, shorts: int) -> Path:
    """Four pixels square, and a tag of so many numbers, all zero, that the disk does not even keep."""
    one = {
        256: (3, 4),
        257: (3, 4),
        258: (3, 8),
        259: (3, 1),
        262: (3, 1),
        273: (4, 200),
        277: (3, 1),
        279: (4, 16),
    }
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in one.items()]
    entries.append(struct.pack("<HHII", 0xC000, 3, shorts, 216))
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4))
    with path.open("r+b") as file:
        file.truncate(216 + 2 * shorts)
    return path


def test_a_header_as_long_as_its_file_costs_neither_memory_nor_time(tmp_path: Path) -> None:
    small = probed(sparse_tiff(tmp_path / "a.tif", 100))
    assert (small.width, small.height) == (4, 4)
    tracemalloc.start()
    try:
        began = time.monotonic()
        found = probed(sparse_tiff(tmp_path / "b.tif", 60_000_000))
        assert time.monotonic() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
    assert (found.width, found.height) == (4, 4)


def test_reading_ends_where_the_budget_ends(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(100))
    with embedded.Frugal(tmp_path / "a", 100) as reader:
        assert len(reader.read()) == 100
    with embedded.Frugal(tmp_path / "a", 99) as reader:
        assert len(reader.read(60)) == 60
        with pytest.raises(OSError, match="longer"):
            reader.read()


def psd(resources: dict[int, bytes]) -> bytes:
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 2, 2, 8, 3)
    parts = b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
        for number, data in resources.items()
    )
    return (
        header
        + struct.pack(">I", 0)
        + struct.pack(">I", len(parts))
        + parts
        + struct.pack(">IH", 0, 0)
        + bytes(12)
    )


def test_resources_of_a_photoshop_file(tmp_path: Path) -> None:
    exif = exif_of(main=CAMERA, exif=TAKEN).tobytes()[6:]
    (tmp_path / "a.psd").write_bytes(psd({0x0404: record(120, b"Caption"), 0x0422: exif, 0x0424: WORDS}))
    found = probed(tmp_path / "a.psd")
    assert (found.title, found.caption, found.camera and found.camera.make) == ("Title", "Caption", "TestCam")
    assert str(found.taken_at) == "2021-07-14 16:30:05+00:00"


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def tiff_of(tags: dict[int, Any]) -> bytes:
    found = Image.Exif()
    found.update(tags)
    return found.tobytes()[6:]


def test_the_boxes_of_a_canon_raw(tmp_path: Path) -> None:
    inner = box(b"CMT1", tiff_of(CAMERA | {0x0112: 6})) + box(b"CMT2", tiff_of(TAKEN | {0x8827: 400}))
    inner += box(b"CMT3", b"II*\0") + box(b"CMT4", tiff_of(PLACE))
    data = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", bytes(16) + inner))
    data += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + WORDS) + box(b"mdat", b"pixels")
    (tmp_path / "a.cr3").write_bytes(data)
    found = probed(tmp_path / "a.cr3")
    assert found.mime == "image/x-canon-cr3"
    assert found.camera is not None
    assert (found.camera.model, found.camera.iso) == ("TC-1", 400)
    assert (found.location, found.orientation) == (Location(48.2, 16.37), 6)
    assert (str(found.taken_at), found.taken_zone) == ("2021-07-14 16:30:05+00:00", "Europe/Vienna")
    assert (found.title, found.keywords, found.rating) == ("Title", ("Berg", "See"), 4)


def test_the_jpeg_inside_a_fuji_raw(tmp_path: Path) -> None:
    options: dict[str, Any] = {"exif": exif_of(main=CAMERA, exif=TAKEN), "xmp": WORDS}
    jpeg = make_image(tmp_path / "a.jpg", **options).read_bytes()
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 160, len(jpeg))
    (tmp_path / "a.raf").write_bytes(head.ljust(160, b"\0") + jpeg)
    found = probed(tmp_path / "a.raf")
    assert (found.mime, found.camera and found.camera.model, found.rating) == ("image/x-fuji-raf", "TC-1", 4)


@pytest.mark.parametrize(
    ("magic", "mime"), [(b"IIRO", "image/x-olympus-orf"), (b"IIU\0", "image/x-panasonic-rw2")]
)
def test_raw_families_with_a_magic_of_their_own(tmp_path: Path, magic: bytes, mime: str) -> None:
    tags = exif_of(main=CAMERA, exif=TAKEN | {0x829D: 2.8}, gps=PLACE)
    tags.endian = "<"
    data = tags.tobytes()[6:]
    assert data.startswith(b"II*\0")
    (tmp_path / "a.raw").write_bytes(magic + data[4:])
    found = probed(tmp_path / "a.raw")
    assert found.mime == mime
    assert found.camera is not None
    assert (found.camera.make, found.camera.f_number, found.location) == (
        "TestCam",
        2.8,
        Location(48.2, 16.37),
    )
    assert found.taken_offset == "+02:00"


def test_a_damaged_raw_ends_as_a_picture_without_particulars(tmp_path: Path) -> None:
    for head in (
        b"FUJIFILMCCD-RAW " + b"\xff" * 100,
        box(b"ftyp", b"crx \0\0\0\1") + b"CMT1II*\0",
        b"IIRO\xff\xff\xff\xff",
    ):
        (tmp_path / "a.raw").write_bytes(head)
        found = probed(tmp_path / "a.raw")
        assert (found.kind, found.camera, found.taken_at) == ("image", None, None)


@pytest.mark.parametrize("before", [b"", b"Exif\0\0"], ids=["as told by the standard", "as in HEIC"])
def test_the_boxes_of_a_jpeg_xl(tmp_path: Path, before: bytes) -> None:
    brand = box(b"ftyp", b"jxl \0\0\0\0jxl ")
    exif = box(b"Exif", struct.pack(">I", len(before)) + before + tiff_of(CAMERA))
    words = struct.pack(">I4sQ", 1, b"xml ", len(WORDS) + 16) + WORDS
    pixels = struct.pack(">I4s", 0, b"jxlc") + bytes(50)
    (tmp_path / "a.jxl").write_bytes(embedded.JXL + brand + exif + words + pixels)
    found = particulars_of(embedded.of_raw(tmp_path / "a.jxl"))
    assert found.camera is not None
    assert (found.camera.make, found.title) == ("TestCam", "Title")
    for cut in (11, 13, 40, 60):
        (tmp_path / "b.jxl").write_bytes((tmp_path / "a.jxl").read_bytes()[:cut])
        assert embedded.of_raw(tmp_path / "b.jxl").xmp == b""


def apple_note(tags: dict[int, bytes]) -> bytes:
    """As an iPhone writes it: a big-endian directory whose offsets count from the note's first byte."""
    begin, entries, values = 14, b"", b""
    after = begin + 2 + 12 * len(tags) + 4
    for number, value in tags.items():
        text = value + b"\0"
        entries += struct.pack(">HHII", number, 2, len(text), after + len(values))
        values += text
    return b"Apple iOS\0\0\1MM" + struct.pack(">H", len(tags)) + entries + bytes(4) + values


CONTENT, BURST = b"3F2504E0-4F89-11D3-9A0C-0305E82C3301", b"A9C1F1B6-0000-4000-8000-000000000001"


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_the_names_by_which_an_iphone_joins_its_files(tmp_path: Path, suffix: str) -> None:
    note = apple_note({0x0B: BURST, 0x11: CONTENT})
    found = probed(make_image(tmp_path / f"a.{suffix}", exif=exif_of(exif={0x927C: note})))
    assert (found.content_id, found.burst_id) == (CONTENT.decode(), BURST.decode())


@pytest.mark.parametrize(
    "note", [b"Apple iOS\0", b"Apple iOS\0\0\1MM\xff\xff", b"Apple iOS\0\0\1XX\0\1", b"\0" * 40, 7, None]
)
def test_a_broken_note_is_none(note: Any) -> None:
    assert particulars_of(Embedded(exif={0x927C: note}, apple=embedded.apple_of(note))).content_id is None


def test_a_burst_of_a_google_camera() -> None:
    found = particulars_of(Embedded(xmp=packet("", "GCamera:BurstID='b-1'")))
    assert found.burst_id == "b-1"


def with_film(tmp_path: Path, told: bytes, film: bytes, end: bytes = b"") -> Path:
    path = make_image(tmp_path / "a.jpg", xmp=told)
    path.write_bytes(path.read_bytes() + film + end)
    return path


@pytest.fixture
def film(tmp_path: Path) -> bytes:
    return make_video(tmp_path / "a.mp4", seconds=0.2, size=(64, 64), audio=False).read_bytes()


def test_the_film_of_a_motion_photo_plays_from_its_place(tmp_path: Path, film: bytes) -> None:
    path = with_film(tmp_path, packet("", f"GCamera:MicroVideoOffset='{len(film)}'"), film)
    motion = probed(path).motion
    assert motion == Motion(path.stat().st_size - len(film), len(film))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[motion.offset : motion.offset + motion.length])
    assert probed(cut).kind == "video"
    assert ffmpeg.run(["-i", cut, "-f", "null", "-"], timeout=20) is not None


@pytest.mark.parametrize("offset", [1, 10_000_000, 0, -1])
def test_a_film_that_is_not_there_is_none(tmp_path: Path, film: bytes, offset: int) -> None:
    path = with_film(tmp_path, packet("", f"GCamera:MicroVideoOffset='{offset}'"), film)
    found = probed(path)
    assert (found.motion, found.width) == (None, 120)


def test_the_film_of_an_older_samsung(tmp_path: Path, film: bytes) -> None:
    trailer = b"SEFH" + bytes(20) + b"SEFT"
    path = with_film(tmp_path, packet(""), b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + film, trailer)
    motion = probed(path).motion
    assert motion is not None
    assert path.read_bytes()[motion.offset : motion.offset + motion.length] == film
    for broken in (
        b"SEFT",
        b"SEFHMotionPhoto_DataSEFT",
        b"MotionPhoto_DataSEFT",
        b"MotionPhoto_Data1234SEFHSEFT",
    ):
        (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20) + broken)
        assert motion_of(tmp_path / "b.jpg", "image/jpeg", None) is None


def test_each_word_is_kept_once_and_few_enough() -> None:
    assert merged(["Berg", "berg ", "", "See", "\0"]) == ("Berg", "See")
    many = merged(f"{number} " + "x" * 500 for number in range(5000))
    assert (len(many), max(map(len, many))) == (200, 200)


def test_raw_tags_are_bounded(tmp_path: Path) -> None:
    body = "".join(f"<dc:n{number}>{'x' * 900}</dc:n{number}>" for number in range(100))
    found = probed(make_image(tmp_path / "a.jpg", xmp=packet(body, "xmp:Rating='1'")[:60_000] or b""))
    assert len(str(found.raw)) < 20_000
    told = particulars_of(Embedded(xmp=packet(body, "xmp:Rating='1'")))
    assert 10_000 < len(str(told.raw["xmp"])) < 20_000


def test_nothing_in_nothing() -> None:
    assert particulars_of(Embedded()) == Particulars()


def test_a_live_photos_film_and_a_phones_own_tags(tmp_path: Path) -> None:
    told = {
        "com.apple.quicktime.content.identifier": CONTENT.decode(),
        "com.apple.quicktime.creationdate": "2023-06-15T10:20:30+0200",
        "com.apple.quicktime.location.ISO6709": "+47.3769+008.5417+408.500/",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 13 mini",
        "com.apple.quicktime.keywords": "Berg, See",
    }
    options = ["-movflags", "use_metadata_tags"]
    for name, value in told.items():
        options += ["-metadata", f"{name}={value}"]
    found = probed(make_video(tmp_path / "a.mov", seconds=0.2, size=(64, 64), audio=False, options=options))
    assert (found.content_id, found.keywords) == (CONTENT.decode(), ("Berg", "See"))
    assert found.camera is not None
    assert (found.camera.make, found.camera.model) == ("Apple", "iPhone 13 mini")
    assert found.location == Location(47.3769, 8.5417, 408.5)
    assert (str(found.taken_at), found.taken_offset) == ("2023-06-15 08:20:30+00:00", "+02:00")
    assert found.taken_zone == "Europe/Zurich"
    assert found.raw["tags"]["com.apple.quicktime.model"] == "iPhone 13 mini"


def test_the_colours_of_a_heic_without_a_profile() -> None:
    image = Image.new("RGB", (1, 1))
    image.info["nclx_profile"] = {"color_primaries": 12}
    assert embedded.profile_of(image, {}) == "Display P3"
    image.info["icc_profile"] = b"no profile"
    assert embedded.profile_of(image, {}) is None


def test_what_pillow_cannot_open_keeps_its_size(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (30, 20)).save(data, "PNG")
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(9_000_000)))
    path = tmp_path / "a.png"
    path.write_bytes(data.getvalue()[:33] + bomb + data.getvalue()[33:])
    found = probe(path, Sniffed("image/png", "image", None))
    assert (found.width, found.title) == (30, None)
