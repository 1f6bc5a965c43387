"""`python -m tests.fuzz [--files N] [--seed S]`: exit code 1 for any crash, hang, unknown exception or growth."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.corpus import SHARED, find_films, find_sources
from tests.fuzz.running import OF_FILMS, STEPS, Size, run


def main() -> int:
    asked = parse(sys.argv[1:])
    steps, seconds = (OF_FILMS, 3 * asked.seconds) if asked.films else (STEPS, asked.seconds)
    size = Size(asked.files, asked.seed, asked.children, seconds, steps=steps)
    kept = Path(tempfile.gettempdir()) / "alcoves-fuzz"
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alcoves-fuzz-") as name:
        sources = (find_films if asked.films else find_sources)(Path(name) / "made")
        where = f"{SHARED} and made here" if SHARED.is_dir() else "made here"
        print(f"{size.files} files from {len(set(sources))} ({where}), seed {size.seed}", flush=True)
        report = run(size, sources, Path(name), kept)
    print("\n".join(report.lines()), f"({time.monotonic() - began:.0f} s)")
    return 0 if report.clean and report.done == size.files else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/fuzz", description="Broken files through metadata and transform."
    )
    usual = Size()
    parser.add_argument("--files", type=int, default=usual.files, metavar="N")
    parser.add_argument("--seed", type=int, default=usual.seed, metavar="S")
    parser.add_argument("--children", type=int, default=max(1, min(4, os.cpu_count() or 1)), metavar="N")
    parser.add_argument(
        "--seconds", type=float, default=usual.seconds, help="limit of each step of each file"
    )
    parser.add_argument(
        "--films",
        action="store_true",
        help="films and recordings alone, through all that is made of them: seconds for each, so ask for fewer",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
