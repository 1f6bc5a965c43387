"""Pictures for tests of the image proxy: made small, stored as a person's file."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from media.images.recipes import Recipe
from media.models import File, Library
from media.pictures import Picture, find_picture
from tests.ingesting import take_in
from tests.makers import make_image

SMALL = Recipe(width=32, quality=70)
"""No size of the registry."""


def put_picture(library: Library, folder: Path, name: str = "a.jpg", **options: Any) -> File:
    """A JPEG of 120 x 80 pixels, or what `options` ask for."""
    return take_in(library, make_image(folder / name, **options), name).file


def picture_of(file: File) -> Picture:
    found = find_picture(file, ())
    assert found is not None
    return found


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(content)) as image:
        return image.size
