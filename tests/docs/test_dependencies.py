"""docs/dependencies.md against requirements/*.in."""

import re

import pytest

from tests.docs.reading import PROJECT, bare, rows


def asked_for(name: str) -> set[str]:
    lines = (PROJECT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in lines if line and not line.startswith(("-", "#")))
    return {found[0].lower() for found in names if found}


@pytest.mark.parametrize(("file", "heading"), [("base.in", "To run"), ("dev.in", "To develop and test")])
def test_every_direct_dependency_is_told(file: str, heading: str) -> None:
    told = rows("dependencies.md", heading)
    assert {bare(row[0]) for row in told} == asked_for(file)
    assert all(row[1] and row[2] for row in told)


@pytest.mark.parametrize("file", ["base", "dev"])
def test_the_lock_has_each_of_them_with_hashes_and_names_no_address(file: str) -> None:
    text = (PROJECT / f"requirements/{file}.txt").read_text(encoding="utf-8")
    locked = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE)}
    assert asked_for(f"{file}.in") <= locked
    assert text.count("--hash=sha256:") >= len(locked)
    assert "://" not in text
