"""Films of people as the tiny models know them: one still after the other."""

from collections.abc import Sequence
from pathlib import Path

from media.tools import ffmpeg
from tests.makers import Pixels, make_image


def film_of(path: Path, stills: Sequence[Pixels], seconds: float = 4, rate: int = 5) -> Path:
    """Each still is shown so long; a key frame each second."""
    inputs: list[str | Path] = []
    for number, still in enumerate(stills):
        picture = make_image(path.with_name(f"{path.stem}-{number}.png"), still)
        inputs += ["-loop", "1", "-framerate", str(rate), "-t", str(seconds), "-i", picture]
    joined = "".join(f"[{number}:v]" for number in range(len(stills)))
    graph = f"{joined}concat=n={len(stills)}:v=1:a=0"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-g", str(rate), "-pix_fmt", "yuv420p"]
    ffmpeg.run([*inputs, "-filter_complex", graph, *encode, path], timeout=120)
    return path
