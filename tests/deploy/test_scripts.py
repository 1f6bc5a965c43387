"""The shell scripts of deploy/: their syntax, and what make-secrets leaves."""

import re
import stat
import subprocess  # noqa: TID251  Scripts are run as an operator would.
from pathlib import Path

import pytest

from tests.docs.reading import PROJECT

YOURS = {
    *("mail_password", "alert_webhook_url"),
    *("backup_passphrase", "backup_s3_access_key", "backup_s3_secret_key"),
}


@pytest.mark.parametrize("name", ["entrypoint", "make-secrets"])
def test_the_shell_takes_it(name: str) -> None:
    path = PROJECT / "deploy" / name
    assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
    assert path.stat().st_mode & stat.S_IXUSR


def make(folder: Path) -> dict[str, str]:
    subprocess.run([PROJECT / "deploy/make-secrets", folder], check=True, capture_output=True)
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_secrets_are_random_long_and_closed_to_others(tmp_path: Path) -> None:
    made = make(tmp_path / "one")
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o700
    assert re.fullmatch(r"[0-9a-f]{96}", made["secret_key"])
    assert f":{made['postgres_password']}@postgres:5432/" in made["database_url"]
    other = make(tmp_path / "two")
    assert all(made[name] != other[name] for name in made.keys() - YOURS)


def test_what_only_the_operator_knows_is_left_empty_and_stays_when_it_is_filled(tmp_path: Path) -> None:
    """A passphrase that is made up here would be lost with the machine, and the backups with it."""
    made = make(tmp_path / "one")
    assert {name for name, value in made.items() if not value} == YOURS
    (tmp_path / "one" / "backup_passphrase").chmod(0o600)
    (tmp_path / "one" / "backup_passphrase").write_text("correct horse battery staple")
    assert make(tmp_path / "one")["backup_passphrase"] == "correct horse battery staple"


def test_secrets_that_are_there_stay(tmp_path: Path) -> None:
    assert make(tmp_path / "one") == make(tmp_path / "one")


def test_the_worker_role_asks_for_its_lane(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", PROJECT / "deploy/entrypoint", "worker"],
        env={"ALCOVES_DATA_PATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Say the lane" in done.stderr
