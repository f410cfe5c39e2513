"""``python -m webterm``: the same as the command ``webterm``."""

from __future__ import annotations

from webterm.cli import main

main(prog_name="webterm")
