"""What the code itself says: every variable it reads, and the tables of the documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DOCS = PROJECT / "docs"
PACKAGES = ("alcoves", "media", "ml", "storage")
READERS = frozenset(
    {"boolean", "choice", "integer", "mapping", "number", "path", "raw", "read", "secret", "text", "words"}
)


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (PROJECT / package).rglob("*.py")


def variables_in_code() -> set[str]:
    """The names in every `env.reader("NAME", ...)`, whatever module name the reader is reached by."""
    found = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := variable_of(node)):
                found.add(name)
    return found


def variable_of(call: ast.Call) -> str | None:
    function = call.func
    reader = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    first = call.args[0] if call.args else None
    if reader in READERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value if re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", first.value) else None
    return None


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the tables under one heading of a document, without their head and rule."""
    text = (DOCS / document).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"{document} has no heading {heading}"
    section = rest.partition("\n## ")[0]
    return list(cells(section))


def cells(section: str) -> Iterator[list[str]]:
    table: list[list[str]] = []
    for line in [*section.splitlines(), ""]:
        if line.startswith("|"):
            table.append(
                [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            )
        elif table:
            yield from table[2:]
            table = []


def bare(cell: str) -> str:
    """Without the code marks."""
    return cell.strip("`")
