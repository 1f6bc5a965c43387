"""docs/architecture.md names every room that is there, and no room that is not."""

import re
import tomllib

from tests.docs.reading import DOCS, PROJECT

TEXT = (DOCS / "architecture.md").read_text(encoding="utf-8")
LAYOUT = TEXT.partition("## Layout")[2].partition("## Who may import whom")[0]
NOT_TOLD = {"__init__.py", "apps.py", "migrations", "__pycache__", "wsgi.py", "management"}


def rooms(package: str) -> set[str]:
    """Modules and packages directly in a package."""
    found = {
        path.name
        for path in (PROJECT / package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return found - NOT_TOLD


def test_every_room_of_the_project_and_of_media_is_told() -> None:
    for package in ("alcoves", "media", "ml"):
        missing = {name for name in rooms(package) if not re.search(rf"\b{re.escape(name)}(/|\b)", LAYOUT)}
        assert not missing, f"{package}: {sorted(missing)}"


def test_no_room_is_told_that_is_not_there() -> None:
    for line in LAYOUT.splitlines():
        if "(later)" not in line:
            for name in re.findall(r"\b([a-z_0-9]+\.py)\b", line):
                assert any(
                    (PROJECT / folder / name).exists() for folder in ("", "alcoves", "media", "ml", "storage")
                ), name


def test_media_is_layered_as_told() -> None:
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "importlinter"
    ]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["media"])
    told = TEXT.partition("inside media:\n")[2].partition("\n\n")[0]
    assert [part.strip() for part in re.split(r">", told)] == layers[1:]  # apps stands above all.


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [*DOCS.rglob("*.md"), PROJECT / "README.md", PROJECT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if (
                "://" not in target
                and not target.startswith("images/")
                and not target.startswith("docs/images/")
            ):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
