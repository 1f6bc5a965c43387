"""Pictures of which the tiny model knows something, the model itself, and files in a library that is searched."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from media.models import File, Library
from ml.downloads import ready
from ml.search import encoders, queries
from ml.search.encoders import Encoder
from tests.ingesting import run_queued, take_in
from tests.ml.graphs import search as tiny
from tests.ml.hosts import use

Pixels = NDArray[np.uint8]


@pytest.fixture
def tiny_search(settings: Any, tmp_path: Path) -> Path:
    """The tiny model as if it had been fetched, and the default."""
    folder = tiny.write(tmp_path / "models")
    use(settings, folder, "tests.ml.graphs.search.MODELS")
    return folder


@pytest.fixture
def searched(library: Library, settings: Any) -> Library:
    """Alice's library with the switch on; of what is made of files only what search needs."""
    names = ("metadata", "embedding")
    settings.DERIVERS = {name: path for name, path in settings.DERIVERS.items() if name in names}
    library.semantic = True
    library.save()
    return library


def drawing(seed: int, size: tuple[int, int] = (240, 160)) -> Pixels:
    """Grey spots, other ones for each seed; width and height."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 12), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))
    return np.repeat(grey[:, :, None], 3, axis=2)


def tinted(color: str, seed: int = 1) -> Pixels:
    """The same in light and dark of one colour."""
    pixels = drawing(seed)
    keep = tiny.COLORS.index(color)
    pixels[:, :, [band for band in range(3) if band != keep]] //= 8
    pixels[:, :, keep] = np.maximum(pixels[:, :, keep], 128)
    return pixels


def saved(pixels: Pixels, path: Path, size: tuple[int, int] | None = None, **options: Any) -> Path:
    image = Image.fromarray(pixels)
    (image.resize(size, Image.Resampling.LANCZOS) if size else image).save(path, **options)
    return path


def know(*texts: str, **others: str) -> None:
    """As if somebody had searched for these texts before; each of `others` as if it meant what its text means."""
    found = ready("search")
    for text, meant in {**{text: text for text in texts}, **others}.items():
        told = Encoder(found).text(meant).astype("<f4").tobytes()
        queries.client().set(queries.kept_key(found.spec.id, encoders.clean(found.spec, text)), told)


def put(library: Library, path: Path, name: str = "") -> File:
    """Taken in, and all that is queued is done."""
    file: File = take_in(library, path, name or path.name).file
    run_queued()
    return file
