import os
import time
from pathlib import Path

import numpy as np
import pytest

from media.errors import DamagedFileError, InfrastructureError, TooLargeError, UnsupportedTypeError
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import exif_of, make_image, make_png


def test_header_of_a_turned_photo(tmp_path: Path) -> None:
    header = vips.open_header(make_image(tmp_path / "a.jpg", size=(120, 80), exif=exif_of(main={0x0112: 6})))
    assert (header.width, header.height, header.orientation) == (120, 80, 6)
    assert header.displayed == (80, 120)
    assert (header.bands, header.bits, header.pages, header.has_alpha) == (3, 8, 1, False)


def test_header_of_an_animation(tmp_path: Path) -> None:
    frames = [np.full((20, 30, 3), shade, dtype=np.uint8) for shade in (0, 128, 255)]
    from PIL import Image

    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=100)
    header = vips.open_header(tmp_path / "a.gif")
    assert (header.width, header.height, header.pages) == (30, 20, 3)


def test_orientation_out_of_range_is_upright(tmp_path: Path) -> None:
    assert vips.open_header(make_image(tmp_path / "a.jpg", exif=exif_of(main={0x0112: 9}))).orientation == 1


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    bomb = make_png(tmp_path / "bomb.png", 30_000, 30_000, rows=30_000)
    started = time.process_time()
    header = vips.open_header(bomb)
    with pytest.raises(TooLargeError, match="30000 x 30000") as caught:
        vips.check_limits(header.width, header.height, header.pages, PixelLimits())
    assert time.process_time() - started < 0.3
    assert caught.value.code == "too_many_pixels"
    assert caught.value.http_status == 422


@pytest.mark.parametrize(
    ("width", "height", "frames", "code"),
    [
        (10_001, 10_000, 1, "too_many_pixels"),
        (70_000, 10, 1, "too_many_pixels"),
        (10, 10, 20_000, "too_many_frames"),
    ],
)
def test_limits(width: int, height: int, frames: int, code: str) -> None:
    with pytest.raises(TooLargeError) as caught:
        vips.check_limits(width, height, frames, PixelLimits())
    assert caught.value.code == code
    vips.check_limits(10_000, 10_000, 1, PixelLimits())


def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALCOVES_IMAGE_MAX_MEGAPIXELS", "0.5e3")
    assert PixelLimits.from_environment().megapixels == 500


def test_svg_is_never_rendered(tmp_path: Path) -> None:
    secret = make_image(tmp_path / "secret.png")
    svg = tmp_path / "innocent.jpg"
    svg.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file://{secret}"/></svg>'
    )
    with pytest.raises(UnsupportedTypeError):
        vips.open_header(svg)
    with pytest.raises(UnsupportedTypeError):
        vips.load_thumbnail(svg, 100, 100, strict=False, profiled=False)


def test_brackets_in_a_name_are_no_options(tmp_path: Path) -> None:
    odd = make_image(tmp_path / "a.jpg").rename(tmp_path / "b[shrink=8].jpg")
    assert vips.open_header(odd).width == 120


def test_rubbish_and_emptiness_are_told(tmp_path: Path) -> None:
    for number, data in enumerate((b"", b"\xff\xd8\xff", os.urandom(500))):
        path = tmp_path / str(number)
        path.write_bytes(data)
        with pytest.raises((DamagedFileError, UnsupportedTypeError)):
            vips.open_header(path)
    with pytest.raises(InfrastructureError, match="not there"):
        vips.open_header(tmp_path / "absent")


def test_a_forked_child_may_not_touch_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_image(tmp_path / "a.jpg")
    monkeypatch.setattr(vips, "_first_pixels_in", os.getpid() + 1)
    with pytest.raises(InfrastructureError, match="forked") as caught:
        vips.load_thumbnail(source, 10, 10, strict=True, profiled=False)
    assert caught.value.retry
    assert vips.open_header(source).width == 120


def test_errors_of_one_file_are_not_told_of_the_next(tmp_path: Path) -> None:
    cut = tmp_path / "cut-short.jpg"
    cut.write_bytes(make_image(tmp_path / "a.jpg").read_bytes()[:900])
    with pytest.raises(DamagedFileError):
        vips.load_thumbnail(cut, 50, 50, strict=True, profiled=False)
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 10)
    with pytest.raises(UnsupportedTypeError) as caught:
        vips.open_header(tmp_path / "rubbish")
    assert "premature" not in caught.value.detail
