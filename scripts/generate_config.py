"""Make ``config.example.toml`` and the table of ``docs/configuration.md`` from the settings' rows.

python -m scripts.generate_config           # writes both files
python -m scripts.generate_config --check   # exit status 1 when one of them is stale
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import msgspec

from webterm.settings import SECTIONS, Row, rows
from webterm.settings_sources import allowed

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "config.example.toml"
DOCUMENT = ROOT / "docs" / "configuration.md"
WIDTH = 100

INTRODUCTION = """\
# Configuration

<!-- Made by scripts/generate_config.py from webterm/settings.py. Change it there. -->

`webterm serve` takes each setting from the strongest source that has it:

1. its flag, where it has one (`webterm serve --help`);
2. the environment: `WEBTERM_<SECTION>__<KEY>`, for instance `WEBTERM_SERVER__PORT=9000`. Commas separate a
   list, a table is a JSON object;
3. the TOML file that `--config` or `WEBTERM_CONFIG` names (`config.example.toml` shows every setting);
4. the default.

Before anything starts, every fault of every source is reported, with the source, the key, what was found and what is
allowed.
"""


def main() -> int:
    """Write the files, or compare them where ``--check`` is given."""
    made = {EXAMPLE: example(), DOCUMENT: document()}
    if "--check" not in sys.argv[1:]:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run python -m scripts.generate_config", file=sys.stderr)
    return 1 if stale else 0


def sections() -> Iterator[tuple[str, str, list[Row]]]:
    """Name, description and rows of each section."""
    for name, group in groupby(rows(), key=lambda row: row.section):
        yield name, (SECTIONS[name].__doc__ or "").strip(), list(group)


def example() -> str:
    """Every setting with its default, commented out."""
    lines = ["# Every setting of webterm with its default. Made by scripts/generate_config.py.", ""]
    for name, description, group in sections():
        lines += [f"# {description}", f"[{name}]", ""]
        for row in group:
            text = f"{row.help} Allowed: {allowed(row)}." + (
                f" Default: {row.default_text}." if row.default_text else ""
            )
            lines += textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines += [f"#{row.name} = {toml(row.default)}", ""]
    return "\n".join(lines)


def document() -> str:
    """The settings as tables."""
    lines = [INTRODUCTION]
    for name, description, group in sections():
        lines += [f"## [{name}]", "", description, "", "| key | default | allowed | meaning |", "|---|---|---|---|"]
        for row in group:
            default = row.default_text or ("none" if row.default is None else f"`{toml(row.default)}`")
            lines.append(f"| `{row.name}` | {default} | {allowed(row)} | {row.help} |")
        lines.append("")
    return "\n".join(lines)


def toml(value: object) -> str:
    """A default as TOML writes it. JSON's notation of texts, numbers and lists of texts is TOML's, too."""
    if isinstance(value, msgspec.Struct):
        return toml(msgspec.to_builtins(value))
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    return '""' if value is None else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main())
