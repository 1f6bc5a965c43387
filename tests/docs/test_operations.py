"""docs/operations.md and docs/security.md: every command, backups by our own, and all that leaves."""

from tests.docs.reading import DOCS, PROJECT, bare, rows

COMMANDS = {
    path.stem
    for path in PROJECT.glob("*/**/management/commands/*.py")
    if path.stem != "__init__" and not {".venv", "tests"} & set(path.relative_to(PROJECT).parts)
}
STARTED_BY_OTHERS = {"flower", "demo"}
"""By `script/up` and the containers."""


def section(document: str, heading: str) -> str:
    text = (DOCS / document).read_text(encoding="utf-8")
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_command_stands_among_the_everyday_ones() -> None:
    told = " ".join(row[0] for row in rows("operations.md", "Everyday commands"))
    assert {"backup", "restore", "doctor"} <= COMMANDS
    assert {name for name in COMMANDS - STARTED_BY_OTHERS if f"`{name}" not in told} == set()


def test_backups_are_made_by_our_own_commands() -> None:
    """A dump and a copy by hand have nothing of what makes a restore safe."""
    told = section("operations.md", "Backup")
    assert "](backup.md" in told
    for command in ("backup", "verify", "restore"):
        assert f"manage.py {command}" in told
    assert "pg_restore" not in told
    assert "rsync" not in told


def test_all_that_leaves_is_told() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    told = {bare(line.split("|")[1].strip()): line for line in text.splitlines() if line.startswith("| ")}
    for what in ("models", "mail", "webhook", "backups", "s3://", "plain", "traces"):
        assert what in told["Traffic outwards"], what
    for part in ("models", "worker-maintenance", "web"):
        assert f"`{part}`" in told["Traffic outwards in containers"], part
