"""What is mutated: the real media that may lie beside the clone, else small ones of our own making."""

from pathlib import Path

from tests.makers import corners, make_image, make_tone, make_video

SHARED = Path(__file__).resolve().parents[3] / "shared" / "media"
SUFFIXES = ("jpg", "png", "webp", "gif", "tif", "avif", "bmp", "jp2", "ico", "tga")


def find_sources(folder: Path) -> list[Path]:
    """Files to begin from, always in the same order. `folder` is for those that have to be made."""
    if SHARED.is_dir():
        return sorted(path for path in SHARED.rglob("*") if path.is_file())
    folder.mkdir(exist_ok=True)
    return sorted(make_own(folder))


def make_own(folder: Path) -> list[Path]:
    pictures = [make_image(folder / f"a.{suffix}", corners(64, 48)) for suffix in SUFFIXES]
    streams = [make_video(folder / f"a.{suffix}", seconds=0.4, size=(64, 48)) for suffix in ("mp4", "mkv")]
    sounds = [make_tone(folder / f"a.{suffix}", seconds=0.4) for suffix in ("wav", "mp3", "flac")]
    return [*pictures, *streams, *sounds]
