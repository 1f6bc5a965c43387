"""Whether picture and sound of a film come together: a flash and a beep at the same moment, and when each is met."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.sniffing import sniff_path
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
    return float(np.argmax(np.abs(sound_of(path)) > 0.02)) / RATE


def sound_of(path: Path) -> NDArray[np.float32]:
    """The first track from the beginning of the film on, silence where there is none yet."""
    chain = f"aresample={RATE}:async=1:first_pts=0"
    opened = ffmpeg.input_arguments(path, sniff_path(path).demuxer)
    arguments = [*opened, "-map", "0:a:0", "-af", chain, "-ac", "1", "-f", "f32le", "pipe:1"]
    done = ffmpeg.run(arguments, timeout=60)
    return np.frombuffer(done.stdout, "<f4")


def lag_of(path: Path, source: Path) -> float:
    """Seconds by which the sound of a film comes later than in another: where both agree best."""
    found, wanted = sound_of(path), sound_of(source)
    size = len(found) + len(wanted)
    agreement = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(wanted, size)), size)
    best = int(np.argmax(agreement))
    return (best if best < size // 2 else best - size) / RATE
