"""Several sizes of one decode: as sharp as made directly, the right sizes, turned as a person asked."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.images import transform
from media.images.decoded import Box
from media.images.recipes import Recipe
from media.images.variants import resolve_all
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, corners, exif_of, make_image, stored_for
from tests.media.images.delta_e import delta_e, psnr

ENDLESS = 1_000_000


def detailed(width: int, height: int) -> Pixels:
    """Fine rings, lines, edges and noise: whatever loses sharpness shows it here."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rings = 127 + 120 * np.cos((x**2 + y**2) / 9000)
    lines = np.where((x // 7 + y // 11) % 2 > 0, 230.0, 20.0)
    noise = np.random.default_rng(4).normal(128, 40, (height, width))
    return np.stack((rings, lines, noise), axis=-1).clip(0, 255).astype(np.uint8)


def pixels_in(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def made(path: Path, recipes: list[Recipe], rotation: int = 0) -> dict[Recipe, Pixels]:
    found = transform.generate(path, "image/jpeg", recipes, PixelLimits(), rotation=rotation)
    return {recipe: pixels_in(content) for recipe, content in found}


def lossless(recipe: Recipe) -> Recipe:
    """The same size without the encoder's own loss."""
    return Recipe(recipe.width, recipe.height, 100, "png")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("photo") / "a.jpg", detailed(4000, 3000), quality=92)


def test_every_variant_from_one_decode_is_as_good_as_made_alone(photo: Path) -> None:
    recipes = [lossless(recipe) for recipe in resolve_all(4000, 3000).values()]
    together = made(photo, recipes)
    with Image.open(photo) as image:
        best = {one: image.resize(together[one].shape[1::-1], Image.Resampling.LANCZOS) for one in recipes}
    for recipe in recipes:
        [alone] = made(photo, [recipe]).values()
        assert together[recipe].shape == alone.shape
        # Against a resize of all pixels by another program, the picture of the ladder is no worse.
        ideal = np.asarray(best[recipe])
        assert psnr(together[recipe], ideal) > psnr(alone, ideal) - 1.0
        assert delta_e(together[recipe], ideal).mean() < delta_e(alone, ideal).mean() + 0.3


def test_the_kernel_is_no_worse_than_linear(photo: Path) -> None:
    recipe = Recipe(720, 720, 100, "png")
    [found] = made(photo, [recipe]).values()
    with Image.open(photo) as image:
        ideal = np.asarray(image.resize(found.shape[1::-1], Image.Resampling.LANCZOS))
        linear = np.asarray(image.resize(found.shape[1::-1], Image.Resampling.BILINEAR))
    assert psnr(found, ideal) > psnr(linear, ideal) - 3
    assert psnr(found, ideal) > 25


def test_the_source_of_a_size_is_near_but_sharp() -> None:
    images = [vips.from_pixels(bytes(side * side * 3), side, side, 3) for side in (1000, 480, 240)]
    assert transform.nearest(images, Box(120, 120)) is images[2]
    assert transform.nearest(images, Box(121, 121)) is images[1]
    assert transform.nearest(images, Box(300, 300)) is images[0]
    assert transform.nearest(images, Box(5000, 5000)) is images[0]


def test_largest_first_and_never_larger_than_the_source(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg", size=(300, 200))
    recipes = [Recipe(80, 80), Recipe(4096, 4096), Recipe(None, 100), Recipe(240, None, format="png")]
    found = list(transform.generate(path, "image/jpeg", recipes, PixelLimits()))
    sizes = [pixels_in(content).shape[1::-1] for _, content in found]
    assert sizes == [(300, 200), (240, 160), (150, 100), (80, 53)]
    assert {recipe for recipe, _ in found} == set(recipes)


def test_nothing_wanted_costs_nothing(tmp_path: Path) -> None:
    assert list(transform.generate(tmp_path / "absent.jpg", "image/jpeg", [], PixelLimits())) == []


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_turn_comes_after_the_orientation(tmp_path: Path, rotation: int, orientation: int) -> None:
    upright = corners(240, 160)
    tags = exif_of(main={0x0112: orientation})
    path = make_image(tmp_path / "a.jpg", stored_for(orientation, upright), exif=tags)
    expected = np.rot90(upright, -rotation // 90)
    box = Box(expected.shape[1], expected.shape[0])
    decoded = transform.decode(path, "image/jpeg", box, PixelLimits(), rotation=rotation)
    found = np.frombuffer(vips.pixels_of(decoded.image), dtype=np.uint8).reshape(expected.shape)
    assert np.abs(found.astype(int) - expected).mean() < 4
    narrow = transform.decode(path, "image/jpeg", Box(100, 1000), PixelLimits(), rotation=rotation)
    assert narrow.size[0] == 100


def test_two_recipes_of_one_size_are_both_made(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.jpg", size=(300, 200))
    recipes = [Recipe(100, 100, 40), Recipe(100, 100, 90), Recipe(100, 100, 90, "webp")]
    found = dict(transform.generate(path, "image/jpeg", recipes, PixelLimits()))
    assert len(found[recipes[0]]) < len(found[recipes[1]])
    assert found[recipes[2]][8:12] == b"WEBP"


@pytest.mark.parametrize(
    "box",
    [
        *(
            (side, ENDLESS)
            for side in (1, 160, 249, 250, 251, 333, 499, 500, 501, 720, 999, 1000, 1001, 1999)
        ),
        *((2000, 1499), (2000, 1500), (2000, 1501), (3999, 3000), (4000, 3000), (5000, 5000)),
        *((ENDLESS, 187), (ENDLESS, 188), (720, 720), (720, 300), (300, 720)),
    ],
)
def test_a_photo_that_is_streamed_is_what_libvips_makes_of_it_by_itself(
    photo: Path, box: tuple[int, int]
) -> None:
    header, source = vips.open_photo(photo)
    ours = vips.open_shrunk(source, header, *box)
    theirs = vips.open_thumbnail(photo, *box, strict=True, profiled=False)
    assert (ours.width, ours.height) == (theirs.width, theirs.height)
    assert ours.write_to_memory() == theirs.write_to_memory()
