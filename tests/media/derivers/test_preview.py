from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.derivers.preview import PreviewDeriver
from media.errors import RunAbandonedError, TooLargeError, UnsupportedTypeError
from media.subject import Subject
from tests.makers import exif_of, make_image, make_png, pixels_of, stored_for
from tests.media.derivers.contexts import derive, run_of
from tests.rare_makers import make_pdf


def test_pictures_are_accepted() -> None:
    deriver = PreviewDeriver()
    assert deriver.accepts(Subject("image", "image/png", 1))
    assert deriver.accepts(Subject("other", "application/pdf", 1))
    assert not deriver.accepts(Subject("other", "image/svg+xml", 1))
    assert not deriver.accepts(Subject("video", "video/mp4", 1))


def test_a_large_photo_gives_two_sizes_and_a_placeholder(tmp_path: Path) -> None:
    tags = exif_of(main={0x0112: 6})
    upright = np.full((1600, 2400, 3), (200, 40, 40), dtype=np.uint8)
    source = make_image(tmp_path / "a.jpg", stored_for(6, upright), exif=tags)
    result = derive(PreviewDeriver(), source, tmp_path / "scratch")
    assert [(output.name, output.content_type) for output in result.outputs] == [
        ("preview.webp", "image/webp"),
        ("thumb.webp", "image/webp"),
    ]
    assert pixels_of(result.outputs[0].path).shape == (1080, 1620, 3)
    assert pixels_of(result.outputs[1].path).shape == (320, 480, 3)
    assert (result.facts["width"], result.facts["height"]) == (1620, 1080)
    assert (result.facts["thumb_width"], result.facts["thumb_height"]) == (480, 320)
    assert result.facts["color"] == "#c82828"
    assert "partial" not in result.facts


def test_a_small_picture_keeps_its_size(tmp_path: Path) -> None:
    result = derive(PreviewDeriver(), make_image(tmp_path / "a.png", size=(50, 40)), tmp_path / "scratch")
    assert {pixels_of(output.path).shape for output in result.outputs} == {(40, 50, 3)}


def test_a_cut_photo_is_marked(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    whole = make_image(tmp_path / "a.jpg", noise).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    assert derive(PreviewDeriver(), tmp_path / "cut.jpg", tmp_path / "scratch").facts["partial"] is True


def test_the_preview_of_an_animation_moves_and_its_thumbnail_does_not(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (600, 400), color) for color in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=70)
    result = derive(PreviewDeriver(), tmp_path / "a.gif", tmp_path / "scratch")
    assert (result.facts["frames"], result.facts["color"]) == (3, "#ff0000")
    with Image.open(result.outputs[0].path) as preview, Image.open(result.outputs[1].path) as thumb:
        assert (getattr(preview, "n_frames", 1), preview.size) == (3, (600, 400))
        assert (getattr(thumb, "n_frames", 1), thumb.size) == (1, (480, 320))


def test_a_bomb_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    run = run_of(make_png(tmp_path / "a.png", 30_000, 30_000), tmp_path / "scratch")
    with pytest.raises(TooLargeError):
        PreviewDeriver().derive(run)
    assert list(run.scratch.iterdir()) == []


def test_a_picture_nobody_here_can_decode(tmp_path: Path) -> None:
    run = run_of(make_image(tmp_path / "a.jpg"), tmp_path / "scratch")
    run.subject = Subject("image", "image/x-adobe-dng", 1)
    with pytest.raises(UnsupportedTypeError):
        PreviewDeriver().derive(run)


def test_an_abandoned_run_stops(tmp_path: Path) -> None:
    with pytest.raises(RunAbandonedError):
        PreviewDeriver().derive(
            run_of(make_image(tmp_path / "a.jpg"), tmp_path / "scratch", stop=lambda: True)
        )


def test_the_first_page_of_a_document(tmp_path: Path) -> None:
    result = derive(PreviewDeriver(), make_pdf(tmp_path / "a.pdf"), tmp_path / "scratch")
    assert (result.facts["width"], result.facts["thumb_width"]) == (834, 480)
    left, right = (pixels_of(result.outputs[0].path)[200, column] for column in (200, 600))
    assert left.tolist() == pytest.approx([254, 0, 0], abs=6)
    assert right.tolist() == [255, 255, 255]
