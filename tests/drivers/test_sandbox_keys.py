"""The kernel keeps keys for whoever started the server (keyrings(7)): no sandbox has them."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from tests.drivers.sandboxes import ACCOUNT, driver_in, fresh_word, run, runtime_in
from webterm.drivers.sandbox_tools import KEYCTL

pytestmark = pytest.mark.blocking_allowed
_ADD_KEY = {250: 248, 219: 217, 311: 309, 271: 269, 280: 278, 288: 286}.get(KEYCTL, 0)
_JOIN, _SEARCH, _SESSION = 1, 10, -3
_LOOK = """
import ctypes, sys
keyctl, add_key, own, other = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode(), sys.argv[4].encode()
call = ctypes.CDLL(None).syscall
print("found", call(keyctl, 10, -3, b"user", other, 0) != -1)
print("added", call(add_key, b"user", own, own, len(own), -3) != -1)
print("kept", call(keyctl, 10, -3, b"user", own, 0) != -1)
"""


async def test_programs_have_no_keys_of_the_server_and_none_of_each_other(tmp_path: Path) -> None:
    call = ctypes.CDLL(None).syscall
    if not KEYCTL or call(KEYCTL, _JOIN, None) == -1:  # as whatever starts a server at sign-in or boot does
        pytest.skip("this machine keeps no keys for us")
    secret, word = fresh_word(), fresh_word()
    assert call(_ADD_KEY, b"user", secret.encode(), b"secret", 6, _SESSION) != -1
    ann = runtime_in(tmp_path / "workspaces")
    bob = runtime_in(tmp_path / "workspaces", account=None if ACCOUNT is None else ACCOUNT + 1)
    look = (sys.executable, "-I", "-c", _LOOK, str(KEYCTL), str(_ADD_KEY))
    async with driver_in(tmp_path / "data") as driver:
        own = await run(driver, ann, *look, word, secret)
        others = await run(driver, bob, *look, fresh_word(), word)
    assert own.split() == ["found", "False", "added", "True", "kept", "True"]
    assert others.split() == own.split()
    assert call(KEYCTL, _SEARCH, _SESSION, b"user", word.encode(), 0) == -1
