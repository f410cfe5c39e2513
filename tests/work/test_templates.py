"""Templates of the administrator's, and workspaces that are made from them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.work.bench import ANN, Bench, by
from webterm.errors import NoSuchTemplate
from webterm.settings import Settings
from webterm.work.environments import Environments
from webterm.work.templates import Templates
from webterm.work.workspaces import Environment

PYTHON = """
title = "Python"
description = "An empty package"

[environment]
env = { PYTHONDONTWRITEBYTECODE = "1" }
ports = [8000]
"""
GREEDY = {
    "large": "limits = { memory = 4294967296, processes = 10 }",
    "outside": 'cwd = "src/../.."',
}
"""Environments that no workspace may have."""
ENVIRONMENTS = Environments(Settings(), ("local", "echo"))


def lay_out(directory: Path) -> None:
    files = directory / "python" / "files"
    (files / "src" / "deep").mkdir(parents=True)
    (directory / "python" / "template.toml").write_text(PYTHON)
    (files / "README.md").write_bytes(b"hello\xff\0")
    (files / "run.sh").write_text("#!/bin/sh\n")
    (files / "run.sh").chmod(0o755)
    (files / "src" / "main.py").write_bytes(b"x" * 600_000)
    (files / os.fsdecode(b"caf\xe9")).write_text("")
    (files / "passwd").symlink_to("/etc/passwd")
    (directory / "empty").mkdir()
    (directory / "bare" / "files").mkdir(parents=True)
    (directory / "settings").mkdir()
    (directory / "settings" / "template.toml").write_text('[environment]\nnetwork = false\nimage = "tools:1"\n')
    (directory / ".hidden" / "files").mkdir(parents=True)
    (directory / "broken").mkdir()
    (directory / "broken" / "template.toml").write_text("title = ")
    (directory / "wrong").mkdir()
    (directory / "wrong" / "template.toml").write_text("[environment]\nprivileged = true\n")
    for name, asked in GREEDY.items():
        (directory / name).mkdir()
        (directory / name / "template.toml").write_text(f"[environment]\n{asked}\n")
    (directory / "notes.txt").write_text("")


async def test_those_that_can_be_understood_are_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.to_thread(lay_out, tmp_path)
    templates = Templates(tmp_path, ENVIRONMENTS)
    bare, python, settings = await templates.all()
    assert (python.name, python.title, python.description) == ("python", "Python", "An empty package")
    assert python.environment == Environment(env={"PYTHONDONTWRITEBYTECODE": "1"}, ports=(8000,))
    assert (bare.name, bare.title, bare.environment) == ("bare", "bare", Environment())
    assert settings.environment == Environment(network=False, image="tools:1")
    assert await templates.images() == {"tools:1"}
    assert await templates.get("python") == python
    for name in (
        *GREEDY,
        "empty",
        "broken",
        "wrong",
        ".hidden",
        "none",
        "",
        ".",
        "..",
        "python/files",
        "notes.txt",
        "a\0",
    ):
        with pytest.raises(NoSuchTemplate):
            await templates.get(name)
    assert "template broken cannot" in caplog.text
    assert "privileged" in caplog.text
    assert "template large asks for what no workspace may have: memory: 4 GiB asked for, " in caplog.text
    assert "template outside asks for what no workspace may have: cwd: 'src/../..' leads out of" in caplog.text


async def test_the_directory_need_not_be_there(tmp_path: Path) -> None:
    templates = Templates(tmp_path / "none", ENVIRONMENTS)
    assert await templates.all() == []
    with pytest.raises(NoSuchTemplate):
        await templates.get("python")


async def test_a_workspace_gets_a_template_s_files_and_environment(bench: Bench) -> None:
    await asyncio.to_thread(lay_out, bench.settings.templates_dir)
    made = await bench.make(template="python")
    assert (made.template, made.environment.ports) == ("python", (8000,))
    root = bench.workspaces.root(made)

    def look() -> None:
        names = sorted(os.fsencode(path.name) for path in root.iterdir())
        assert names == [b"README.md", b"caf\xe9", b"run.sh", b"src"]
        assert (root / "README.md").read_bytes() == b"hello\xff\0"
        assert (root / "src" / "main.py").stat().st_size == 600_000
        assert (root / "src" / "deep").is_dir()
        assert (root / "run.sh").stat().st_mode & 0o100
        assert not (root / "README.md").stat().st_mode & 0o111
        whose = {path.stat().st_uid for path in (root, *root.rglob("*"))}
        assert whose == {os.geteuid() if made.account is None else made.account}

    await asyncio.to_thread(look)
    other = await bench.workspaces.create(
        ANN, by(ANN), name="own", template="python", environment=Environment(cwd="src")
    )
    assert other.workspace.environment == Environment(cwd="src")
    assert (await bench.make(template="settings")).environment == Environment(network=False, image="tools:1")
