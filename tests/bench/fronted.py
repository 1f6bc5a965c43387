"""nginx with deploy/nginx.conf before the web processes of a bench, where nginx is installed."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.workers import PROJECT, answers, free_port, wait_until

PREFIX = "/internal-blobs"
"""ALCOVES_X_ACCEL_PREFIX, as compose.yaml has it."""
PLAIN = "/plain/"
"""What is compared with: the same folder, for everybody, without a question."""
PLACE = "        location @too_large {"


def find_nginx() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def adapted(ports: Iterable[int], port: int, folder: Path, store: Path) -> str:
    """Our configuration with the addresses and folders of this bench, and a plain way to the same files beside it."""
    text = (PROJECT / "deploy/nginx.conf").read_text(encoding="utf-8")
    servers = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    changes = {
        "/tmp/": f"{folder}/",
        "/dev/stderr": f"{folder}/error.log",
        "server web:8000;": servers,
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/store/": f"{store}/",
        "keepalive_timeout 65s;": "keepalive_timeout 65s; keepalive_requests 10000000;",
        PLACE: f"        location {PLAIN} {{ alias {store}/cache/; }}\n{PLACE}",
    }
    for there, here in changes.items():
        assert there in text, there
        text = text.replace(there, here)
    # As root, nginx would start its workers as nobody, who may not enter a folder of ours.
    return ("user root;\n" if os.geteuid() == 0 else "") + text


@contextmanager
def nginx(program: str, ports: Iterable[int], folder: Path, store: Path) -> Iterator[tuple[int, int]]:
    """Its port and its process id."""
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(adapted(ports, port, folder, store), encoding="utf-8")
    process = subprocess.Popen(
        [program, "-c", str(path), "-p", str(folder), "-g", "daemon off;"], start_new_session=True
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 20, "nginx")
        yield port, process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
