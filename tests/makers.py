"""Small media made by the tests themselves: drawn with numpy and Pillow, filmed by ffmpeg's sources."""

import struct
import wave
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media.tools import ffmpeg

Pixels = NDArray[np.uint8]

DATE_TAGS = {"taken": 0x9003, "digitized": 0x9004, "offset": 0x9011, "fraction": 0x9291}


def make_video(
    path: Path,
    *,
    seconds: float = 2.0,
    size: tuple[int, int] = (320, 180),
    audio: bool = True,
    codec: str = "libx264",
    rate: int = 25,
    source: str = "",
    options: Sequence[str] = (),
) -> Path:
    """A moving test picture with a tone. `source` names another lavfi graph for the picture."""
    picture = source or f"testsrc2=size={size[0]}x{size[1]}:rate={rate}:duration={seconds}"
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"] if audio else []
    speed = ["-preset", "ultrafast"] if codec in {"libx264", "libx265"} else []
    quiet = ["-x265-params", "log-level=error"] if codec == "libx265" else []
    encode = ["-c:v", codec, *speed, *quiet, "-pix_fmt", "yuv420p", *options]
    ffmpeg.run(["-f", "lavfi", "-i", picture, *sound, *encode, path], timeout=60)
    return path


def turn_video(path: Path, out: Path, degrees: int) -> Path:
    """The same stream with a display matrix: what a phone held upright writes."""
    ffmpeg.run(["-display_rotation", str(degrees), "-i", path, "-c", "copy", out], timeout=30)
    return out


def make_black_then_picture(path: Path, *, black: float = 20.0, seconds: float = 2.0) -> Path:
    """Opens black for a long time and shows something only at its end; one key frame every 10 s."""
    graph = (
        f"color=black:size=160x90:rate=10:duration={black}[a];"
        f"testsrc2=size=160x90:rate=10:duration={seconds}[b];[a][b]concat=n=2:v=1:a=0"
    )
    return make_video(path, source=graph, audio=False, options=["-g", "100"])


def make_tone(
    path: Path, *, seconds: float = 2.0, amplitude: float = 1.0, rate: int = 16_000, channels: int = 1
) -> Path:
    """A 440 Hz sine as 16-bit WAV. Any other suffix is encoded from it by ffmpeg."""
    times = np.arange(int(seconds * rate)) / rate
    samples = np.round(32767 * amplitude * np.sin(2 * np.pi * 440 * times)).astype("<i2")
    wav = path if path.suffix == ".wav" else path.with_suffix(".source.wav")
    with wave.open(str(wav), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.repeat(samples[:, None], channels, axis=1).tobytes())
    if wav != path:
        ffmpeg.run(["-i", wav, path], timeout=30)
    return path


def corners(width: int = 120, height: int = 80) -> Pixels:
    """Red, green, blue and white quarters: every turn and mirroring of it looks different."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 220)
    pixels[height // 2 :, width // 2 :] = (250, 250, 250)
    return pixels


def make_image(
    path: Path, pixels: Any = None, *, mode: str = "RGB", size: tuple[int, int] = (120, 80), **options: Any
) -> Path:
    """Saved by Pillow in the format of the suffix; `options` go to the encoder."""
    image = Image.fromarray(corners(*size) if pixels is None else pixels)
    if image.mode != mode:
        image = image.convert(mode)
    if path.suffix in {".jpg", ".webp"} and "quality" not in options:
        options["quality"] = 95
    image.save(path, **options)
    return path


def stored_for(orientation: int, pixels: Pixels) -> Pixels:
    """How a camera stores an upright picture under each EXIF orientation."""
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }
    return np.ascontiguousarray(stored[orientation])


def exif_of(
    *,
    main: dict[int, Any] | None = None,
    exif: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Image.Exif:
    """An EXIF block from tags by number."""
    found = Image.Exif()
    found.update(main or {})
    found.get_ifd(0x8769).update(exif or {})
    found.get_ifd(0x8825).update(gps or {})
    return found


def make_png(
    path: Path, width: int, height: int, *, bits: int = 1, color: int = 0, data: bytes = b"", rows: int = 0
) -> Path:
    """A PNG by hand: the header may promise any size, whatever the data hold."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    line = b"\0" * (1 + (width * bits + 7) // 8)
    body = zlib.compress(data or line * (rows or 1))
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    return path


def pixels_of(path: Path) -> Pixels:
    """Any picture as rows x columns x 3."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
