"""A worker process for each lane, niced, started again when it ends. The same supervisor as `script/up`."""

import asyncio
import math
import os
import signal
from collections.abc import Sequence

from alcoves import env
from alcoves.embedded import runner
from alcoves.embedded.console import Console
from alcoves.embedded.parts import PROJECT, health_answers, lives_on, manage
from alcoves.embedded.supervisor import Part, Supervisor, Surroundings
from alcoves.queues import Lane

FIRST_PORT = 3001


def run(lanes: Sequence[Lane]) -> int:
    """Until Ctrl-C or SIGTERM; the exit code."""
    data = env.path("ALCOVES_DATA_PATH", PROJECT / "var")
    logs = data / "log"
    logs.mkdir(parents=True, exist_ok=True)
    around = Surroundings(
        folder=PROJECT, log_folder=logs, env=dict(os.environ), console=Console(), verbose=True
    )
    supervisor = Supervisor(around)
    return asyncio.run(runner.supervise(supervisor, start(supervisor, lane_parts(lanes))))


async def start(supervisor: Supervisor, parts: Sequence[Part]) -> None:
    await supervisor.start(parts)
    supervisor.around.console.say("All lanes consume.")
    await supervisor.failed()


def lane_parts(lanes: Sequence[Lane]) -> list[Part]:
    """Ports count up from WORKER_METRICS_PORT, so that each lane is probed by itself; 0 switches them off."""
    first = env.integer("WORKER_METRICS_PORT", FIRST_PORT, low=0, high=65535)
    return [lane_part(lane, first + place if first else 0) for place, lane in enumerate(lanes)]


def lane_part(lane: Lane, port: int) -> Part:
    answers = health_answers("127.0.0.1", port)
    return Part(
        name=lane,
        tier=1,
        argv=manage("worker", "--lane", lane),
        ready=answers if port else lives_on(2.0),
        alive=answers if port else None,
        # A broker that is away is waited for; the worker's own lines say so.
        ready_limit=math.inf,
        env={"WORKER_METRICS_PORT": str(port), **named(lane)},
        stop_signals=((signal.SIGTERM, 12.0), (signal.SIGQUIT, 7.0)),
    )


def named(lane: Lane) -> dict[str, str]:
    """A name with @ would be that of all of them; without, it stands for the host and each puts its lane before it."""
    given = env.text("ALCOVES_WORKER_NAME")
    return {"ALCOVES_WORKER_NAME": f"{lane}-{given}"} if "@" in given else {}
