"""From real bytes to stacks: what phones and cameras write, read by the real derivers, whichever file comes last."""

import itertools
import struct
from pathlib import Path

import pytest

from media.models import File, Library, Stack
from tests.ingesting import run_queued, take_in
from tests.makers import DATE_TAGS, exif_of, make_image, make_video
from tests.media.test_embedded import BURST, CONTENT, apple_note
from tests.rare_makers import make_heic

MAKE, MODEL, MAKER_NOTE = 0x010F, 0x0110, 0x927C
UNREADABLE = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", 0xC612, 1, 4) + b"\1\4\0\0" + bytes(4)
"""Sniffed as DNG; nothing can be read of it."""


def still(path: Path, *, burst: bytes = b"", content: bytes = b"", second: int = 0) -> Path:
    """A picture of an iPhone, which writes HEIC or JPEG."""
    note = apple_note({number: value for number, value in ((0x0B, burst), (0x11, content)) if value})
    facts = {MAKER_NOTE: note, DATE_TAGS["taken"]: f"2024:06:01 12:00:{second:02}"}
    exif = exif_of(main={MAKE: "Apple"}, exif=facts)
    return make_heic(path, exif=exif) if path.suffix == ".heic" else make_image(path, exif=exif)


def film(path: Path) -> Path:
    told = f"com.apple.quicktime.content.identifier={CONTENT.decode()}"
    options = ["-movflags", "use_metadata_tags", "-metadata", told]
    return make_video(path, seconds=0.4, size=(64, 64), audio=False, options=options)


def shot(path: Path, *, model: str = "X100", second: int = 0) -> Path:
    """A picture of a camera; with the suffix .raf inside of a RAW file."""
    taken = {DATE_TAGS["taken"]: f"2024:06:01 12:00:{second:02}"}
    exif = exif_of(main={MAKE: "FUJIFILM", MODEL: model}, exif=taken)
    jpeg = make_image(path.with_suffix(".jpg"), exif=exif).read_bytes()
    if path.suffix == ".raf":
        head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">II", 160, len(jpeg))
        path.write_bytes(head.ljust(160, b"\0") + jpeg)
    return path


def found(library: Library) -> dict[str, object]:
    stack = Stack.objects.shown().get(library=library)
    primary = stack.primary
    return {"kind": stack.kind, "count": stack.count, "first": primary.name if primary else None}


@pytest.mark.parametrize("film_first", [False, True])
@pytest.mark.parametrize("suffix", ["heic", "jpg"])
def test_a_live_photo(suffix: str, film_first: bool, library: Library, tmp_path: Path) -> None:
    picture = still(tmp_path / f"IMG_1.{suffix}", content=CONTENT)
    for path in sorted(
        (picture, film(tmp_path / "IMG_1.mov")), key=lambda one: one is picture, reverse=not film_first
    ):
        take_in(library, path, path.name)
        run_queued()
    assert found(library) == {"kind": "live_photo", "count": 2, "first": picture.name}
    shown = File.objects.get(name=picture.name).original
    assert (shown.mime, shown.content_id) == (f"image/{suffix.replace('jpg', 'jpeg')}", CONTENT.decode())


def test_a_burst(library: Library, tmp_path: Path) -> None:
    for number in (2, 0, 1):
        path = still(tmp_path / f"x{number}.jpg", burst=BURST, second=number)
        take_in(library, path.read_bytes() + bytes([number]), path.name)
        run_queued()
    assert found(library) == {"kind": "burst", "count": 3, "first": "x0.jpg"}


@pytest.mark.parametrize("order", list(itertools.permutations(("IMG_7.RAF", "IMG_7.JPG"))))
def test_a_raw_file_and_its_jpeg(order: tuple[str, str], library: Library, tmp_path: Path) -> None:
    paths = {"IMG_7.RAF": shot(tmp_path / "a.raf"), "IMG_7.JPG": shot(tmp_path / "a.jpg")}
    for name in order:
        take_in(library, paths[name], name)
        run_queued()
    assert File.objects.get(name="IMG_7.RAF").original.camera_model == "X100"
    assert found(library) == {"kind": "raw", "count": 2, "first": "IMG_7.JPG"}


@pytest.mark.parametrize(("model", "second"), [("Z 6", 0), ("X100", 1)])
def test_what_only_shares_its_name_stands_alone(
    model: str, second: int, library: Library, tmp_path: Path
) -> None:
    take_in(library, shot(tmp_path / "a.raf"), "IMG_7.raf")
    take_in(library, shot(tmp_path / "a.jpg", model=model, second=second), "IMG_7.jpg")
    run_queued()
    assert not Stack.objects.exists()
    assert not File.objects.filter(stack__isnull=False).exists()


@pytest.mark.parametrize("order", list(itertools.permutations(("a.dng", "A.JPG"))))
def test_a_raw_file_that_nobody_can_read_still_lies_with_its_jpeg(
    order: tuple[str, str], library: Library, tmp_path: Path
) -> None:
    content = {"a.dng": UNREADABLE, "A.JPG": shot(tmp_path / "a.jpg").read_bytes()}
    for name in order:
        take_in(library, content[name], name)
        run_queued()
    raw = File.objects.get(name="a.dng").original
    assert (raw.mime, raw.probe) == ("image/x-adobe-dng", None)
    assert found(library) == {"kind": "raw", "count": 2, "first": "A.JPG"}
