"""What is mutated: the real media that may lie beside the clone, and small ones of our own making of every format."""

from pathlib import Path

from tests.makers import corners, make_image, make_tone, make_video
from tests.rare_makers import make_dng, make_heic, make_jxl, make_pdf, make_psd

SHARED = Path(__file__).resolve().parents[3] / "shared" / "media"
SUFFIXES = ("jpg", "png", "webp", "gif", "tif", "avif", "bmp", "jp2", "ico", "tga")
FILMS = ("mp4", "mov", "mkv", "avi", "ts", "mpg", "flv", "asf")
SOUNDS = ("wav", "mp3", "flac", "ogg", "m4a", "aiff", "aac", "caf")
SMALL = 512 * 1024
OFTEN = 4
"""Formats whose decoders are rarely met are begun from more often."""


def find_sources(folder: Path) -> list[Path]:
    """Files to begin from, always in the same order. `folder` is for those that have to be made."""
    folder.mkdir(exist_ok=True)
    shared = sorted(path for path in SHARED.rglob("*") if path.is_file())
    return [*shared, *make_own(folder), *make_rare(folder) * OFTEN]


def find_films(folder: Path) -> list[Path]:
    """The same of films and recordings alone: short ones, because much is made of each."""
    folder.mkdir(exist_ok=True)
    shared = sorted(path for kind in ("video", "audio") for path in (SHARED / kind).glob("*"))
    return [*(path for path in shared if path.stat().st_size <= SMALL), *make_films(folder) * OFTEN]


def make_films(folder: Path) -> list[Path]:
    films = [make_video(folder / f"a.{suffix}", seconds=0.6, size=(64, 48)) for suffix in FILMS]
    sounds = [make_tone(folder / f"a.{suffix}", seconds=0.6) for suffix in SOUNDS]
    return [*films, *sounds]


def make_own(folder: Path) -> list[Path]:
    pictures = [make_image(folder / f"a.{suffix}", corners(64, 48)) for suffix in SUFFIXES]
    streams = [make_video(folder / f"a.{suffix}", seconds=0.4, size=(64, 48)) for suffix in ("mp4", "mkv")]
    sounds = [make_tone(folder / f"a.{suffix}", seconds=0.4) for suffix in ("wav", "mp3", "flac")]
    return [*pictures, *streams, *sounds]


def make_rare(folder: Path) -> list[Path]:
    jpeg = make_image(folder / "preview.jpg", corners(64, 48)).read_bytes()
    planes = [corners(64, 48)[:, :, band] for band in range(3)]
    made = [
        make_dng(folder / "a.dng"),
        make_dng(folder / "with-preview.dng", preview=jpeg),
        make_heic(folder / "a.heic"),
        make_psd(folder / "a.psd", planes),
        make_pdf(folder / "a.pdf"),
    ]
    make_jxl(folder / "a.jxl", make_image(folder / "jxl.png", corners(64, 48)))
    return [*made, folder / "a.jxl"]
