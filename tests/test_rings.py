"""Who may import whom: the table of docs/architecture.md, read from the source.

Imports inside functions and under TYPE_CHECKING count like all others.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "webterm"

VOCABULARY = (
    "errors", "ids", "access", "tasks", "settings_checks", "settings_accounts", "settings_workspaces",
    "settings_runtimes", "settings", "settings_sources", "exits", "execution", "runtime", "session", "events",
    "datadir", "running",
)  # fmt: skip
"""Ring 0. Each may import those before it."""
MACHINERY = ("drivers", "keeper", "hub", "store", "clients", "files")
RULES = ("accounts", "work", "terminals", "assist")
TOP = ("__init__", "__main__", "composition", "app", "cli", "commands")

OURS: dict[str, tuple[str, ...]] = {
    **{name: VOCABULARY[:place] for place, name in enumerate(VOCABULARY)},
    "keeper": (),
    "drivers": VOCABULARY,
    "hub": VOCABULARY,
    "store": ("errors", "ids", "access"),
    "clients": VOCABULARY,
    "files": VOCABULARY,
    **dict.fromkeys(RULES, (*VOCABULARY, *MACHINERY, *RULES)),
    "protocol": (*VOCABULARY, *RULES, "hub"),
    "web": (*VOCABULARY, *RULES, "protocol"),
    "dialects": (*VOCABULARY, *RULES, "protocol", "web"),
    **dict.fromkeys(TOP, (*VOCABULARY, *MACHINERY, *RULES, "protocol", "web", "dialects", *TOP[2:])),
}
"""What each part of webterm may import of webterm, besides itself."""

THEIRS: dict[str, set[str]] = {
    "settings": {"msgspec"},
    "settings_sources": {"msgspec"},
    "keeper": {"ptyprocess"},
    "settings_accounts": {"msgspec"},
    "settings_workspaces": {"msgspec"},
    "settings_runtimes": {"msgspec"},
    "store": {"aiosqlite", "alembic", "asyncpg", "msgspec", "sqlalchemy"},
    "clients": {"aiohttp", "cryptography", "jwt", "msgspec", "yarl"},
    "accounts": {"bcrypt", "cryptography", "email_validator", "jwt", "limits", "msgspec"},
    "files": {"asyncinotify"},
    "work": {"msgspec"},
    "terminals": {"msgspec"},
    "assist": {"msgspec"},
    "protocol": {"msgspec"},
    "web": {"aiohttp", "aiohttp_session", "limits", "msgspec", "prometheus_client", "redis"},
    "dialects": {"aiohttp", "msgspec"},
    "composition": {"aiohttp"},
    "app": {"aiohttp"},
    "cli": {"click", "uvloop"},
    "commands": {"click"},
}
"""What each part may import of others, besides the standard library."""

SINGLE_THEIRS = {"drivers/docker/engine": {"aiodocker", "aiohttp"}, "drivers/ssh": {"asyncssh"}}
SINGLE_OURS = {"drivers/local": {"webterm.keeper.client"}, "drivers/keeping": {"webterm.keeper.client"}}
"""What one module of a package may import beyond the rest of it; so may modules named ``local_*`` and ``local/*``."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            assert node.module is not None
            if node.module in {"webterm", "webterm.keeper"}:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def part(path: Path) -> str:
    """The first name under webterm: a package, or a module at the top."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def single(path: Path, table: dict[str, set[str]]) -> set[str]:
    name = path.relative_to(PACKAGE).with_suffix("").as_posix()
    return {
        item for key, items in table.items() if name == key or name.startswith((f"{key}/", f"{key}_")) for item in items
    }


def offences(path: Path) -> list[str]:
    own = part(path)
    found = []
    for name in imports(path):
        root, _, rest = name.partition(".")
        if root == "webterm":
            target = rest.partition(".")[0]
            fine = target == own or target in OURS[own] or name in single(path, SINGLE_OURS)
        else:
            fine = root in sys.stdlib_module_names or root in THEIRS.get(own, set()) | single(path, SINGLE_THEIRS)
        if not fine:
            found.append(f"{path.relative_to(PACKAGE.parent)} imports {name}")
    return found


def test_every_part_has_its_place() -> None:
    assert {part(path) for path in MODULES} <= set(OURS)


def test_the_source_is_seen() -> None:
    """The other tests would pass if they looked into an empty directory."""
    assert {"errors", "session", "keeper", "drivers", "hub", "protocol", "web", "app", "cli"} <= {
        part(path) for path in MODULES
    }
    assert "msgspec" in set(imports(PACKAGE / "settings.py"))


def test_imports_point_one_way() -> None:
    assert [offence for path in MODULES for offence in offences(path)] == []


def test_the_package_itself_imports_nothing() -> None:
    """Because the keeper is part of it, and must stay small."""
    body = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body
    names = [node.module for node in body if isinstance(node, ast.ImportFrom)]
    assert names == ["__future__"]
    assert not [node for node in body if isinstance(node, ast.Import)]
