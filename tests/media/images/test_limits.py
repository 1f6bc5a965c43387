"""Bad input: bombs are refused by their headers in milliseconds, slow pictures are stopped, memory comes back."""

import json
import resource
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.errors import DamagedFileError, MediaError, TimedOutError, TooLargeError, UnsupportedTypeError
from media.images import encoding, transform
from media.images.recipes import Format, Recipe
from media.images.transform import Box
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.run import run
from media.tools.vips import PixelLimits
from tests.makers import exif_of, make_image, make_png

BOX = Box(1920, 1080)
QUICK = 0.15
"""Seconds of this process's own time. The refusal itself takes one or two ms."""


def decode(path: Path, box: Box = BOX, limits: PixelLimits | None = None) -> transform.Decoded:
    return transform.decode(path, sniff_path(path).mime, box, limits or PixelLimits())


def giant_gif(path: Path) -> Path:
    """A screen of 60,000 x 60,000 with one frame of the same size."""
    screen = struct.pack("<HHBBB", 60_000, 60_000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\x00"
    path.write_bytes(b"GIF89a" + screen + frame + b";")
    return path


def giant_webp(path: Path) -> Path:
    """A small animation on a canvas (`VP8X`) of 60,000 x 60,000: valid to the last byte."""
    first, second = (Image.new("RGB", (8, 8), color) for color in ("red", "lime"))
    first.save(path, "WEBP", save_all=True, append_images=[second], duration=50)
    data = bytearray(path.read_bytes())
    place = data.index(b"VP8X") + 12
    data[place : place + 6] = (60_000 - 1).to_bytes(3, "little") * 2
    path.write_bytes(data)
    return path


def giant_avif(path: Path) -> Path:
    """A small one whose header (`ispe`) promises 40,000 x 40,000."""
    data = bytearray(make_image(path.with_suffix(".small.avif")).read_bytes())
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", 40_000, 40_000)
    path.write_bytes(data)
    return path


def giant_tiff(path: Path) -> Path:
    """Says 50,000 x 50,000 in one strip of nothing."""
    tags = [
        (256, 4, 50_000),
        (257, 4, 50_000),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, 50_000),
        (279, 4, 1),
    ]
    entries = b"".join(struct.pack("<HHII", number, kind, 1, value) for number, kind, value in tags)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 4)
    return path


def giant_png(path: Path) -> Path:
    return make_png(path, 40_000, 40_000, rows=2)


def wide_png(path: Path) -> Path:
    """More than any encoder can hold, though not many pixels."""
    return make_png(path, 70_000, 10, rows=10)


def endless_png(path: Path) -> Path:
    return make_png(path, 2**31 - 1, 2**31 - 1, data=b"\0")


BOMBS = [giant_gif, giant_webp, giant_avif, giant_tiff, giant_png, wide_png, endless_png]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_no_time(tmp_path: Path, bomb: type) -> None:
    path = bomb(tmp_path / "bomb")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(TooLargeError) as caught:
        decode(path)
    assert time.process_time() - started < QUICK
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert (caught.value.code, caught.value.http_status) == ("too_many_pixels", 422)


SHARED_BOMBS = [
    "16384x16384.png",
    "17000x17000.avif",
    "bomb_12000x12000_rgb.png",
    "bomb_30000x30000_1bit.png",
    "png_header_lies_2e9.png",
]


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED_BOMBS)
def test_shared_bombs(shared_media: Path, name: str) -> None:
    started = time.process_time()
    with pytest.raises(TooLargeError):
        decode(shared_media / "corrupt" / name)
    assert time.process_time() - started < QUICK


def test_the_size_of_the_file_has_a_limit_too(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg")
    size = path.stat().st_size
    assert decode(path, limits=PixelLimits(bytes=size)).size == (120, 80)
    with pytest.raises(TooLargeError, match="file is larger") as caught:
        decode(path, limits=PixelLimits(bytes=size - 1))
    assert caught.value.code == "too_many_bytes"


def test_more_frames_than_any_picture(tmp_path: Path) -> None:
    first, *rest = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in range(0, 250, 25)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=20)
    with pytest.raises(TooLargeError) as caught:
        decode(tmp_path / "a.gif", limits=PixelLimits(frames=9))
    assert caught.value.code == "too_many_frames"
    assert decode(tmp_path / "a.gif", limits=PixelLimits(frames=10)).size == (4, 4)


