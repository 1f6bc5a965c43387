"""An ffmpeg that does what flags of the test say and becomes the real one: so that a test can strike in the middle."""

import sys
from pathlib import Path

from media.tools import ffmpeg

PROGRAM = "ffmpeg-of-the-test"
BETWEEN = """#!{python} -SE
import os, select, sys
words = sys.argv[1:]
def told(flag):
    return open("{folder}/" + flag).read() if os.path.exists("{folder}/" + flag) else None
if "-i" in words:
    rate, word = (told("slow") or "0 nothing").split(" ", 1)
    if word in " ".join(words):
        for place in [place for place, word in enumerate(words) if word == "-i"][::-1]:
            words[place:place] = ["-readrate", rate, "-readrate_initial_burst", "0.1"]
    if told("full") is not None and words[-1].startswith("file:{folder}/scratch/"):
        words[-1] = "/dev/full"
while "-i" in words and told("held") is not None:
    select.select([], [], [], 0.02)
os.execv("{ffmpeg}", ["{ffmpeg}", *words])
"""
"""Nothing can be written to /dev/full."""


def put_between(folder: Path) -> dict[str, str]:
    """The variables of a worker that uses it."""
    program = folder / PROGRAM
    program.write_text(BETWEEN.format(python=sys.executable, folder=folder, ffmpeg=ffmpeg.binary()))
    program.chmod(0o755)
    return {"ALCOVES_FFMPEG_BINARY": str(program)}


def slow(folder: Path, word: str, rate: float = 0.02) -> None:
    """Programs with this word read so many seconds of the film in a second; without one they do not begin.

    The few frames of a poster are there at once, however slowly they are read.
    """
    if word:
        (folder / "slow").write_text(f"{rate} {word}")
    else:
        (folder / "held").touch()


def fast(folder: Path) -> None:
    for flag in ("slow", "held"):
        (folder / flag).unlink(missing_ok=True)
