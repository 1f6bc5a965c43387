"""Faces of a hundred pictures, from the queue to the rows, beside the bare loop: tests.bench.understanding."""

from pathlib import Path

from tests.bench import understanding
from tests.bench.measuring import Result

Size, QUICK = understanding.Size, understanding.QUICK


def run(size: understanding.Size, folder: Path) -> list[Result]:
    return understanding.run("faces", size, folder)
