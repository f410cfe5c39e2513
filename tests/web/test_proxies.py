"""Whose address counts, as pure text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webterm.web.proxies import UNKNOWN, Proxies

PROXIES = Proxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["1.2.3.4, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first itself
        ("127.0.0.1", ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),  # two headers are one list
        ("127.0.0.1", ["203.0.113.9, 10.1.2.3"], "203.0.113.9"),  # two proxies
        ("127.0.0.1", ["203.0.113.9", "10.1.2.3 ,  10.0.0.1"], "203.0.113.9"),
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),  # somebody on the proxies' own network
        ("127.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("127.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("127.0.0.1", ["[2001:DB8::1]"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("127.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["203.0.113.9"], "203.0.113.9"),
        ("fe80::1%eth0", ["203.0.113.9"], "fe80::1"),
        # What is no address ends the search at the last good one.
        ("127.0.0.1", ["203.0.113.9, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, 10.0.0.1:99999999"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9, _hidden, 10.0.0.1"], "10.0.0.1"),
        ("127.0.0.1", [""], "127.0.0.1"),
        ("127.0.0.1", [","], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9,"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.009"], "127.0.0.1"),
        ("127.0.0.1", ["localhost"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9\t"], "203.0.113.9"),
        ("127.0.0.1", ["٢٠٣.0.113.9"], "127.0.0.1"),
        ("127.0.0.1", ["2001:db8::1:4711]"], "127.0.0.1"),
        # Nobody else is believed.
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1, 127.0.0.1"], "203.0.113.9"),
        ("::1", ["203.0.113.9"], "::1"),
        ("", ["203.0.113.9"], UNKNOWN),
        (None, ["203.0.113.9"], UNKNOWN),
    ],
)
def test_the_client(peer: str | None, forwarded: list[str], client: str) -> None:
    assert PROXIES.client(peer, forwarded) == client


def test_without_proxies_only_the_peer_counts() -> None:
    assert Proxies([]).client("127.0.0.1", ["203.0.113.9"]) == "127.0.0.1"
    assert not Proxies([]).trusts("127.0.0.1")


def test_a_proxy_that_nobody_named_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise all of its visitors share one number of calls, and nobody knows why."""
    proxies = Proxies(["10.0.0.0/8"])
    proxies.client("127.0.0.1", [])
    proxies.client("8.8.8.8", ["203.0.113.9"])  # anybody out there can send it
    proxies.client("10.0.0.1", ["203.0.113.9"])
    assert not caplog.records
    for _ in range(2):
        assert proxies.client("127.0.0.1", ["203.0.113.9"]) == "127.0.0.1"
    [record] = caplog.records
    assert record.getMessage().startswith("127.0.0.1 sends X-Forwarded-For and is not in server.trusted_proxies")


@given(st.lists(st.text(max_size=60), max_size=4))
def test_no_header_is_too_strange(forwarded: list[str]) -> None:
    assert PROXIES.client("203.0.113.9", forwarded) == "203.0.113.9"
    assert PROXIES.client("127.0.0.1", forwarded)
