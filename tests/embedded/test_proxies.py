"""Whose X-Forwarded-For counts: by flags, by a real web server, and in the entrypoint of the image."""

import subprocess  # noqa: TID251  The entrypoint is run as a container would.
import sys
from pathlib import Path

import pytest

from alcoves.embedded import parts
from alcoves.embedded.proxies import uvicorn_flags
from alcoves.env import BadVariableError
from tests.embedded.launching import PROJECT, own_environment
from tests.embedded.test_web_probe import plan

CASES = [
    ({}, ["--no-proxy-headers"]),
    ({"ALCOVES_BEHIND_PROXY": "false", "ALCOVES_TRUSTED_PROXIES": "*"}, ["--no-proxy-headers"]),
    ({"ALCOVES_BEHIND_PROXY": "true"}, ["--proxy-headers", "--forwarded-allow-ips=127.0.0.1"]),
    (
        {"ALCOVES_BEHIND_PROXY": "yes", "ALCOVES_TRUSTED_PROXIES": "10.0.0.0/8, ::1"},
        ["--proxy-headers", "--forwarded-allow-ips=10.0.0.0/8,::1"],
    ),
    (
        {"ALCOVES_BEHIND_PROXY": "true", "ALCOVES_TRUSTED_PROXIES": "*"},
        ["--proxy-headers", "--forwarded-allow-ips=*"],
    ),
]


@pytest.fixture(autouse=True)
def no_proxy_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALCOVES_BEHIND_PROXY", "ALCOVES_TRUSTED_PROXIES", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("given", "flags"), CASES)
def test_the_web_part_says_it(
    given: dict[str, str], flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert uvicorn_flags() == flags
    argv = parts.web_part(plan(1)).argv
    assert [word for word in argv if "proxy" in word or "forwarded" in word] == flags


@pytest.mark.parametrize(("given", "flags"), CASES)
def test_the_image_says_the_same(given: dict[str, str], flags: list[str], tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "uvicorn").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    (tmp_path / "--forwarded-allow-ips=trap").touch()
    done = subprocess.run(
        ["sh", PROJECT / "deploy/entrypoint", "web", "--workers", "1"],
        cwd=tmp_path,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "PYTHONPATH": str(PROJECT),
            "ALCOVES_DATA_PATH": str(tmp_path),
            **given,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[0] == "alcoves.asgi:application"
    assert words[-2 - len(flags) :] == [*flags, "--workers", "1"]


def test_a_value_that_is_neither_true_nor_false_stops_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVES_BEHIND_PROXY", "perhaps")
    with pytest.raises(BadVariableError, match="ALCOVES_BEHIND_PROXY"):
        uvicorn_flags()
    done = subprocess.run(
        [sys.executable, "-m", "alcoves.embedded.proxies"],
        cwd=PROJECT,
        env={**own_environment(), "ALCOVES_BEHIND_PROXY": "perhaps"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("Alcoves cannot start: ALCOVES_BEHIND_PROXY='perhaps'")
