"""The Valkey that comes with us and speaks Redis: start command and readiness.

Unix socket only, nothing kept on disk: Redis is for speed, Postgres is the truth.
"""

import socket
from pathlib import Path

from alcoves.embedded.binaries import find_valkey

SOCKET_NAME = "redis.sock"


def url(socket_folder: Path) -> str:
    return f"unix://{socket_folder / SOCKET_NAME}?db=0"


def command(work_folder: Path, socket_folder: Path) -> list[str]:
    return [
        str(find_valkey()),
        *("--port", "0"),
        *("--unixsocket", str(socket_folder / SOCKET_NAME)),
        *("--unixsocketperm", "700"),
        *("--dir", str(work_folder)),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory-policy", "noeviction"),  # Evicting keys would lose queued messages.
        *("--daemonize", "no"),
    ]


def is_ready(socket_folder: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2)
            connection.connect(str(socket_folder / SOCKET_NAME))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
