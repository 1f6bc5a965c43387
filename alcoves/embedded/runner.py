"""What `script/up` runs: decide, start in order, say where everything is, wait, stop and leave nothing."""

import asyncio
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from alcoves import env
from alcoves.embedded import boot, folders, parts, postgres, state
from alcoves.embedded.console import Console, make_console
from alcoves.embedded.errors import EmbeddedError
from alcoves.embedded.parts import Plan
from alcoves.embedded.ports import choose_port
from alcoves.embedded.processes import Reaper, adopt_orphans, sweep_adopted
from alcoves.embedded.supervisor import Supervisor, Surroundings

DEFAULT_PORT = 8000
DEFAULT_METRICS_PORT = 3001
REAP_EVERY = 15.0
MODES = ("all", "server", "worker")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, as typed."""

    host: str = "127.0.0.1"
    port: int | None = None
    reload: bool = False
    demo: bool = False
    verbose: bool = False


def data_path() -> Path:
    return env.path("ALCOVES_DATA_PATH", parts.PROJECT / "var")


def up(options: Options) -> int:
    """Run everything until Ctrl-C; the exit code."""
    console = Console() if options.verbose else make_console()
    began = time.monotonic()
    data = None
    try:
        if sys.platform != "linux":
            raise EmbeddedError("script/up needs Linux: use compose.yaml elsewhere.")
        data = data_path()
        folders.prepare_data_folder(data)
        with ExitStack() as stack:
            stack.enter_context(folders.hold(data))
            plan = make_plan(options, data, console)
            stack.callback(shutil.rmtree, plan.sockets, ignore_errors=True)
            stack.callback(state.remove, data)
            return asyncio.run(_supervise(plan, options, console, began))
    except Exception as error:  # noqa: BLE001 -- the last resort: a person gets one line, the log the rest.
        console.say(_sentence(error, data))
        return 1


def make_plan(options: Options, data: Path, console: Console) -> Plan:
    """Read the environment, choose ports, and refuse what cannot work before anything starts."""
    given = {name: value for name in state.URLS if (value := env.text(name))}
    if "DATABASE_URL" not in given:
        postgres.check_can_run()
    mode = env.choice("ALCOVES_MODE", MODES, "all")
    port = options.port if options.port is not None else DEFAULT_PORT
    if mode != "worker":
        wanted, port = port, choose_port(options.host, port, exact=options.port is not None)
        if port != wanted:
            console.say(f"Port {wanted} is taken, so this is port {port}.")
    return Plan(
        data=data,
        sockets=folders.make_socket_folder(data),
        mode=mode,
        host=options.host,
        port=port,
        metrics_port=_metrics_port(),
        flower_port=env.integer("ALCOVES_FLOWER_PORT", 0, low=0, high=65535) or parts.any_free_port(),
        reload=options.reload,
        given=given,
    )


def _metrics_port() -> int:
    """The one that was asked for (0 switches it off), else the usual one or the next free."""
    asked = env.integer("WORKER_METRICS_PORT", -1, low=0, high=65535)
    return asked if asked >= 0 else choose_port("127.0.0.1", DEFAULT_METRICS_PORT, exact=False)


def child_environment(plan: Plan) -> dict[str, str]:
    """What every part gets: the shell's environment, and where the servers are."""
    base = dict(os.environ) if "DATABASE_URL" in plan.given else postgres.clean_environment(os.environ)
    chosen = {
        "ALCOVES_DATA_PATH": str(plan.data),
        "ALCOVES_MODE": plan.mode,
        "WORKER_METRICS_PORT": str(plan.metrics_port),
        "ALCOVES_FLOWER_PORT": str(plan.flower_port),
        "PYTHONUNBUFFERED": "1",
    }
    ours = {name: url for name, url in plan.urls.items() if name not in plan.given}
    defaults = {"ALCOVES_PUBLIC_URL": plan.web_url, "ALCOVES_ALLOWED_HOSTS": ",".join(plan.allowed_hosts)}
    return {**defaults, **base, **chosen, **ours}


async def _supervise(plan: Plan, options: Options, console: Console, began: float) -> int:
    around = Surroundings(
        folder=parts.PROJECT,
        log_folder=plan.data / "log",
        env=child_environment(plan),
        console=console,
        verbose=options.verbose,
    )
    supervisor = Supervisor(around)
    return await supervise(supervisor, boot.run(supervisor, plan, demo=options.demo, began=began))


async def supervise(
    supervisor: Supervisor, work: Coroutine[None, None, None], *, reap_every: float = REAP_EVERY
) -> int:
    """Do `work` until it fails or a signal comes, then stop every part; the exit code."""
    console = supervisor.around.console
    adopt_orphans()
    console.start()
    wanted = _listen(supervisor)
    waiting = asyncio.create_task(wanted.wait())
    working = asyncio.create_task(work)
    reaping = asyncio.create_task(reap(supervisor, reap_every))
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if working.done() and (error := working.exception()) is not None:
        console.say(_sentence(error, supervisor.around.log_folder.parent))
        code = 1
    else:
        console.say("Stopping ... (Ctrl-C again ends everything at once)")
    # The work ends first: it must not start another part while the others are being stopped.
    for task in (working, waiting, reaping):
        task.cancel()
    await asyncio.gather(working, waiting, reaping, return_exceptions=True)
    await supervisor.stop()
    sweep_adopted()
    console.close()
    console.say("Stopped.")
    return code


async def reap(supervisor: Supervisor, every: float) -> None:
    """Orphans come to us for as long as we run; without this each would stay as a zombie."""
    reaper = Reaper()
    while True:
        await asyncio.sleep(every)
        reaper.look(supervisor.children())


def _listen(supervisor: Supervisor) -> asyncio.Event:
    """Ctrl-C, SIGTERM and SIGHUP ask for the stop; a second one does not wait."""
    wanted = asyncio.Event()

    def ask(number: signal.Signals) -> None:
        # A terminal that closes may send SIGHUP twice: that is no impatience.
        if wanted.is_set() and number != signal.SIGHUP:
            supervisor.kill()
        wanted.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask, number)
    return wanted


def _sentence(error: BaseException, data: Path | None) -> str:
    """One line for a person; what nobody foresaw is written down whole, in a log."""
    if isinstance(error, EmbeddedError | env.BadVariableError):
        return f"Alcoves stops: {error}"
    where = f": see {_write_traceback(error, data)}" if data is not None else ""
    return f"Alcoves stops because of something unexpected ({type(error).__name__}: {error}){where}."


def _write_traceback(error: BaseException, data: Path) -> Path:
    path = data / "log" / "runner.log"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return path
