"""What commands do in a real container engine: ``webterm gc``, ``webterm image build``, ``webterm doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import DEBIAN, SERVER, WORKSPACE, RealEngine
from tests.images import BASE
from webterm import datadir

pytestmark = pytest.mark.docker


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return datadir.prepare(tmp_path / "data")


def webterm(data: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webterm", *words, "--data-dir", str(data)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEBTERM")}
    chosen = {f"WEBTERM_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run(command, env=kept | chosen, capture_output=True, text=True, timeout=100, check=False)


def findings(data: Path, status: int, **settings: str) -> dict[str, dict[str, object]]:
    ran = webterm(data, "doctor", "--json", **settings)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return {found["name"]: found for found in json.loads(ran.stdout)["findings"]}


def test_what_is_left_of_workspaces_that_are_gone_is_removed(data: Path, engine: RealEngine, namespace: str) -> None:
    assert webterm(data, "db", "migrate").returncode == 0
    own = datadir.identity(data)
    unused = f"webterm-test:{own[:12]}"
    engine.call("POST", f"/images/{BASE}/tag", repo="webterm-test", tag=own[:12])
    (data / "containers").mkdir(exist_ok=True)
    (data / "containers" / "pulled").write_text(f"{unused}\nnot/there:any/more\n")
    try:
        engine.run(own, Labels={SERVER: own, WORKSPACE: "6c34d4a2-ad49-4a65-9a9b-1bb07d1d54ef"})
        engine.run(own)  # young, and whatever it does, it is about to end
        others = engine.run(namespace, Labels={SERVER: namespace, WORKSPACE: "6c34d4a2-ad49-4a65-9a9b-1bb07d1d54ef"})
        ran = webterm(data, "gc", docker__host=engine.host)
        assert ran.returncode == 0, ran.stderr
        assert "of workspace 6c34d4a2-ad49-4a65-9a9b-1bb07d1d54ef" in ran.stdout
        assert f"Removed image {unused}\n" in ran.stdout
        assert unused not in engine.tags()
        assert BASE in engine.tags()
        assert len(engine.of(own)["containers"]) == 1
        assert engine.of(namespace) == {"containers": [others]}
    finally:
        engine.remove(own)
    ran = webterm(data, "gc", docker__host="unix:///not/there")
    assert (ran.returncode, ran.stdout) == (0, "There is no container engine, and so nothing to remove.\n")
    ran = webterm(data, "gc", docker__host="unix:///not/there", runtimes__driver="docker")
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "does not answer: No such file or directory" in ran.stderr


def test_doctor_says_what_containers_need(data: Path, engine: RealEngine) -> None:
    chosen = {"docker__host": engine.host, "docker__image": DEBIAN, "docker__guard_image": DEBIAN}
    found = findings(data, 0, runtimes__driver="docker", **chosen)
    for name in ("engine", "image", "network"):
        assert found[name]["works"] is True, found[name]
    assert found["engine"]["needed"] is True
    assert "containers" not in found
    missing = {"docker__host": engine.host, "docker__image": "not/there", "docker__guard_image": "not/there"}
    found = findings(data, 1, runtimes__driver="docker", docker__pull="false", docker__disk="0", **missing)
    assert found["containers"]["works"] is found["containers"]["needed"] is False
    assert found["image"]["mend"] == "docker pull not/there"
    assert "containers have no network" in str(found["network"]["found"])
    found = findings(data, 1, runtimes__driver="docker", docker__host="unix:///not/there")
    assert "docker.host" in str(found["engine"]["mend"])
    found = findings(data, 0, docker__host="unix:///not/there")
    assert found["engine"]["needed"] is False
    assert not {"engine", "image", "network"} & set(findings(data, 0, runtimes__driver="local"))


def test_an_image_is_built(data: Path, engine: RealEngine) -> None:
    tag = f"webterm-test:{data.parent.name}"
    try:
        ran = webterm(data, "image", "build", "guard", "--tag", tag, "--base", BASE, docker__host=engine.host)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert ran.stdout.startswith(f"Building {tag}\n")
        assert ran.stdout.endswith(f"The container engine has the image {tag}.\n")
        found = findings(data, 0, docker__host=engine.host, docker__image=tag, docker__guard_image=tag)
        assert found["image"]["works"] is found["network"]["works"] is True
    finally:
        engine.call("DELETE", f"/images/{tag}")
    ran = webterm(data, "image", "build", "guard", "--base", "127.0.0.1:1/not/there", docker__host=engine.host)
    assert ran.returncode == 1
    assert "webterm: the image webterm-guard:latest could not be built" in ran.stderr
    assert webterm(data, "image", "build", "--tag", "x").returncode == 2
