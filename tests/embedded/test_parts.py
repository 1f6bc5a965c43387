import asyncio
import tempfile
from pathlib import Path

import pytest

from alcoves.embedded import parts
from alcoves.embedded.console import Console
from alcoves.embedded.ports import own_names
from alcoves.embedded.runner import Options, child_environment, make_plan


def plan_of(tmp_path: Path, host: str = "127.0.0.1") -> parts.Plan:
    return make_plan(Options(host=host), tmp_path, Console())


@pytest.fixture(autouse=True)
def bare_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "ALCOVES_MODE", "ALCOVES_PUBLIC_URL", "ALCOVES_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("s")))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


def names(plan: parts.Plan) -> list[str]:
    table = [*parts.server_parts(plan, print), *parts.front_parts(plan), *parts.back_parts(plan)]
    return [part.name for part in table]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("all", ["postgres", "redis", "web", "workers", "beat", "flower"]),
        ("server", ["postgres", "redis", "web", "beat", "flower"]),
        ("worker", ["postgres", "redis", "workers"]),
    ],
)
def test_the_mode_chooses_the_parts(
    mode: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVES_MODE", mode)
    assert names(plan_of(tmp_path)) == expected


def test_servers_of_ones_own_switch_ours_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/alcoves")
    monkeypatch.setenv("PGPASSFILE", "/home/me/.pgpass")
    plan = plan_of(tmp_path)
    assert names(plan) == ["redis", "web", "workers", "beat", "flower"]
    environment = child_environment(plan)
    assert environment["DATABASE_URL"] == "postgresql://me@db/alcoves"
    assert environment["PGPASSFILE"] == "/home/me/.pgpass"
    assert environment["REDIS_URL"].startswith("unix://")
    monkeypatch.setenv("REDIS_URL", "redis://cache/0")
    assert names(plan_of(tmp_path)) == ["web", "workers", "beat", "flower"]


def test_children_are_told_where_everything_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    plan = plan_of(tmp_path)
    environment = child_environment(plan)
    assert environment["DATABASE_URL"] == f"postgresql://postgres@/alcoves?host={plan.sockets}"
    assert environment["REDIS_URL"] == f"unix://{plan.sockets}/redis.sock?db=0"
    assert environment["ALCOVES_PUBLIC_URL"] == f"http://127.0.0.1:{plan.port}"
    assert environment["ALCOVES_DATA_PATH"] == str(tmp_path)
    assert environment["ALCOVES_FLOWER_PORT"] == str(plan.flower_port)
    assert "PGPORT" not in environment
    monkeypatch.setenv("ALCOVES_PUBLIC_URL", "https://photos.example.org")
    assert child_environment(plan)["ALCOVES_PUBLIC_URL"] == "https://photos.example.org"


def test_open_to_the_network_the_urls_work_from_elsewhere(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "0.0.0.0")
    assert plan.web_url == f"http://{own_names()[0]}:{plan.port}"
    assert {"localhost", "127.0.0.1", *own_names()} <= set(plan.allowed_hosts)
    assert plan_of(tmp_path).allowed_hosts == ["localhost", "127.0.0.1", "[::1]"]


def test_what_an_earlier_start_said_does_not_make_a_part_ready(tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    log.write_text("beat is starting.\n")
    probe = parts.says(log, "is starting.")
    assert not asyncio.run(probe())
    with log.open("a") as file:
        file.write("beat is starting.\n")
    assert asyncio.run(probe())
    log.write_text("is starting.")  # Turned over meanwhile.
    assert asyncio.run(probe())
