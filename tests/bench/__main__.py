"""`python -m tests.bench [NAME...] [--json] [--quick]`: own servers, one bench after another, figures, exit code."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from alcoves.embedded.testing import start_for_tests
from tests.bench.measuring import Result, table

MODULES = {
    "weights": "weights",
    "starvation": "starvation",
    "overhead": "overhead",
    "ingest": "ingest",
    "upload": "upload",
    "image-cold": "cold",
    "image-cached": "cached",
    "single-flight": "flights",
    "prewarm": "warming",
    "image-memory": "lasting",
    "waveform": "peaks",
    "poster": "postering",
    "sprites": "spriting",
    "proxy": "encoding",
    "chunked": "chunking",
    "faces": "facing",
    "objects": "looking",
    "sounds": "hearing",
    "speech": "speaking",
    "clustering": "clustering",
    "face-lookup": "lookups",
    "search": "searching",
    "lists": "lists",
    "dashboard": "dashboard",
    "bulk": "bulk",
}
"""Where each bench is: a module with `Size`, `run`, and `QUICK` where there is a smaller one."""
NAMES = tuple(MODULES)


def main() -> int:
    asked = parse(sys.argv[1:])
    # Told to stop, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    servers = start_for_tests()
    folder = Path(tempfile.mkdtemp(prefix="alcoves-bench-"))
    try:
        prepare(servers.database_url, servers.redis_url, folder)
        results = [result for name in asked.names for result in show(name, folder, asked)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        servers.stop()
    missed = [result.name for result in results if not result.kept]
    if missed:
        print(f"Limits missed: {', '.join(missed)}.", file=sys.stderr)
    return 1 if missed else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/bench", description="Measure what Alcoves promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument(
        "--quick", action="store_true", help="fewer pictures or rounds, where a bench has them"
    )
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    asked.names = asked.names or list(NAMES)
    return asked


def prepare(database_url: str, redis_url: str, folder: Path) -> None:
    """Django in this process with the same servers and stores that the workers get."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "ALCOVES_DATA_PATH": str(folder / "data"),
        "ALCOVES_STORAGE_PATH": str(folder / "stores"),
        "ALCOVES_SCRATCH_PATH": str(folder / "scratch"),
        "ALCOVES_TEST_FLAGS": str(folder),
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def show(name: str, folder: Path, asked: argparse.Namespace) -> list[Result]:
    """Run one bench and print what it found at once."""
    own = folder / name
    own.mkdir()
    os.environ["ALCOVES_TEST_FLAGS"] = str(own)
    load = round(os.getloadavg()[0], 1)
    results = run(name, own, quick=asked.quick)
    for result in results:
        # Others at work on the same machine make every figure worse: the reader shall know.
        result.raw["load_of_the_machine_before"] = load
    print("\n".join(result.as_json() for result in results) if asked.json else table(results), flush=True)
    return results


def run(name: str, folder: Path, *, quick: bool) -> list[Result]:
    """Imported only now: models need the settings."""
    from django.conf import settings

    from storage import registry

    module = import_module(f"tests.bench.{MODULES[name]}")
    for store, entry in settings.BLOB_STORES.items():
        entry["OPTIONS"]["root"] = folder / "stores" / store
    registry.reset()
    size = module.QUICK if quick and hasattr(module, "QUICK") else module.Size()
    found: list[Result] = module.run(size, folder)
    return found


if __name__ == "__main__":
    sys.exit(main())
