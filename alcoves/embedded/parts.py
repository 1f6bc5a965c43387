"""The table of parts: which programs make up Alcoves, in which order, and how each is asked to stop."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alcoves.embedded import postgres, redis
from alcoves.embedded.ports import answers_tcp, http_status, in_url, own_names, reachable_host
from alcoves.embedded.proxies import uvicorn_flags
from alcoves.embedded.supervisor import Part, Probe

PROJECT = Path(__file__).resolve().parents[2]
RELOADED_FOLDERS = ("alcoves", "media", "ml", "storage", "templates")

SERVERS, WEB, BACKGROUND = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that was decided before the first process starts."""

    data: Path
    sockets: Path
    mode: str
    host: str
    port: int
    metrics_port: int
    flower_port: int
    reload: bool = False
    given: Mapping[str, str] = field(default_factory=dict)
    """The URLs of servers that are not ours, by variable."""

    @property
    def serves(self) -> bool:
        return self.mode in {"all", "server"}

    @property
    def works(self) -> bool:
        return self.mode in {"all", "worker"}

    @property
    def urls(self) -> dict[str, str]:
        ours = {"DATABASE_URL": postgres.url(self.sockets), "REDIS_URL": redis.url(self.sockets)}
        return {**ours, **self.given}

    @property
    def open_to_network(self) -> bool:
        return self.host in {"0.0.0.0", "::", ""}  # noqa: S104 -- compared, not bound.

    @property
    def web_url(self) -> str:
        """Where people reach the web part: another machine's browser cannot use 127.0.0.1."""
        host = own_names()[0] if self.open_to_network else self.host
        return f"http://{in_url(host)}:{self.port}"

    @property
    def allowed_hosts(self) -> list[str]:
        asked = own_names() if self.open_to_network else [self.host]
        return list(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", *map(in_url, asked)]))

    @property
    def postgres_data(self) -> Path:
        return self.data / "postgres"


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def manage(*arguments: str) -> list[str]:
    return python("manage.py", *arguments)


def server_parts(plan: Plan, say: Callable[[str], None]) -> list[Part]:
    """Postgres and Redis, unless the environment names others."""
    parts = []
    if "DATABASE_URL" not in plan.given:
        parts.append(postgres_part(plan, say))
    if "REDIS_URL" not in plan.given:
        parts.append(redis_part(plan))
    return parts


def postgres_part(plan: Plan, say: Callable[[str], None]) -> Part:
    def prepare() -> None:
        postgres.initialise(plan.postgres_data, say=say)
        postgres.clear_stale_pid(plan.postgres_data)

    return Part(
        name="postgres",
        tier=SERVERS,
        argv=postgres.command(plan.postgres_data, plan.sockets),
        prepare=prepare,
        ready=in_thread(lambda: postgres.is_ready(plan.sockets)),
        # SIGINT is its fast stop; SIGTERM would wait for idle clients for ever.
        stop_signals=((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0)),
        quick_signal=signal.SIGQUIT,
        death_signal=signal.SIGINT,
        user_namespace=postgres.needs_user_namespace(),
        ready_limit=120.0,
    )


def redis_part(plan: Plan) -> Part:
    folder = plan.data / "redis"
    return Part(
        name="redis",
        tier=SERVERS,
        argv=redis.command(folder, plan.sockets),
        prepare=lambda: folder.mkdir(mode=0o700, exist_ok=True),
        ready=in_thread(lambda: redis.is_ready(plan.sockets)),
        quick_signal=signal.SIGTERM,
        death_signal=signal.SIGTERM,
    )


def web_part(plan: Plan) -> Part:
    probe = WebProbe(plan)
    argv = python(
        *("-m", "uvicorn", "alcoves.asgi:application", "--host", plan.host, "--port", str(plan.port)),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"),
        *("--timeout-graceful-shutdown", "3", *uvicorn_flags()),
    )
    if plan.reload:
        argv += ["--reload", *(word for folder in existing_folders() for word in ("--reload-dir", folder))]
    return Part(
        name="web",
        tier=WEB,
        argv=argv,
        ready=probe,
        alive=health_answers(reachable_host(plan.host), plan.port),
        why_not=probe.why_not,
        warnings=probe.warnings,
        stop_signals=((signal.SIGTERM, 6.0),),
        # The reloader's child would outlive a killed reloader; asked to end, it takes the child along.
        death_signal=signal.SIGTERM if plan.reload else signal.SIGKILL,
    )


def front_parts(plan: Plan) -> list[Part]:
    """What people wait for."""
    return [*([web_part(plan)] if plan.serves else []), *([worker_part(plan)] if plan.works else [])]


def back_parts(plan: Plan) -> list[Part]:
    """One beat and one Flower per installation: they belong to the server."""
    return [beat_part(plan), flower_part(plan)] if plan.serves else []


def worker_part(plan: Plan) -> Part:
    answers = health_answers("127.0.0.1", plan.metrics_port)
    return Part(
        name="workers",
        tier=BACKGROUND,
        argv=manage("worker"),
        ready=answers if plan.metrics_port else lives_on(2.0),
        alive=answers if plan.metrics_port else None,
        # SIGTERM waits for the running tasks; SIGQUIT puts them back into their queue at once.
        stop_signals=((signal.SIGTERM, 3.0), (signal.SIGQUIT, 7.0)),
    )


def beat_part(plan: Plan) -> Part:
    schedule = plan.data / "run" / "celerybeat-schedule"
    return Part(
        name="beat",
        tier=BACKGROUND,
        argv=python(
            *("-m", "celery", "-A", "alcoves", "beat", "--schedule", str(schedule)),
            *("--pidfile", "", "-l", "WARNING"),
        ),
        ready=says(plan.data / "log" / "beat.log", "is starting."),
        stop_signals=((signal.SIGTERM, 5.0),),
    )


def flower_part(plan: Plan) -> Part:
    async def answers() -> bool:
        return await answers_tcp("127.0.0.1", plan.flower_port)

    return Part(
        name="flower",
        tier=BACKGROUND,
        argv=manage("flower"),
        ready=answers,
        stop_signals=((signal.SIGTERM, 3.0),),
    )


def health_answers(host: str, port: int) -> Probe:
    """Whether /healthz says so within a few seconds."""

    async def ask() -> bool:
        return (await http_status(host, port, "/healthz", limit=5.0))[0] == 200

    return ask


def in_thread(question: Callable[[], bool]) -> Probe:
    """A probe that blocks, asked in a thread."""

    async def ask() -> bool:
        return await asyncio.to_thread(question)

    return ask


def lives_on(seconds: float) -> Probe:
    """For a part that answers nothing: ready when it has run for this long."""

    async def wait() -> bool:
        await asyncio.sleep(seconds)
        return True

    return wait


def says(log: Path, words: str) -> Probe:
    """Ready when the part has printed these words; what an earlier start printed does not count."""
    before = log.stat().st_size if log.exists() else 0

    def look() -> bool:
        text = log.read_bytes()
        return words.encode() in (text[before:] if len(text) >= before else text)

    return in_thread(look)


class WebProbe:
    """Ready when it answers, and when Postgres and Redis answer it; remembers what else is not as it should be.

    A store without room or a missing ffmpeg stops no start: people must be able to look, and to make room.
    """

    needed = ("postgres", "redis")

    def __init__(self, plan: Plan) -> None:
        self.host, self.port = reachable_host(plan.host), plan.port
        self.answer = ""
        self.failing: dict[str, str] = {}

    async def __call__(self) -> bool:
        status, body = await http_status(self.host, self.port, "/healthz")
        if status != 200:
            self.answer = f"/healthz answers {status}: {_message(body)}" if status else ""
            return False
        status, body = await http_status(self.host, self.port, "/readyz")
        parts = _parts(body)
        self.failing = {name: said for name, said in parts.items() if said}
        missing = [parts.get(name, f"it says nothing of {name}.") for name in self.needed]
        if any(missing):
            why = " ".join(filter(None, missing)) if parts else _message(body)
            self.answer = f"/readyz answers {status}: {why}" if status else ""
            return False
        return True

    def why_not(self) -> str:
        return self.answer

    def warnings(self) -> list[str]:
        """A line for all stores, which often lie on one disk, and one for each other part."""
        others = {name: said for name, said in self.failing.items() if name not in self.needed}
        stores = [others.pop(name) for name in list(others) if name.startswith("store:")]
        lines = [f"{name}: {said}" for name, said in others.items()]
        if stores:
            more = f" (and {len(stores) - 1} more)" if len(stores) > 1 else ""
            until = "there is room" if "make room" in stores[0] else "that is mended"
            lines.append(f"stores: {stores[0]}{more} Uploads will be refused until {until}.")
        return lines


def _parts(body: str) -> dict[str, str]:
    """What /readyz says of each part: nothing where it is well, else a sentence."""
    try:
        parts: dict[str, dict[str, object]] = json.loads(body)["parts"]
        return {
            name: "" if part["ok"] else str(part.get("message") or "it fails.")
            for name, part in parts.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _message(body: str) -> str:
    """The sentence in a JSON answer, or else the beginning of the answer itself."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["message"])
    return " ".join(body.split())[:200]


def existing_folders() -> list[str]:
    return [folder for folder in RELOADED_FOLDERS if (PROJECT / folder).is_dir()]


def any_free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
