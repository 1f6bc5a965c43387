"""What the demo library is filled with: drawn landscapes, films that pan over them, synthesised sounds.

Everything comes from a seed and a palette, so the same version draws the same bytes and the demo is never doubled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from media.tools import ffmpeg, graphs

Colour: TypeAlias = tuple[int, int, int]
TIMEOUT: Final = 120.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A sky from top to horizon, ridges from far to near, a sun or moon, perhaps stars."""

    seed: int
    size: tuple[int, int]
    sky: tuple[Colour, Colour]
    ridges: tuple[Colour, Colour]
    sun: tuple[float, float, float, Colour]
    """Across, down, radius (shares of the picture), colour."""
    count: int = 6
    stars: int = 0
    roughness: float = 1.0


DUSK: Final = Scene(
    3,
    (2400, 1600),
    ((46, 38, 99), (255, 158, 110)),
    ((196, 109, 120), (38, 25, 56)),
    (0.68, 0.5, 0.07, (255, 226, 170)),
)
NIGHT: Final = Scene(
    8,
    (2400, 1500),
    ((9, 12, 36), (48, 62, 118)),
    ((44, 58, 104), (7, 9, 22)),
    (0.24, 0.22, 0.05, (240, 242, 255)),
    stars=420,
)
MORNING: Final = Scene(
    21,
    (2400, 1600),
    ((126, 190, 226), (252, 240, 214)),
    ((160, 196, 204), (28, 84, 82)),
    (0.3, 0.38, 0.05, (255, 250, 226)),
    count=8,
)
DESERT: Final = Scene(
    34,
    (2600, 1300),
    ((82, 148, 190), (250, 222, 176)),
    ((236, 178, 118), (140, 66, 40)),
    (0.8, 0.3, 0.06, (255, 244, 210)),
    5,
    roughness=0.4,
)
FOREST: Final = Scene(
    55,
    (1500, 2000),
    ((168, 206, 190), (238, 244, 222)),
    ((136, 178, 150), (18, 52, 40)),
    (0.5, 0.26, 0.08, (255, 253, 236)),
    9,
    roughness=1.5,
)
AURORA: Final = Scene(
    89,
    (2000, 2000),
    ((10, 18, 48), (46, 168, 140)),
    ((28, 84, 96), (6, 14, 26)),
    (0.75, 0.16, 0.03, (220, 255, 240)),
    stars=300,
)


def draw(scene: Scene) -> Image.Image:
    """The whole picture, in the order of distance."""
    random = np.random.default_rng(scene.seed)
    width, height = scene.size
    image = Image.fromarray(gradient(scene.sky, width, height))
    pen = ImageDraw.Draw(image)
    for x, y, bright in random.random((scene.stars, 3)):
        radius = 0.5 + 2.2 * bright**4
        pen.ellipse(
            around(x * width, y * height * 0.6, radius),
            fill=mix(scene.sky[0], (255, 255, 255), 0.3 + 0.7 * bright),
        )
    shine(image, scene)
    pen = ImageDraw.Draw(image)
    for number in range(scene.count):
        share = number / max(1, scene.count - 1)
        line = ridge(random, width, scene.roughness * (0.35 + share)) * height * 0.16
        base = height * (0.5 + 0.42 * share)
        points = [(x, base + float(line[x])) for x in range(0, width, 2)]
        pen.polygon(
            [(0, height), *points, (width, float(points[-1][1])), (width, height)],
            fill=mix(*scene.ridges, share),
        )
    return image


def gradient(colours: tuple[Colour, Colour], width: int, height: int) -> NDArray[np.uint8]:
    """Smooth from the top to two thirds down, with a little grain against banding."""
    share = np.clip(np.linspace(0, 1.5, height), 0, 1)[:, None, None] ** 1.2
    plain = np.array(colours[0]) * (1 - share) + np.array(colours[1]) * share
    grain = np.random.default_rng(1).normal(0, 1.2, (height, width, 1))
    return np.clip(plain + grain, 0, 255).astype(np.uint8)


