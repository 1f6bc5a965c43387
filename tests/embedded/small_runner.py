"""A supervisor with the parts named on the command line, for tests that signal or kill it."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from alcoves.embedded import folders
from alcoves.embedded.console import Console
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.parts import Plan, postgres_part, redis_part
from alcoves.embedded.runner import supervise
from alcoves.embedded.supervisor import Part, Supervisor, Surroundings

WAITS = "import signal; signal.pause()"
STUBBORN = (
    "import signal\n"
    "for number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"
    "print('deaf', flush=True)\n"
    "while True: signal.pause()"
)
ESCAPING = (
    "import subprocess, sys, signal\n"
    "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)\n"
    "signal.pause()"
)
LEAVING = (
    "import os, pathlib, signal, sys\n"
    "for number in range(3):\n"
    "    if os.fork() == 0:\n"
    "        if left := os.fork(): (pathlib.Path(sys.argv[1]) / f'left-{number}').write_text(str(left))\n"
    "        else: signal.sigtimedwait([], 0.2)\n"
    "        os._exit(0)\n"
    "    os.wait()\n"
    "signal.pause()"
)
"""Leaves three grandchildren behind, which end a little later, and writes down their ids."""
CRASHES_ONCE = (
    "import pathlib, signal, sys\n"
    "mark = pathlib.Path(sys.argv[1]) / 'crashed'\n"
    "if mark.exists(): signal.pause()\n"
    "mark.touch(); print('this went wrong', flush=True); sys.exit(3)"
)


def python_part(name: str, program: str, data: Path, *, stop_limit: float = 5.0) -> Part:
    log = data / "log" / f"{name}.log"

    async def ready() -> bool:
        return name != "stubborn" or "deaf" in log.read_text(encoding="utf-8")

    return Part(
        name=name,
        tier=2,
        argv=[sys.executable, "-c", program, str(data)],
        ready=ready,
        stop_signals=((signal.SIGTERM, stop_limit),),
    )


def choose(names: Sequence[str], data: Path, sockets: Path) -> list[Part]:
    plan = Plan(
        data=data,
        sockets=sockets,
        mode="all",
        host="127.0.0.1",
        port=0,
        metrics_port=0,
        flower_port=0,
    )
    table = {
        "postgres": lambda: postgres_part(plan, print),
        "redis": lambda: redis_part(plan),
        "waits": lambda: python_part("waits", WAITS, data),
        "stubborn": lambda: python_part("stubborn", STUBBORN, data, stop_limit=30.0),
        "escaping": lambda: python_part("escaping", ESCAPING, data),
        "leaving": lambda: python_part("leaving", LEAVING, data),
        "crashes": lambda: python_part("crashes", CRASHES_ONCE, data),
    }
    return [table[name]() for name in names]


async def run(data: Path, sockets: Path, names: Sequence[str]) -> int:
    around = Surroundings(
        folder=data, log_folder=data / "log", env=dict(os.environ), console=Console(), first_backoff=0.1
    )
    supervisor = Supervisor(around)

    async def work() -> None:
        await supervisor.start(choose(names, data, sockets))
        around.console.say("all ready")
        await supervisor.failed()

    return await supervise(supervisor, work(), reap_every=0.1)


def main() -> int:
    data = Path(sys.argv[1])
    try:
        folders.prepare_data_folder(data, minimum_free=0)
        with folders.hold(data):
            sockets = folders.make_socket_folder(data)
            code = asyncio.run(run(data, sockets, sys.argv[2:]))
            # Fails when a part has left its socket.
            sockets.rmdir()
            return code
    except EmbeddedError as error:
        print(f"Alcoves did not start: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
