"""Whether picture and sound of a film come together: a flash and a beep at the same moment, and when each is met."""

from pathlib import Path

import numpy as np

from media.tools import ffmpeg

MOMENT = 1.5
RATE = 16_000
FRAMES = 200


def make_flash_and_beep(
    path: Path, *options: str, late: float = 0.0, early: float = 0.0, links: str = "null", rate: int = 25
) -> Path:
    """Four seconds with both at 1.5 s. `late`: the sound begins so much later, `early`: the picture does."""
    when = f"between(t,{MOMENT},{MOMENT + 0.3})"
    graph = (
        f"color=black:s=160x90:r={rate}:d=4,drawbox=c=white:t=fill:enable='{when}',trim=start={early},{links}[v];"
        f"sine=1000:r=48000:d=4,volume=0:enable='not({when})',atrim=start={late}[a]"
    )
    mapped = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-pix_fmt", "yuv420p"]
    ffmpeg.run([*mapped, *options, path], timeout=60)
    return path


def offset_of(path: Path) -> float:
    """Seconds by which the sound comes after the picture, as a player plays them."""
    return beep_of(path) - flash_of(path)


def flash_of(path: Path) -> float:
    chain = f"fps={FRAMES}:start_time=0,scale=2:2,format=gray"
    done = ffmpeg.run(["-i", path, "-map", "0:v:0", "-vf", chain, "-f", "rawvideo", "pipe:1"], timeout=60)
    light = np.frombuffer(done.stdout, np.uint8).reshape(-1, 4).mean(axis=1)
    return float(np.argmax(light > 128)) / FRAMES


def beep_of(path: Path) -> float:
    chain = f"aresample={RATE}:async=1:first_pts=0"
    arguments: list[str | Path] = ["-i", path, "-map", "0:a:0", "-af", chain, "-ac", "1"]
    done = ffmpeg.run([*arguments, "-f", "f32le", "pipe:1"], timeout=60)
    return float(np.argmax(np.abs(np.frombuffer(done.stdout, "<f4")) > 0.02)) / RATE
