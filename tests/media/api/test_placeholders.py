"""Every image and poster has a ThumbHash and a colour in lists, before a single picture of it was asked for."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client

from media.models import CachedImage, Derivative, Library
from tests.ingesting import run_queued, take_in
from tests.makers import make_image, make_video, pixels_of
from tests.rare_makers import make_dng, make_heic


def listed(client: Client, library: Library) -> dict[str, dict[str, Any]]:
    entries = client.get(f"/api/libraries/{library.pk}/files").json()["entries"]
    return {entry["name"]: entry for entry in entries}


def holds_placeholder(entry: dict[str, Any]) -> bool:
    hash_ = base64.b64decode(entry["thumbhash"] or "")
    return 5 <= len(hash_) <= 25 and re.fullmatch(r"#[0-9a-f]{6}", entry["color"] or "") is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of each kind that is easily forgotten."""
    clear = np.zeros((40, 60, 4), np.uint8)
    make_image(tmp_path / "clear.png", clear, mode="RGBA")
    make_image(tmp_path / "dot.png", size=(1, 1))
    make_image(tmp_path / "line.png", size=(3000, 1))
    make_image(tmp_path / "grey.jpg", mode="L")
    make_image(tmp_path / "palette.gif", mode="P")
    make_image(tmp_path / "deep.png", np.full((30, 40), 40_000, np.uint16), mode="I;16")
    make_image(tmp_path / "page.pdf", size=(200, 300))
    (tmp_path / "parts").mkdir()
    for made in (make_dng(tmp_path / "parts" / "raw.dng"), make_heic(tmp_path / "parts" / "phone.heic")):
        made.rename(tmp_path / made.name)
    whole = make_image(tmp_path / "whole.jpg", size=(1200, 900)).read_bytes()
    (tmp_path / "partial.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    return tmp_path


@pytest.mark.django_db(transaction=True)
def test_every_kind_of_picture_has_one(library: Library, as_bob: Client, folder: Path) -> None:
    make_video(folder / "walk.mp4", seconds=1)
    for path in sorted(folder.iterdir()):
        if path.is_file():
            take_in(library, path, path.name)
    run_queued(100)
    entries = listed(as_bob, library)
    assert len(entries) == 12
    assert [name for name, entry in entries.items() if not holds_placeholder(entry)] == []
    assert [name for name, entry in entries.items() if not entry["images"]] == []
    assert Derivative.objects.filter(facts__partial=True).count() == 1
    assert not CachedImage.objects.exists(), "Nothing was asked for."


@pytest.mark.django_db(transaction=True)
@pytest.mark.shared
def test_what_cameras_and_telephones_make_has_one(
    library: Library, as_bob: Client, shared_media: Path
) -> None:
    names = ("formats/still_photo_small.heic", "color/iphonexs_display_p3.avif", "color/cmyk_noicc.jpg")
    for name in (*names, "formats/8bit-sRGB.jxl", "color/lab.tif", "video/hdr10_hevc.mp4"):
        take_in(library, shared_media / name, Path(name).name)
    run_queued(100)
    entries = listed(as_bob, library)
    assert len(entries) == 6
    assert [name for name, entry in entries.items() if not holds_placeholder(entry)] == []


def test_the_colour_is_of_the_picture(library: Library, as_bob: Client, tmp_path: Path) -> None:
    pixels = np.full((90, 120, 3), (200, 60, 20), np.uint8)
    pixels[:20, :20] = (0, 0, 255)
    take_in(library, make_image(tmp_path / "a.png", pixels), "a.png")
    run_queued()
    told = listed(as_bob, library)["a.png"]["color"]
    assert told == "#c83c14"
    assert tuple(int(told[at : at + 2], 16) for at in (1, 3, 5)) == tuple(
        pixels_of(tmp_path / "a.png")[50, 50]
    )


def test_what_cannot_be_seen_has_none(library: Library, as_bob: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words " * 100)
    take_in(library, tmp_path / "a.txt", "a.txt")
    take_in(library, make_image(tmp_path / "b.png", size=(400, 300)).read_bytes()[:60], "broken.png")
    run_queued()
    for entry in listed(as_bob, library).values():
        assert (entry["thumbhash"], entry["color"]) == (None, None)
