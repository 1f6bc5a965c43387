from pathlib import Path

import numpy as np
import pytest

from media.errors import PermanentError, TooLargeError
from media.tools.limits import PixelLimits
from ml.sampling.pictures import upright
from tests.makers import corners, exif_of, make_image, stored_for
from tests.media.derivers.contexts import Run, run_of


def run(path: Path) -> Run:
    return run_of(path, path.parent / "scratch", with_probe=False)


def test_rows_columns_and_colours(tmp_path: Path) -> None:
    pixels = upright(run(make_image(tmp_path / "a.png", size=(120, 80))), 640)
    assert pixels.shape == (80, 120, 3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, corners())


@pytest.mark.parametrize(("side", "shape"), [(60, (40, 60, 3)), (120, (80, 120, 3)), (4000, (80, 120, 3))])
def test_no_side_is_longer_than_asked_for_and_none_is_enlarged(
    tmp_path: Path, side: int, shape: tuple[int, ...]
) -> None:
    assert upright(run(make_image(tmp_path / "a.png", size=(120, 80))), side).shape == shape


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright_however_the_camera_was_held(tmp_path: Path, orientation: int) -> None:
    stored = stored_for(orientation, corners())
    path = make_image(tmp_path / "a.jpg", stored, exif=exif_of(main={0x0112: orientation}))
    pixels = upright(run(path), 640).astype(int)
    assert pixels.shape == (80, 120, 3)
    assert np.abs(pixels - corners()).mean() < 4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_picture_has_three_colours(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    assert upright(run(make_image(tmp_path / f"a.{suffix}", mode=mode)), 640).shape == (80, 120, 3)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = np.zeros((80, 120, 4), np.uint8)
    assert upright(run(make_image(tmp_path / "a.png", clear, mode="RGBA")), 640).min() == 255


def test_of_a_damaged_picture_the_part_that_is_there(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (400, 600, 3), np.uint8)
    whole = make_image(tmp_path / "whole.jpg", noise).read_bytes()
    (tmp_path / "part.jpg").write_bytes(whole[: len(whole) // 2])
    pixels = upright(run(tmp_path / "part.jpg"), 640)
    assert pixels.shape == (400, 600, 3)
    assert pixels[:100].std() > 50 > pixels[-100:].std()


def test_what_holds_no_picture_is_refused(tmp_path: Path) -> None:
    whole = make_image(tmp_path / "whole.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[:60])
    with pytest.raises(PermanentError):
        upright(run(tmp_path / "a.png"), 640)


def test_the_limits_of_pictures_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_image(tmp_path / "a.png", size=(2000, 1000))
    monkeypatch.setattr(PixelLimits, "from_environment", classmethod(lambda cls: cls(megapixels=1)))
    with pytest.raises(TooLargeError):
        upright(run(path), 640)


@pytest.mark.shared
def test_shared_pictures_of_every_kind(shared_media: Path, tmp_path: Path) -> None:
    seen = 0
    for path in sorted(shared_media.rglob("*")):
        if path.suffix.lower() not in {".jpg", ".png", ".webp", ".heic", ".avif", ".gif", ".tif"}:
            continue
        try:
            pixels = upright(run_of(path, tmp_path / "scratch", with_probe=False), 320)
        except PermanentError:
            continue
        assert pixels.shape[2] == 3
        assert max(pixels.shape) <= 320
        seen += 1
    assert seen > 20
