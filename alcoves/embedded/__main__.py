"""`python -m alcoves.embedded up|stop|status|test-servers`: the entry points behind the scripts."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from alcoves import env
from alcoves.embedded import runner, state
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.processes import is_alive
from alcoves.embedded.testing import start_for_tests

STOP_LIMIT = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parser().parse_args(arguments)
    try:
        if asked.command == "up":
            return runner.up(
                runner.Options(
                    host=asked.host,
                    port=asked.port,
                    reload=asked.reload,
                    demo=asked.demo,
                    verbose=asked.verbose,
                )
            )
        return {"stop": stop, "status": status, "test-servers": test_servers}[asked.command]()
    except (EmbeddedError, env.BadVariableError) as error:
        print(f"Alcoves: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m alcoves.embedded", description="Run every part of Alcoves on this machine."
    )
    commands = top.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", prog="script/up", description="Start Alcoves; Ctrl-C stops it.")
    up.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    up.add_argument(
        "--port",
        type=port_number,
        help=f"port of the web part (default: {runner.DEFAULT_PORT}, or the next free)",
    )
    up.add_argument("--demo", action="store_true", help="fill a library with media made on the spot")
    up.add_argument("--reload", action="store_true", help="start parts again when the code changes")
    up.add_argument("--verbose", action="store_true", help="show what the parts print")
    commands.add_parser("stop", help="stop the Alcoves that runs on the data folder")
    commands.add_parser("status", help="say whether Alcoves runs on the data folder")
    commands.add_parser("test-servers", help="throw-away Postgres and Redis until Ctrl-C")
    return top


def port_number(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return value


def stop() -> int:
    found = state.read(runner.data_path())
    if found is None:
        print("Alcoves does not run on this data folder.")
        return 0
    pid = int(str(found["runner"]))
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_LIMIT
    while is_alive(pid):
        if time.monotonic() > until:
            raise EmbeddedError(f"Process {pid} is still stopping: wait, or end it with `kill -9 {pid}`.")
        time.sleep(0.1)
    print("Stopped.")
    return 0


def status() -> int:
    found = state.read(runner.data_path())
    if found is None:
        print("Alcoves does not run on this data folder.")
        return 1
    print(f"Alcoves runs at {found.get('url')} (process {found['runner']}).")
    for name, pid in dict(found.get("pids") or {}).items():  # type: ignore[call-overload]
        print(f"  {name:<9} process {pid}")
    return 0


def test_servers() -> int:
    """For a person or a tool that wants the tests' servers by hand."""
    servers = start_for_tests()
    print(f"DATABASE_URL={servers.database_url}\nREDIS_URL={servers.redis_url}", flush=True)
    try:
        signal.sigwait({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    finally:
        servers.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
