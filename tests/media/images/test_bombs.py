"""Files made to cost more than they may: memory, time, or what the database can keep."""

import io
import struct
import sys
import time
import zlib
from pathlib import Path

import pytest
from PIL import Image

from media import probing
from media.errors import DamagedFileError, TimedOutError, TooLargeError
from media.images import transform
from media.images.recipes import Recipe
from media.sniffing import sniff_path
from media.tools import icons, pillow, vips
from media.tools.run import run
from media.tools.vips import PixelLimits
from tests.makers import make_png
from tests.rare_makers import make_dng, make_icon_with_bomb, make_jxl, make_pdf

QUICK = 0.5
"""Seconds of this process's own time."""
SMALL = Recipe(64, 64, 80, "jpeg")
MOST_MEMORY = 1000
"""Megabytes that a decoder of 100 megapixels may have at once."""


def probe(path: Path) -> probing.Probe:
    return probing.probe(path, sniff_path(path))


def generate(path: Path) -> bytes:
    [(_, content)] = transform.generate(path, sniff_path(path).mime, [SMALL], PixelLimits())
    return content


def test_the_metadata_of_an_icon_does_not_decode_the_bomb_in_it(tmp_path: Path) -> None:
    path = make_icon_with_bomb(tmp_path / "a.ico", 30_000, 30_000)
    started = time.process_time()
    with pytest.raises(TooLargeError) as caught:
        probe(path)
    assert caught.value.code == "too_many_pixels"
    assert time.process_time() - started < QUICK


def test_icons_hold_no_posters(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError):
        icons.check(make_icon_with_bomb(tmp_path / "a.ico", 5000, 5000), PixelLimits())
    icons.check(make_icon_with_bomb(tmp_path / "b.ico", 4096, 4096), PixelLimits())


def make_webp(path: Path, frames: int) -> Path:
    """An animation of single pixels on a canvas of 64 x 64."""
    packed = io.BytesIO()
    Image.new("RGB", (1, 1)).save(packed, "WEBP", lossless=True)
    place = b"\0" * 16
    frame = place + packed.getvalue()[12:]
    body = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\x3f\0\0" * 2
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    body += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body)
    return path


def test_frames_of_webp_are_counted_before_libwebp_looks_for_them(tmp_path: Path) -> None:
    """It took 16 s to open this one, and no deadline reached it."""
    path = make_webp(tmp_path / "a.webp", 100_000)
    for work in (probe, generate):
        started = time.process_time()
        with pytest.raises(TooLargeError) as caught:
            work(path)
        assert caught.value.code == "too_many_frames"
        assert time.process_time() - started < QUICK


@pytest.mark.parametrize("frames", [5, 12_000])
def test_frames_are_counted_rightly(tmp_path: Path, frames: int) -> None:
    """libvips says 1 of more than 10,000."""
    assert vips.open_header(make_webp(tmp_path / "a.webp", frames)).pages == frames


def make_deep_tiff(path: Path, channels: int) -> Path:
    data = zlib.compress(b"\0" * (64 * 64 * channels))
    tags = [
        (256, 4, 64),
        (257, 4, 64),
        (258, 3, 8),
        (259, 3, 8),
        (262, 3, 1),
        (273, 4, 8 + 2 + 10 * 12 + 4),
        (277, 3, channels),
        (278, 4, 64),
        (279, 4, len(data)),
        (284, 3, 1),
    ]
    entries = b"".join(struct.pack("<HHII", number, kind, 1, value) for number, kind, value in tags)
    path.write_bytes(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + b"\0" * 4 + data)
    return path


def test_a_tiff_of_a_hundred_channels_is_refused(tmp_path: Path) -> None:
    """Each is as dear as a picture of its own: 100 of 100 megapixels took 2.4 GB."""
    with pytest.raises(TooLargeError) as caught:
        generate(make_deep_tiff(tmp_path / "a.tif", 100))
    assert caught.value.code == "too_many_channels"
    assert generate(make_deep_tiff(tmp_path / "b.tif", 16)).startswith(b"\xff\xd8")


def test_a_header_of_empty_chunks_is_given_up(tmp_path: Path) -> None:
    """Pillow needs 6 µs for each; the bytes alone would allow five million of them."""
    path = make_png(tmp_path / "a.png", 8, 8)
    data = path.read_bytes()
    empty = struct.pack(">I4sI", 0, b"abCd", zlib.crc32(b"abCd"))
    path.write_bytes(data[:33] + empty * 1_000_000 + data[33:])
    started = time.process_time()
    assert probe(path).width == 8
    assert time.process_time() - started < 4


