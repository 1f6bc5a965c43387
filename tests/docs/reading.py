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


def programs() -> Iterator[Path]:
    """What people start: Python or a shell, by the first line."""
    yield PROJECT / "manage.py"
    yield from (path for path in (PROJECT / "script").iterdir() if path.is_file())
    yield from (PROJECT / "deploy" / name for name in ("entrypoint", "make-secrets"))
    yield PROJECT / ".ci" / "run"


def variables_of_the_system() -> set[str]:
    """What is read from or put into the environment past `env`, in our code and in our programs."""
    found = set()
    for path in [*sources(), *programs()]:
        text = path.read_text(encoding="utf-8")
        found |= variables_in_shell(text) if re.match(r"#!.*sh\b", text) else variables_in_python(text)
    return found


def variables_in_shell(text: str) -> set[str]:
    own = {"BASH_SOURCE"}  # Bash's own, no variable of the environment.
    code = "\n".join(line.partition(" #")[0] for line in text.splitlines() if not line.startswith("#"))
    return set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", code)) - own


def variables_in_python(text: str) -> set[str]:
    """The constants of `os.environ[...]`, `.get`, `.setdefault`, `.pop` and `os.getenv`."""
    tree = ast.parse(text)
    constants = named_tuples(tree)
    found = set()
    for node in ast.walk(tree):
        for key in keys_of(node):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found.add(key.value)
        if isinstance(node, (ast.DictComp, ast.ListComp, ast.SetComp)) and "environ" in ast.unparse(node):
            for generator in node.generators:
                found |= constants.get(ast.unparse(generator.iter), set())
    return found


def keys_of(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
        return [node.slice]
    asks = {"os.environ.get", "os.environ.setdefault", "os.environ.pop", "os.getenv", "environ.get"}
    if isinstance(node, ast.Call) and ast.unparse(node.func) in asks:
        return node.args[:1]
    return []


def named_tuples(tree: ast.Module) -> dict[str, set[str]]:
    """The texts in each constant of the module, for comprehensions that go over one."""
    assigned = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value]
    return {
        ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0]): {
            one.value
            for one in ast.walk(node.value or node)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        }
        for node in assigned
    }


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
