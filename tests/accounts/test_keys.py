"""The secret file: made once, never silently made anew; one key for each purpose."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from webterm.accounts.keys import FILE, SIZE, Keys, load
from webterm.errors import DataDirectoryError

STARTING = """
import pathlib, sys
from webterm.accounts.keys import load
input()
print(load(pathlib.Path(sys.argv[1])).key("x").hex())
"""


def test_the_secret_stays_and_is_private(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path)
    assert first.key("jwt") == second.key("jwt")
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size == SIZE
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_servers_have_different_secrets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert load(tmp_path / "a").key("jwt") != load(tmp_path / "b").key("jwt")


def test_purposes_have_keys_of_their_own() -> None:
    keys = Keys(bytes(SIZE))
    made = {keys.key(purpose) for purpose in ("jwt", "password pepper", "jwt ", "")}
    assert len(made) == 4
    assert {len(key) for key in made} == {SIZE}
    # HKDF with SHA-256 as anybody computes it: stored passwords depend on it not changing.
    assert Keys(bytes(range(SIZE))).key("jwt").hex() == HKDF_OF_JWT


HKDF_OF_JWT = "998a6d1921e6ed0f08c8c1223b084740031b17b733d357cef87b675df49bf3d5"


def test_servers_that_start_together_get_the_same_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTING, str(tmp_path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in started}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("content", [b"", b"short", bytes(SIZE - 1), bytes(SIZE + 1)])
def test_a_damaged_secret_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DataDirectoryError, match="32 bytes"):
        load(tmp_path)
    assert (tmp_path / FILE).read_bytes() == content


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(SIZE))
    for make in (
        lambda file: file.symlink_to(tmp_path / "elsewhere"),
        lambda file: file.mkdir(),
        os.mkfifo,
    ):
        directory = tmp_path / os.urandom(4).hex()
        directory.mkdir()
        make(directory / FILE)
        with pytest.raises(DataDirectoryError):
            load(directory)


def test_a_secret_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(bytes(SIZE))
    (tmp_path / FILE).chmod(0o644)
    assert load(tmp_path).key("jwt") == Keys(bytes(SIZE)).key("jwt")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_secret_of_another_size_makes_no_keys() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Keys(bytes(16))