def shine(image: Image.Image, scene: Scene) -> None:
    width, height = scene.size
    across, down, radius, colour = scene.sun
    glow = Image.new("L", (width // 8, height // 8))
    place = (across * width / 8, down * height / 8)
    ImageDraw.Draw(glow).ellipse(around(*place, radius * height / 3), fill=150)
    glow = glow.filter(ImageFilter.GaussianBlur(radius * height / 6)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    image.paste(Image.new("RGB", (width, height), colour), (0, 0), glow)
    ImageDraw.Draw(image).ellipse(around(across * width, down * height, radius * height), fill=colour)


def ridge(random: np.random.Generator, width: int, roughness: float) -> NDArray[np.float64]:
    """Sums of waves whose strength falls with their pitch: hills up close, mountains far away."""
    places = np.linspace(0, 1, width)
    line = np.zeros(width)
    for octave in range(1, 9):
        pitch, phase = 1.7**octave, random.random() * 2 * np.pi
        line += np.sin(2 * np.pi * pitch * places * 0.6 + phase) * roughness ** min(octave, 3) / pitch**0.95
    return line


def around(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return (x - radius, y - radius, x + radius, y + radius)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def picture(scene: Scene, taken: str = "") -> Callable[[Path], None]:
    """Draws and saves, by the suffix; `taken` goes into the EXIF of a JPEG."""

    def make(path: Path) -> None:
        options: dict[str, Any] = {"quality": 90}
        if taken:
            exif = Image.Exif()
            exif[0x010F], exif[0x0110] = "Alcoves", "Drawn by itself"
            exif.get_ifd(0x8769)[0x9003] = taken
            options["exif"] = exif
        draw(scene).save(path, **options)

    return make


def film(scene: Scene, size: tuple[int, int], seconds: int, *, sound: str = "") -> Callable[[Path], None]:
    """A slow pan over a drawn picture."""

    def make(path: Path) -> None:
        still = path.with_suffix(".png")
        draw(scene).save(still, compress_level=1)
        window = (f"0.8*min(iw,ih*{size[0]}/{size[1]})", f"0.8*min(ih,iw*{size[1]}/{size[0]})")
        landscape = graphs.open_input(still, "png_pipe", "-loop", "1", "-framerate", "25").track("v")
        pan = landscape.filter("crop", *window, f"(iw-ow)*t/{seconds}", "(ih-oh)/2")
        tracks = [
            pan.chain(f"scale={size[0]}:{size[1]},setsar=1"),
            *([tone(sound, seconds)] if sound else []),
        ]
        encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "24", "-pix_fmt", "yuv420p")
        spoken = ("-c:a", "aac", "-b:a", "96k") if sound else ()
        options = (*encoder, *spoken, "-t", str(seconds), "-movflags", "+faststart")
        ffmpeg.run(graphs.arguments(graphs.write(path, *tracks, options=options)), timeout=TIMEOUT)

    return make


def tone(formula: str, seconds: int) -> graphs.Track:
    return graphs.generate(f"aevalsrc='{formula}':s=44100:d={seconds}").track("a")


def sound(formula: str, seconds: int, *codec: str) -> Callable[[Path], None]:
    """A tone by formula, in whatever the suffix says."""

    def make(path: Path) -> None:
        written = graphs.write(path, tone(formula, seconds), options=(*codec, "-fflags", "+bitexact"))
        ffmpeg.run(graphs.arguments(written), timeout=TIMEOUT)

    return make


def plucked(*tones: float, every: float = 0.5) -> str:
    """Strings plucked in turn: each tone fades until it is plucked again, and the whole swells slowly."""
    parts = [
        f"0.8/{len(tones)}*sin(2*PI*{tone}*t)*exp(-3*mod(t+{number * every / len(tones)},{every}))"
        for number, tone in enumerate(tones)
    ]
    return f"({'+'.join(parts)})*(0.35+0.65*abs(sin(PI*t/7)))"


PIECES: Final[dict[str, Callable[[Path], None]]] = {
    "Dusk over the hills.jpg": picture(DUSK, "2024:08:17 20:41:09"),
    "Night walk.jpg": picture(NIGHT, "2024:11:02 22:15:40"),
    "First light.jpg": picture(MORNING, "2025:04:05 06:52:13"),
    "Desert road.webp": picture(DESERT),
    "Misty forest.jpg": picture(FOREST, "2025:05:21 09:30:00"),
    "Northern lights.png": picture(AURORA),
    "Across the valley.mp4": film(MORNING, (1280, 720), 9, sound=plucked(220, 277.2, 329.6, every=0.9)),
    "Evening stroll (portrait).mp4": film(DUSK, (720, 1280), 7, sound=plucked(164.8, 246.9, every=0.7)),
    "Stars (silent).mov": film(NIGHT, (1280, 720), 6),
    "Guitar sketch.flac": sound(plucked(196, 246.9, 293.7, 392, every=0.6), 24),
    "Idea in C.mp3": sound(plucked(261.6, 329.6, 392, every=1.1), 38, "-b:a", "96k"),
}
