"""Animated GIF and WebP: frames, delays, loop and disposal kept in WebP; the first frame everywhere else."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from media.images import transform
from media.images.recipes import Format, Recipe
from media.sniffing import sniff_path
from media.tools import vips
from media.tools.vips import PixelLimits
from tests.makers import Pixels, exif_of

COLORS = ((250, 0, 0), (0, 200, 0), (0, 0, 250), (240, 240, 0))
SIZE = (240, 160)
DELAYS = [50, 120, 300, 80]


def make_animation(path: Path, size: tuple[int, int] = (60, 40), **options: Any) -> Path:
    """Four frames of one colour, each with a white square that moves to the right."""
    frames = []
    for number, color in enumerate(COLORS):
        frame = Image.new("RGB", size, color)
        frame.paste((255, 255, 255), (10 * number, 10, 10 * number + 10, 20))
        frames.append(frame)
    settings: dict[str, Any] = {"duration": DELAYS, "loop": 3, "quality": 95} | options
    frames[0].save(path, save_all=True, append_images=frames[1:], **settings)
    return path


def made(path: Path, recipe: Recipe, limits: PixelLimits | None = None, rotation: int = 0) -> bytes:
    mime = sniff_path(path).mime
    [(_, content)] = transform.generate(path, mime, [recipe], limits or PixelLimits(), rotation=rotation)
    return content


def webp(width: int | None = None, height: int | None = None, quality: int = 100) -> Recipe:
    return Recipe(width, height, quality, "webp")


def frames_of(content: bytes | Path) -> list[Pixels]:
    source = io.BytesIO(content) if isinstance(content, bytes) else content
    with Image.open(source) as image:
        return [np.asarray(frame.convert("RGBA")) for frame in ImageSequence.Iterator(image)]


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """The parts of a WebP file."""
    found, position = [], 12
    while position < len(content):
        name, length = struct.unpack("<4sI", content[position : position + 8])
        found.append((name, content[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return found


def timing_of(content: bytes) -> tuple[int, list[int]]:
    """How often it plays and the delays in ms, from the chunks ANIM and ANMF."""
    chunks = chunks_of(content)
    [loop] = [struct.unpack("<H", body[4:6])[0] for name, body in chunks if name == b"ANIM"]
    return loop, [int.from_bytes(body[12:15], "little") for name, body in chunks if name == b"ANMF"]


def array_of(image: vips.Image) -> Pixels:
    pixels = np.frombuffer(vips.pixels_of(image), dtype=np.uint8).reshape(
        image.height, image.width, image.bands
    )
    return pixels if image.bands == 4 else np.dstack((pixels, np.full(pixels.shape[:2], 255, dtype=np.uint8)))


def visible(frame: Pixels) -> Pixels:
    """On black, so that the colour of what is transparent does not count."""
    return np.asarray(frame[..., :3].astype(int) * frame[..., 3:] // 255)


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_frames_delays_and_loop_are_kept(tmp_path: Path, suffix: str) -> None:
    content = made(make_animation(tmp_path / f"a.{suffix}"), webp(30, 30))
    frames = frames_of(content)
    assert [frame.shape for frame in frames] == [(20, 30, 4)] * 4
    for frame, color in zip(frames, COLORS, strict=True):
        assert np.abs(frame[17, 25, :3].astype(int) - color).max() < 30
    loop, delays = timing_of(content)
    assert delays == DELAYS
    assert loop in {3, 4}  # GIF counts repetitions, WebP counts plays.


@pytest.mark.parametrize("format_", ["jpeg", "avif", "png"])
def test_other_formats_get_the_first_frame(tmp_path: Path, format_: Format) -> None:
    content = made(make_animation(tmp_path / "a.gif"), Recipe(30, 30, 90, format_))
    [frame] = frames_of(content)
    assert frame.shape == (20, 30, 4)
    assert np.abs(frame[17, 25, :3].astype(int) - COLORS[0]).max() < 30


def test_the_edge_of_one_frame_does_not_bleed_into_the_next(tmp_path: Path) -> None:
    black, white = (Image.new("RGB", (64, 64), shade) for shade in ("black", "white"))
    black.save(tmp_path / "a.gif", save_all=True, append_images=[white, black, white], duration=50)
    for number, frame in enumerate(frames_of(made(tmp_path / "a.gif", webp(7, 7)))):
        assert np.abs(frame[..., :3].astype(int) - (255 if number % 2 else 0)).max() <= 2


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_every_way_of_disposal_looks_as_in_another_decoder(tmp_path: Path, disposal: int) -> None:
    frames = []
    for number in range(4):
        frame = Image.new("RGBA", SIZE, (0, 0, 0, 0))
        frame.paste((*COLORS[number], 255), (48 * number, 20, 48 * number + 64, 120))
        frames.append(frame)
    frames[0].save(
        tmp_path / "a.gif",
        save_all=True,
        append_images=frames[1:],
        duration=60,
        disposal=disposal,
        optimize=False,
    )
    expected = frames_of(tmp_path / "a.gif")
    (tmp_path / "out.webp").write_bytes(made(tmp_path / "a.gif", webp()))
    # Not by Pillow: it knows no alpha in a WebP whose frames are opaque and only what is around them is not.
    found = [array_of(frame) for frame in vips.load_frames(tmp_path / "out.webp", *SIZE, profiled=False)[0]]
    assert len(found) == len(expected) == 4
    for left, right in zip(found, expected, strict=True):
        assert np.abs(visible(left).astype(int) - visible(right)).mean() < 4
        assert np.abs(left[..., 3].astype(int) - right[..., 3]).mean() < 1


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turn_turns_every_frame(tmp_path: Path, rotation: int) -> None:
    path = make_animation(tmp_path / "a.webp")
    expected = [np.rot90(frame, -rotation // 90) for frame in frames_of(path)]
    found = frames_of(made(path, webp(), rotation=rotation))
    for left, right in zip(found, expected, strict=True):
        assert np.abs(visible(left).astype(int) - visible(right)).mean() < 6


def test_an_animated_webp_on_its_side_is_upright(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "a.webp", exif=exif_of(main={0x0112: 6}))
    frames = frames_of(made(path, webp(20, 30)))
    assert [frame.shape for frame in frames] == [(30, 20, 4)] * 4
    assert made(path, webp(20, 30)).find(b"Exif") == -1


def test_several_sizes_of_an_animation(tmp_path: Path) -> None:
    recipes = [webp(30, 30), webp(10, 10), Recipe(50, 50, 80, "jpeg"), Recipe(20, 20, 80, "png")]
    path = make_animation(tmp_path / "a.gif")
    found = dict(transform.generate(path, "image/gif", recipes, PixelLimits()))
    assert {one.text: len(frames_of(content)) for one, content in found.items()} == {
        "w30-h30-q100.webp": 4,
        "w10-h10-q100.webp": 4,
        "w50-h50-q80.jpeg": 1,
        "w20-h20-q80.png": 1,
    }
    assert frames_of(found[recipes[2]])[0].shape == (33, 50, 4)


@pytest.mark.parametrize(
    "limits",
    [PixelLimits(animation_megapixels=0.009), PixelLimits(animation_frames=3), PixelLimits(frames=4)],
)
def test_too_much_of_it_as_a_whole_gives_the_first_frame(tmp_path: Path, limits: PixelLimits) -> None:
    frames = frames_of(made(make_animation(tmp_path / "a.gif"), webp(30, 30), limits))
    assert len(frames) == (4 if limits.frames == 4 else 1)
    assert np.abs(frames[0][17, 25, :3].astype(int) - COLORS[0]).max() < 30


def test_a_cut_animation_gives_what_is_there(tmp_path: Path) -> None:
    noise = np.random.default_rng(3)
    frames = [Image.fromarray(noise.integers(0, 255, (80, 100), dtype=np.uint8)) for _ in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    whole = (tmp_path / "a.gif").read_bytes()
    expected = frames_of(tmp_path / "a.gif")
    for percent, most in ((70, 4), (30, 2)):
        (tmp_path / "cut").write_bytes(whole[: len(whole) * percent // 100])
        found = frames_of(made(tmp_path / "cut", webp()))
        assert most - 1 <= len(found) <= most
        assert np.abs(found[0].astype(int) - expected[0]).mean() < 10


def test_a_still_gif_and_a_still_webp_stay_still(tmp_path: Path) -> None:
    for suffix in ("gif", "webp"):
        Image.new("RGB", (30, 20), "red").save(tmp_path / f"a.{suffix}")
        content = made(tmp_path / f"a.{suffix}", webp())
        assert b"ANIM" not in [name for name, _ in chunks_of(content)]
        assert len(frames_of(content)) == 1


def test_an_animated_png_is_shown_by_its_first_frame(tmp_path: Path) -> None:
    path = make_animation(tmp_path / "a.png")
    assert sniff_path(path).mime == "image/apng"
    [frame] = frames_of(made(path, webp()))
    assert np.abs(frame[35, 55, :3].astype(int) - COLORS[0]).max() < 30


SHARED = [
    ("formats/animated.gif", (200, 133), 8, [100] * 8),
    ("formats/animated.webp", (200, 133), 8, [100] * 8),
    ("formats/animated_2frames.gif", (100, 100), 2, [1000] * 2),
    ("formats/animated_dispose_background.gif", (192, 168), 3, [500] * 3),
    ("corrupt/big-height.webp", (13, 169), 99, None),
]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "size", "count", "delays"), SHARED, ids=[row[0] for row in SHARED])
def test_shared_animations(
    shared_media: Path, name: str, size: tuple[int, int], count: int, delays: list[int] | None
) -> None:
    content = made(shared_media / name, webp())
    found, expected = frames_of(content), frames_of(shared_media / name)
    assert (len(found), found[0].shape[1::-1]) == (count, size)
    assert delays is None or timing_of(content)[1] == delays
    for left, right in zip(found, expected, strict=True):
        assert np.abs(visible(left).astype(int) - visible(right)).mean() < 4