def slow_png(path: Path) -> Path:
    """81 megapixels in 16 bits: a second or more of work on any machine."""
    width = height = 9000
    line = b"\0" + (np.arange(width * 3, dtype=">u2") % 64 * 1009).tobytes()

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(line * 10) for _ in range(height // 10)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    return path


# Of this process's own time, in which a busy machine does not count: a fifth of it has passed on every clock
# before the work is done.
def test_a_slow_picture_is_stopped(tmp_path: Path) -> None:
    path = slow_png(tmp_path / "slow.png")
    started = time.process_time()
    assert max(decode(path).size) == 1080
    whole = time.process_time() - started
    started = time.process_time()
    with pytest.raises(TimedOutError, match="longer to turn") as caught:
        decode(path, limits=PixelLimits(seconds=whole / 5))
    assert time.process_time() - started < whole * 0.7
    assert caught.value.retry
    assert decode(make_image(tmp_path / "next.jpg")).size == (120, 80)


def test_a_slow_picture_on_its_side_is_stopped_too(tmp_path: Path) -> None:
    rows = np.tile(np.arange(64, dtype=np.uint8)[:, None] * 4, (6000, 63, 3))
    Image.fromarray(rows).save(tmp_path / "a.png", compress_level=1, exif=exif_of(main={0x0112: 6}))
    started = time.process_time()
    assert decode(tmp_path / "a.png").size == (1607, 1080)
    whole = time.process_time() - started
    started = time.process_time()
    with pytest.raises(TimedOutError):
        decode(tmp_path / "a.png", limits=PixelLimits(seconds=whole / 5))
    assert time.process_time() - started < whole * 0.7


def test_a_progressive_jpeg_of_countless_scans_ends_soon(tmp_path: Path) -> None:
    """Each scan is a hundred bytes of file and a pass over every pixel: the decoder has to stop counting."""
    Image.new("L", (1500, 1500), 100).save(tmp_path / "a.jpg", progressive=True)
    data = (tmp_path / "a.jpg").read_bytes()
    scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + scan * 20_000 + data[-2:])
    started = time.process_time()
    with pytest.raises((DamagedFileError, TooLargeError)):
        decode(tmp_path / "a.jpg")
    assert time.process_time() - started < 5


