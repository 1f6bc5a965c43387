"""The order of a start, one step a line: servers, tables, first admin, web and workers, the rest, URLs."""

import asyncio
import time
from collections.abc import Coroutine

from watchfiles import PythonFilter, awatch

from alcoves.embedded import parts, state
from alcoves.embedded.parts import Plan, manage
from alcoves.embedded.supervisor import Supervisor

RELOADED_PARTS = ("workers", "beat")


async def run(supervisor: Supervisor, plan: Plan, *, demo: bool, began: float) -> None:
    """Start everything and keep it; ends only by an error or by being cancelled."""
    console = supervisor.around.console
    await supervisor.start(parts.server_parts(plan, console.say))
    remember(supervisor, plan)
    # From here on at each ready: a part that was started again has another process.
    supervisor.on_ready = lambda: remember_again(supervisor, plan)
    if plan.serves:
        await supervisor.run_step("migrate", manage("migrate", "--noinput"))
        await together(supervisor.start(parts.front_parts(plan)), ensure_admin(supervisor))
    else:
        await supervisor.start(parts.front_parts(plan))
    # Nobody waits for these two, and Flower is slow to load: they come last.
    await supervisor.start(parts.back_parts(plan))
    console.say(f"Everything is ready after {time.monotonic() - began:.1f} s.")
    console.say(addresses(plan))
    if demo and plan.serves:
        await supervisor.run_step("demo", manage("demo"), show=True)
    watching = [restart_on_change(supervisor)] if plan.reload else []
    await together(supervisor.failed(), *watching)


async def together(*coroutines: Coroutine[None, None, None]) -> None:
    """Run all at once; the first error ends the others and is raised as it is."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ensure_admin(supervisor: Supervisor) -> None:
    """The first password is shown once, on the screen only: no log has it."""
    printed = await supervisor.run_step("admin", manage("ensure_admin"), private=True)
    if printed:
        supervisor.around.console.framed("First administrator (shown once):", printed)


def remember(supervisor: Supervisor, plan: Plan) -> None:
    ports = {"flower_port": plan.flower_port, "metrics_port": plan.metrics_port}
    state.save(plan.data, urls=plan.urls, pids=supervisor.pids(), web_url=plan.web_url, ports=ports)


def remember_again(supervisor: Supervisor, plan: Plan) -> None:
    """A full disk must not end what runs: the file that is there still names the servers."""
    try:
        remember(supervisor, plan)
    except OSError as error:
        supervisor.around.console.say(f"Warning: {state.path_in(plan.data)} is not up to date: {error}.")


async def restart_on_change(supervisor: Supervisor) -> None:
    """For people who work on the code: uvicorn reloads the web part itself, the rest is done here."""
    folders = [parts.PROJECT / folder for folder in parts.existing_folders()]
    async for changes in awatch(*folders, watch_filter=PythonFilter()):
        names = ", ".join(sorted({path.rpartition("/")[2] for _, path in changes})[:3])
        supervisor.around.console.say(f"Changed: {names}. Starting the background parts again.")
        keepers = [supervisor.keepers[name] for name in RELOADED_PARTS if name in supervisor.keepers]
        await asyncio.gather(*(keeper.restart() for keeper in keepers))


def addresses(plan: Plan) -> str:
    """Every URL, and where the data and logs are."""
    lines = []
    if plan.serves:
        lines += [
            ("Gallery", f"{plan.web_url}/"),
            ("Admin", f"{plan.web_url}/admin/"),
            ("API docs", f"{plan.web_url}/api/docs/"),
            ("Flower", f"{plan.web_url}/flower/"),
            ("Metrics", f"{plan.web_url}/metrics"),
        ]
    if plan.works and plan.metrics_port:
        lines.append(("Worker", f"http://127.0.0.1:{plan.metrics_port}/metrics"))
    lines += [("Data", str(plan.data)), ("Logs", str(plan.data / "log"))]
    return "\n".join(f"  {name:<9} {where}" for name, where in lines)