@pytest.mark.parametrize(("title", "told"), [("A\0B\1C", "A B C"), ("A\ud800B", None)])
def test_titles_of_documents_that_no_database_keeps(tmp_path: Path, title: str, told: str | None) -> None:
    path = make_pdf(tmp_path / "a.pdf", title="T" * 40)
    packed = (b"\xfe\xff" + title.encode("utf-16-be", "surrogatepass")).hex().encode()
    path.write_bytes(path.read_bytes().replace(b"(" + b"T" * 40 + b")", (b"<" + packed + b">").ljust(42)))
    found = probe(path)
    assert (found.title, found.pages) == (told, 2)


def test_the_size_of_a_document_does_not_parse_what_is_drawn(tmp_path: Path) -> None:
    """A header could take 5 s and 2 GB, and call the document damaged."""
    path = make_pdf(tmp_path / "a.pdf", drawing="1 0 0 rg 0 0 9 9 re f\n" * 1_500_000)
    started = time.monotonic()
    assert probe(path).pages == 2
    probed = time.monotonic()
    assert generate(path).startswith(b"\xff\xd8")
    assert 3 * (probed - started) < time.monotonic() - probed


def test_a_slow_document_is_told_of_as_a_picture(tmp_path: Path) -> None:
    """Not "python used more processor time than it may. Try a shorter file."."""
    path = make_pdf(tmp_path / "a.pdf", drawing="1 0 0 rg 0 0 9 9 re f\n" * 1_500_000)
    with pytest.raises(TimedOutError) as caught:
        list(transform.generate(path, "application/pdf", [SMALL], PixelLimits(seconds=0.5)))
    assert caught.value.message.startswith("The picture takes longer")
    assert "python" in str(caught.value.detail)


def test_a_dng_without_a_small_picture_has_metadata(tmp_path: Path) -> None:
    """Its first directory is the sensor's, which Pillow refuses."""
    found = probe(make_dng(tmp_path / "a.dng"))
    assert (found.width, found.height) == (120, 80)
    assert found.camera
    assert found.camera.model == "Test camera"


def test_a_second_jpeg_xl_behind_the_first_is_not_decoded(tmp_path: Path) -> None:
    """ffprobe tells the size of the first; ffmpeg has decoded the second."""
    small = make_jxl(tmp_path / "small.jxl", make_png(tmp_path / "small.png", 16, 16))
    large = make_jxl(tmp_path / "large.jxl", make_png(tmp_path / "large.png", 2000, 2000, rows=2000))
    assert generate(small).startswith(b"\xff\xd8")
    both = tmp_path / "both.jxl"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with pytest.raises(DamagedFileError):
        generate(both)


def test_jpeg_2000_is_decoded_no_larger_than_need_be(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    Image.linear_gradient("L").resize((1000, 600)).convert("RGB").save(path)
    wanted = [(1000, 600), (501, 301), (500, 300), (100, 60), (1, 1)]
    decoded = [pillow.decode(path, "image/jp2", enough) for enough in wanted]
    sizes = {enough: (found.width, found.height) for enough, found in zip(wanted, decoded, strict=True)}
    assert sizes == {
        (1000, 600): (1000, 600),
        (501, 301): (1000, 600),
        (500, 300): (500, 300),
        (100, 60): (125, 75),
        # At the fifth halving, Pillow and OpenJPEG differ by a pixel.
        (1, 1): (63, 38),
    }
    whole = Image.frombytes("RGB", (1000, 600), bytes(pillow.decode(path, "image/jp2").data)).resize(
        (500, 300)
    )
    half = Image.frombytes("RGB", (500, 300), bytes(pillow.decode(path, "image/jp2", (500, 300)).data))
    assert max(abs(a - b) for a, b in zip(whole.tobytes(), half.tobytes(), strict=True)) <= 6


PEAK = """
import re, sys
from pathlib import Path
from media.images import transform
from media.images.recipes import Recipe
from media.sniffing import sniff_path
from media.tools.vips import PixelLimits
path = Path(sys.argv[1])
for _ in transform.generate(path, sniff_path(path).mime, [Recipe(720, 360, 82, "jpeg")], PixelLimits()):
    pass
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.parametrize("suffix", [".tga", ".bmp", ".jp2"])
def test_memory_of_100_megapixels(tmp_path: Path, suffix: str) -> None:
    """Pillow's ways held the picture four times over: 1.4 GB, of JPEG 2000 2 GB."""
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (9990, 9990), "teal").save(path, compression="tga_rle" if suffix == ".tga" else None)
    done = run([sys.executable, "-c", PEAK, str(path)], timeout=60)
    assert int(done.stdout) < MOST_MEMORY