def test_a_slow_animation_is_stopped(tmp_path: Path) -> None:
    noise = np.random.default_rng(2)
    frames = [Image.fromarray(noise.integers(0, 255, (400, 500), dtype=np.uint8)) for _ in range(20)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    recipe = Recipe(None, None, 80, "webp")

    def make(limits: PixelLimits) -> float:
        started = time.process_time()
        list(transform.generate(tmp_path / "a.gif", "image/gif", [recipe], limits))
        return time.process_time() - started

    # The first one warms up, and other threads of the tests may use the processor in any.
    whole = min(make(PixelLimits()) for _ in range(3))
    started = time.process_time()
    with pytest.raises(TimedOutError):
        make(PixelLimits(seconds=whole / 5))
    assert time.process_time() - started < whole * 0.7


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp"])
def test_a_slow_encoding_is_stopped(format_: Format) -> None:
    rows = np.random.default_rng(1).integers(0, 255, (3000, 3000, 3), dtype=np.uint8)
    image = vips.from_pixels(rows.tobytes(), 3000, 3000, 3)
    with pytest.raises(TimedOutError):
        encoding.encoded(image, format_, 90, deadline=time.monotonic() + 0.02)
    assert encoding.encoded(image.crop(0, 0, 9, 9), format_, 90, deadline=time.monotonic() + 20)


def test_a_deadline_that_has_passed_begins_nothing() -> None:
    image = vips.from_pixels(bytes(12), 2, 2, 3)
    with pytest.raises(TimedOutError):
        encoding.encoded(image, "avif", deadline=time.monotonic() - 1)


@pytest.mark.parametrize(
    ("format_", "most"), [("jpeg", 60_000), ("webp", 16_383), ("avif", 16_384), ("png", 60_000)]
)
def test_60000_pixels_wide(tmp_path: Path, format_: Format, most: int) -> None:
    path = make_png(tmp_path / "a.png", 60_000, 4, rows=4)
    [(_, content)] = transform.generate(path, "image/png", [Recipe(None, None, 80, format_)], PixelLimits())
    (tmp_path / "out").write_bytes(content)
    assert vips.open_header(tmp_path / "out").width == most
    assert decode(path, Box(720, 360)).size == (720, 1)


def test_no_pixels_at_all(tmp_path: Path) -> None:
    make_png(tmp_path / "a.png", 0, 0)
    jpeg = bytearray(make_image(tmp_path / "a.jpg").read_bytes())
    size = jpeg.index(b"\xff\xc0") + 5
    jpeg[size : size + 4] = bytes(4)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    for name in ("a.png", "a.jpg"):
        with pytest.raises((DamagedFileError, UnsupportedTypeError, TooLargeError)):
            decode(tmp_path / name)


@pytest.mark.parametrize("format_", ["jpeg", "webp", "avif", "png"])
def test_one_pixel(tmp_path: Path, format_: Format) -> None:
    path = make_image(tmp_path / "a.png", np.full((1, 1, 3), (10, 200, 30), dtype=np.uint8))
    [(_, content)] = transform.generate(path, "image/png", [Recipe(300, 300, 90, format_)], PixelLimits())
    (tmp_path / "out").write_bytes(content)
    with Image.open(tmp_path / "out") as image:
        assert image.size == (1, 1)
        assert np.abs(np.asarray(image.convert("RGB"))[0, 0].astype(int) - (10, 200, 30)).max() < 8


def test_a_name_that_lies_changes_nothing(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert decode(path).size == (120, 80)
    with pytest.raises(MediaError):
        transform.decode(path, "image/svg+xml", BOX, PixelLimits())


@pytest.mark.parametrize("format_", ["jpeg", "webp", "avif", "png"])
def test_what_hides_in_a_polyglot_stays_there(tmp_path: Path, format_: Format) -> None:
    script = b"<html><script>alert(1)</script></html>"
    path = make_image(tmp_path / "a.jpg", comment=script)
    path.write_bytes(path.read_bytes() + script + b"PK\x03\x04 and a zip file")
    [(_, content)] = transform.generate(path, "image/jpeg", [Recipe(60, 60, 80, format_)], PixelLimits())
    assert b"script" not in content
    assert b"PK\x03\x04" not in content


ROOT = str(Path(__file__).parents[3])
CHILD = """
import json, sys

sys.path.insert(0, sys.argv[1])
from pathlib import Path
from media.errors import MediaError
from media.images import transform
from media.images.recipes import Recipe
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

paths = [Path(name) for name in sys.argv[2:]]
recipes = [Recipe(400, 400, 80, "webp"), Recipe(200, 200, 80, "jpeg")]

def once(path):
    try:
        for _ in transform.generate(path, sniff_path(path).mime, recipes, PixelLimits()):
            pass
        return "made"
    except MediaError as error:
        return error.code

def rounds(count):
    return [once(paths[number % len(paths)]) for number in range(count)]

rounds(max(60, len(paths)))
before = resident()
outcomes = rounds(200)
print(json.dumps({"grown": resident() - before, "outcomes": sorted(set(outcomes))}))
"""


def grown(paths: list[Path]) -> tuple[int, set[str]]:
    """What 200 bad pictures leave in the memory of a process of its own that has warmed up, and how they ended."""
    arguments = [sys.executable, "-c", CHILD, ROOT, *(str(path) for path in paths)]
    done = run(arguments, timeout=120)
    told = json.loads(done.stdout)
    return told["grown"], set(told["outcomes"])


def test_memory_comes_back_after_bad_input(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (600, 800, 3), dtype=np.uint8)
    paths = [bomb(tmp_path / f"{bomb.__name__}.bin") for bomb in BOMBS]
    for suffix in ("jpg", "png", "webp", "gif", "tif", "avif"):
        whole = make_image(tmp_path / f"whole.{suffix}", noise).read_bytes()
        for percent in (20, 60, 95):
            cut = tmp_path / f"cut-{percent}.{suffix}"
            cut.write_bytes(whole[: len(whole) * percent // 100])
            paths.append(cut)
    left, outcomes = grown(paths)
    assert left < 12 * 1024**2
    assert {"made", "damaged_file", "too_many_pixels"} <= outcomes


@pytest.mark.shared
def test_memory_comes_back_after_the_shared_corrupt_files(shared_media: Path) -> None:
    folder = shared_media / "corrupt"
    left, outcomes = grown([path for path in sorted(folder.iterdir()) if path.name != "9643x10328.jpg"])
    assert left < 12 * 1024**2
    assert {"made", "damaged_file", "too_many_pixels"} <= outcomes
