"""What people install: the wheel and the source distribution carry the built page, and a checkout builds it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = "webterm/static/index.html"
MIGRATION = "webterm/store/migrations/versions/v0001_people.py"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def run(*words: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "WEBTERM_SKIP_WEB"}}
    return subprocess.run(
        [*map(str, words)], cwd=cwd, env=ours | environ, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the checkout that git knows or would add, and nothing that has been built."""
    copy = tmp_path_factory.mktemp("checkout")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    assert not (copy / PAGE).exists()
    return copy


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, built from the checkout with the page."""
    out = tmp_path_factory.mktemp("sdist")
    done = run(sys.executable, "-m", "build", "--sdist", "--outdir", out, cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.iterdir())


@pytest.fixture(scope="module")
def path_without_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which git and a shell are, and Node is not."""
    folder = tmp_path_factory.mktemp("path")
    for name in ("sh", "git"):
        (folder / name).symlink_to(shutil.which(name) or "missing")
    return str(folder)


@pytest.fixture(scope="module")
def wheel(sdist: Path, path_without_node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution where there is no Node."""
    out = tmp_path_factory.mktemp("wheel")
    done = run(*PIP, "wheel", "-q", "--no-deps", "-w", out, sdist, cwd=out, PATH=path_without_node)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_sdist_carries_the_built_page_and_not_its_source(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {PAGE, MIGRATION, "Dockerfile", "LICENSE", "README.md", "config.example.toml"} <= names
    assert {"_build/backend.py", "tests/conftest.py"} <= names
    assert not [name for name in names if name.startswith("frontend/") or "node_modules" in name]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_carries_the_built_page_and_the_package_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {PAGE, MIGRATION} <= set(names)
    assert any(name.startswith("webterm/static/assets/") for name in names)
    assert {name.partition("/")[0] for name in names} == {"webterm", wheel.name.split("-py3")[0] + ".dist-info"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows the dependencies of this one."""
    done = run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    python = tmp_path / "venv" / "bin" / "python"
    assert run(python, "-m", "pip", "install", "-q", "--no-deps", wheel, cwd=tmp_path).returncode == 0
    borrowed = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))}
    webterm = tmp_path / "venv" / "bin" / "webterm"
    done = run(webterm, "--version", cwd=tmp_path, **borrowed)
    assert done.stdout == f"webterm {wheel.name.split('-')[1]}\n", done.stderr
    done = run(webterm, "db", "migrate", "--data-dir", tmp_path / "data", cwd=tmp_path, **borrowed)
    assert done.stdout.startswith("The schema is at revision "), done.stderr
    code = "import webterm, pathlib; print((pathlib.Path(webterm.__file__).parent / 'static/index.html').exists())"
    done = run(python, "-c", code, cwd=tmp_path)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_checkout_without_node_says_what_to_install(checkout: Path, path_without_node: str, tmp_path: Path) -> None:
    done = run(*PIP, "wheel", "--no-deps", "-w", tmp_path, ".", cwd=checkout, PATH=path_without_node)
    assert done.returncode != 0
    wanted = json.loads((ROOT / "frontend" / "package.json").read_text())["engines"]["node"]
    assert f"a checkout builds its page with Node.js {wanted} and npm" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_nothing_is_imported_with_the_package() -> None:
    code = "import sys; before = set(sys.modules); import webterm; print(*set(sys.modules) - before - {'__future__'})"
    done = run(sys.executable, "-c", code, cwd=ROOT, PYTHONPATH=str(ROOT))
    assert done.stdout == "webterm\n", done.stderr
