"""`run/embedded.json` in the data folder: how `manage.py` in another terminal finds the running servers.

Standard library only and no Django: settings read it while they load.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from alcoves.embedded.processes import start_ticks

URLS = {"DATABASE_URL": "database_url", "REDIS_URL": "redis_url"}
"""The variable of each server, and its key in the file."""
PORTS = ("flower_port", "metrics_port")


def path_in(data: Path) -> Path:
    return data / "run" / "embedded.json"


def load(data_path: Path) -> dict[str, str] | None:
    """`database_url`, `redis_url`, the web's `url` and the ports of what runs on this data folder; None if nothing."""
    found = read(data_path)
    if found is None:
        return None
    return {key: str(found[key]) for key in (*URLS.values(), *PORTS, "url") if key in found}


def read(data_path: Path) -> dict[str, object] | None:
    """Everything in the file, unless the runner that wrote it is gone."""
    try:
        found = json.loads(path_in(data_path).read_text(encoding="utf-8"))
        runner, started = int(found["runner"]), str(found["runner_started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # The start time tells a runner from a stranger that was given its number later.
    return dict(found) if start_ticks(runner) == started else None


def save(
    data_path: Path,
    *,
    urls: Mapping[str, str],
    pids: Mapping[str, int],
    web_url: str = "",
    ports: Mapping[str, int] | None = None,
) -> None:
    """Written under another name and renamed, and readable by its owner only: URLs may carry passwords."""
    path = path_in(data_path)
    content = {
        "runner": os.getpid(),
        "runner_started": start_ticks(os.getpid()),
        "url": web_url,
        "pids": dict(pids),
        **{key: urls[name] for name, key in URLS.items() if name in urls},
        **(ports or {}),
    }
    new = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    new.replace(path)


def remove(data_path: Path) -> None:
    path_in(data_path).unlink(missing_ok=True)
