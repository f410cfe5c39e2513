"""The shape of the source: modules that one can read to the end, named after what is in them, and explained."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 400
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base", "const", "constants"}

PRODUCT = sorted((ROOT / "webterm").rglob("*.py"))
FOLDERS = ("webterm", "tests", "scripts", "bench", "examples", "_build")
PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PAGE = sorted(path for kind in ("*.ts", "*.tsx") for path in (ROOT / "frontend" / "src").rglob(kind))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_source_is_seen() -> None:
    assert ROOT / "webterm" / "session.py" in PRODUCT
    assert Path(__file__) in PYTHON


def length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_a_module_can_be_read_to_its_end() -> None:
    written = [path for path in (*PYTHON, *PAGE) if ".gen." not in path.name]
    assert not [name(path) for path in written if length(path) > LONGEST]


def words_of(path: Path) -> set[str]:
    """What its name is made of, and those of the directories that it is in."""
    return {piece.removeprefix("test_") for piece in path.relative_to(ROOT).with_suffix("").parts}


def test_a_module_is_named_after_what_is_in_it() -> None:
    assert not [name(path) for path in (*PYTHON, *PAGE) if words_of(path) & DRAWERS]


def undocumented(body: list[ast.stmt], *, bases: bool = False) -> Iterator[str]:
    """Public classes and functions without a docstring.

    A method needs none where its class has a base, which says what it does, or where it is a property or shorter than
    three statements.
    """
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        trivial = isinstance(node, ast.ClassDef) and len(node.body) <= 2
        inherited = not isinstance(node, ast.ClassDef) and (bases or len(node.body) <= 2)
        if ast.get_docstring(node) is None and not trivial and not inherited:
            yield f"{node.name} (line {node.lineno})"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, bases=bool(node.bases))


def is_code(node: ast.stmt) -> bool:
    return not (isinstance(node, ast.ImportFrom) and node.module == "__future__")


def unexplained(path: Path) -> list[str]:
    """What of a module lacks a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    explained = ast.get_docstring(tree) or not any(map(is_code, tree.body))
    return [*([] if explained else ["the module"]), *undocumented(tree.body)]


def test_what_is_public_says_what_it_is() -> None:
    found = {name(path): unexplained(path) for path in PRODUCT}
    assert {path: without for path, without in found.items() if without} == {}


def test_nothing_that_is_built_is_committed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "setup.cfg" in tracked
    assert not [path for path in tracked if "node_modules/" in path or path.startswith("webterm/static/")]
