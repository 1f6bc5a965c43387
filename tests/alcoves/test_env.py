"""Typed readers: a bad value is refused with the variable's name, a secret may lie in a file and is never told."""

from pathlib import Path

import pytest

from alcoves import env
from alcoves.env import BadVariableError


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("maybe", lambda: env.boolean("ALCOVES_X", default=True)),
        ("three", lambda: env.integer("ALCOVES_X", 3)),
        ("0", lambda: env.integer("ALCOVES_X", 3, low=1)),
        ("70000", lambda: env.integer("ALCOVES_X", 3, high=65535)),
        ("fast", lambda: env.number("ALCOVES_X", 1.5)),
        ("both", lambda: env.choice("ALCOVES_X", ("all", "server", "worker"), "all")),
    ],
)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str, read: object) -> None:
    monkeypatch.setenv("ALCOVES_X", value)
    with pytest.raises(BadVariableError, match="ALCOVES_X"):
        read()  # type: ignore[operator]


def test_values_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALCOVES_X", " yes ")
    assert env.boolean("ALCOVES_X", default=False)
    monkeypatch.setenv("ALCOVES_X", "12")
    assert env.integer("ALCOVES_X", 3, low=1, high=20) == 12
    monkeypatch.setenv("ALCOVES_X", "a, b ,,c")
    assert env.words("ALCOVES_X") == ["a", "b", "c"]
    monkeypatch.setenv("ALCOVES_X", str(tmp_path / ".." / tmp_path.name))
    assert env.path("ALCOVES_X", Path("/")) == tmp_path
    monkeypatch.setenv("ALCOVES_X", "")
    assert env.integer("ALCOVES_X", 7) == 7


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hidden\n")
    monkeypatch.setenv("ALCOVES_X_FILE", str(tmp_path / "key"))
    assert env.secret("ALCOVES_X") == "hidden"
    monkeypatch.setenv("ALCOVES_X_FILE", str(tmp_path / "missing"))
    with pytest.raises(BadVariableError, match="ALCOVES_X_FILE"):
        env.secret("ALCOVES_X")
