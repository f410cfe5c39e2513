"""Secrets, and what is kept of them."""

from __future__ import annotations

import pytest

from webterm.accounts.secret_texts import hash_of, new_secret


def test_no_two_are_the_same() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert len(new_secret()) == 43


def test_the_hash_tells_nothing() -> None:
    secret = new_secret()
    assert hash_of(secret) == hash_of(secret) != hash_of(new_secret())
    assert secret not in hash_of(secret)


@pytest.mark.parametrize("sent", ["", "\0", "é", "\ud800"])
def test_whatever_strangers_send_has_one(sent: str) -> None:
    assert len(hash_of(sent)) == 64
