"""The table of run-time settings: whole, true to the environment, and read by the code."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from alcoves import env
from alcoves.settings import base
from alcoves.settings.live import BY_NAME, TABLE, Live
from tests.docs.reading import DOCS, PACKAGES, PROJECT

ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


def code() -> str:
    paths = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if "settings/live" not in str(path))


CODE = code()


@ROWS
def test_each_is_read_by_the_code_where_it_counts(row: Live) -> None:
    assert re.search(rf"""value\(\s*"{row.name}"\s*\)""", CODE), f"nobody reads {row.name}"


@ROWS
def test_none_is_read_past_the_one_reader(row: Live) -> None:
    assert not re.search(rf"\bsettings\.{row.name}\b", CODE), f"{row.name} is read from the environment alone"


def test_every_name_that_is_read_is_in_the_table() -> None:
    asked = set(re.findall(r"""\blive\.value\(\s*"([A-Z_0-9]+)"\s*\)""", CODE))
    assert asked <= set(BY_NAME)
    assert len(asked) > 30


@ROWS
def test_each_is_whole(row: Live) -> None:
    assert row.checked(row.default) == row.default
    assert row.help.endswith(".")
    assert row.group
    assert row.env.startswith("ALCOVES_")
    if row.kind in {int, float}:
        assert row.low is not None
        assert row.high is not None
    assert f"| `{row.env}` |" in (DOCS / "configuration.md").read_text(encoding="utf-8")


def test_names_are_unique_and_documents_mark_which_are_live() -> None:
    assert len(BY_NAME) == len(TABLE)
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    marked = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `") and "*live*" in line}
    assert marked == {row.env for row in TABLE}


def test_the_environment_has_the_defaults_and_the_limits_of_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: dict[str, tuple[Any, Any]] = {}

    def recording(reader: Any) -> Any:
        def read(name: str, default: Any, *, low: Any = None, high: Any = None) -> Any:
            limits[name] = (low, high)
            return reader(name, default, low=low, high=high)

        return read

    for row in TABLE:
        monkeypatch.delenv(row.env, raising=False)
        monkeypatch.delenv(f"{row.env}_FILE", raising=False)
    monkeypatch.setattr(env, "integer", recording(env.integer))
    monkeypatch.setattr(env, "number", recording(env.number))
    found = runpy.run_path(str(Path(base.__file__)))
    for row in TABLE:
        assert found[row.name] == row.default, row.name
        if row.kind in {int, float}:
            assert limits[row.env] == (row.low, row.high), row.name


def test_constance_has_the_same_table() -> None:
    assert set(django_settings.CONSTANCE_CONFIG) == set(BY_NAME)
    shown = [name for names in django_settings.CONSTANCE_CONFIG_FIELDSETS.values() for name in names]
    assert sorted(shown) == sorted(BY_NAME)


WHOLE = Live(name="A", group="g", kind=int, help="h", default=5, low=1, high=10)
REAL = Live(name="B", group="g", kind=float, help="h", default=0.5, low=0, high=1)
SWITCH = Live(name="C", group="g", kind=bool, help="h", default=True)
TEXT = Live(name="D", group="g", kind=str, help="h", default="", longest=5)
CHOICE = Live(name="E", group="g", kind=str, help="h", default="a", options=("a", "b"))
ADDRESS = Live(name="F", group="g", kind=str, help="h", default="", url=True, secret=True)
NAN = float("nan")


BAD: list[tuple[Live, list[Any]]] = [
    (WHOLE, [0, 11, 5.0, "5", True, None, [5], {"a": 1}, 10**40]),
    (REAL, [-0.1, 1.1, "0.5", False, NAN, float("inf"), None, 10**400]),
    (SWITCH, [0, 1, "true", None, []]),
    (TEXT, ["sixsix", 5, None, b"a", "a\nb", "a\0b"]),
    (CHOICE, ["c", "A", "", None, 1]),
    (ADDRESS, ["ftp://a.b", "javascript:alert(1)", "https://", "a.b", 5]),
]


@pytest.mark.parametrize(("row", "value"), [(row, value) for row, values in BAD for value in values])
def test_no_value_is_made_to_fit(row: Live, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{row.name} must be .* is not.$"):
        row.checked(value)


@pytest.mark.parametrize(
    ("row", "text", "value"),
    [
        *((WHOLE, "7", 7), (WHOLE, " 7 ", 7), (REAL, "0.25", 0.25), (REAL, "1", 1.0), (REAL, ".5", 0.5)),
        *(
            (SWITCH, "on", True),
            (SWITCH, "False", False),
            (TEXT, "hi", "hi"),
            (TEXT, "", ""),
            (CHOICE, "b", "b"),
        ),
        (ADDRESS, "https://hooks.example.org/x?token=1", "https://hooks.example.org/x?token=1"),
    ],
)
def test_text_is_read_as_its_kind(row: Live, text: str, value: Any) -> None:
    parsed = row.parsed(text)
    assert (parsed, type(parsed)) == (value, row.kind)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (WHOLE, "7.0"),
        (WHOLE, "1_0"),
        (WHOLE, "\u0667"),
        (WHOLE, ""),
        (REAL, "nan"),
        (REAL, "0,5"),
        (SWITCH, "maybe"),
    ],
)
def test_text_that_is_not_of_the_kind_is_refused(row: Live, text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        row.parsed(text)


def test_a_secret_is_in_no_sentence() -> None:
    with pytest.raises(ValueError, match="What was given is not") as caught:
        ADDRESS.checked("hunter2")
    assert "hunter2" not in str(caught.value)
