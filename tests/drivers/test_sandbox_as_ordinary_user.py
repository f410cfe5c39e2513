"""The same sandboxes where the server is an ordinary user: then they are made with user namespaces."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.drivers.ordinary import as_ordinary_user, pytest_as_ordinary_user

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user runs those tests anyway"),
]
PROVE = """
from webterm.drivers.sandbox_layout import Surroundings
from webterm.drivers.sandbox_proof import prove
try:
    proof = prove(Surroundings())
except Exception as error:
    print(type(error).__name__, error)
else:
    print("works")
"""
WITHOUT_NAMESPACES = (
    'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all "$@"'
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    "chosen",
    [
        ("tests/drivers/test_sandbox.py",),
        pytest.param(
            (
                "tests/drivers/test_sandbox_hogs.py",
                "-k",
                "fork_bomb or memory_hog or killing_everybody or leaves_nothing or outlives",
            ),
            marks=pytest.mark.alone,
        ),
        ("tests/drivers/test_local_looking.py", "-k", "same_port or calling or found_again or what_runs"),
        (
            "tests/contract/test_session.py",
            "-k",
            "sandbox and uvloop and (signal or status or clos or new_size or mix)",
        ),
    ],
    ids=["secrets", "hogs", "looking", "contract"],
)
def test_everything_holds(home: Path, chosen: tuple[str, ...]) -> None:
    assert " passed" in pytest_as_ordinary_user(home, *chosen)


def test_where_the_kernel_refuses_the_reason_is_said(home: Path) -> None:
    without = ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", WITHOUT_NAMESPACES, "sh")
    ran = as_ordinary_user(home, *without, sys.executable, "-c", PROVE)
    assert ran.stdout.startswith("IsolationRefused"), ran.stdout + ran.stderr
    assert "sysctl user.max_user_namespaces" in ran.stdout


def test_a_root_who_is_none_is_refused_with_a_reason(home: Path) -> None:
    ran = as_ordinary_user(home, "unshare", "--user", "--map-root-user", sys.executable, "-c", PROVE)
    assert ran.stdout.startswith("IsolationRefused"), ran.stdout + ran.stderr
    assert "ordinary user" in ran.stdout


def test_the_doctor_says_what_an_ordinary_user_has(home: Path) -> None:
    data = home / "data"
    ran = as_ordinary_user(home, sys.executable, "-m", "webterm", "doctor", "--data-dir", str(data))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "in a user namespace, in which no others can be made" in ran.stdout
    assert not data.exists()
