"""Photos of a few megapixels, all different: `python -m tests.bench.photos FOLDER COUNT WIDTH HEIGHT`.

A few are drawn and encoded; the others are the same pixels with another comment, so that their bytes differ
and they cost as much to read. A program of its own, because its parent starts other processes.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

DRAWN = 12


def main(folder: Path, count: int, width: int, height: int) -> None:
    drawn = [draw(folder / "drawn.jpg", number, width, height) for number in range(min(DRAWN, count))]
    for number in range(count):
        (folder / f"photo-{number:05}.jpg").write_bytes(commented(drawn[number % len(drawn)], number))


def draw(path: Path, number: int, width: int, height: int) -> bytes:
    """Soft colours, some edges and fine noise: about a third of a byte for each pixel, as a camera gives."""
    source = np.random.default_rng(number)
    coarse = source.integers(0, 256, (9, 13, 3), dtype=np.uint8)
    soft = np.asarray(
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16
    )
    noise = source.normal(0, 6, (height, width, 1)).astype(np.int16)
    edges = ((np.indices((height, width)).sum(axis=0) // 97 % 2) * 24).astype(np.int16)[..., None]
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Alcoves", f"Bench {number}", 1
    exif.get_ifd(0x8769)[0x9003] = f"2024:05:{number + 1:02} 10:11:12"
    picture = Image.fromarray(np.clip(soft + noise + edges, 0, 255).astype(np.uint8))
    picture.save(path, quality=88, exif=exif)
    content = path.read_bytes()
    path.unlink()
    return content


def commented(jpeg: bytes, number: int) -> bytes:
    """The same picture with a comment segment right after its first marker."""
    text = f"bench photo {number}".encode()
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
