"""Host names and origins, as pure text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webterm.web.hosts import Authority, Names, authority


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("localhost", Authority("localhost")),
        ("LocalHost:8080", Authority("localhost", 8080)),
        ("[::1]:80", Authority("[::1]", 80)),
        ("[0:0:0:0::1]", Authority("[::1]")),
        ("[::FFFF:127.0.0.1]", Authority("[::ffff:7f00:1]")),
        ("xn--bcher-kva.example", Authority("xn--bcher-kva.example")),
        ("localhost.", Authority("localhost.")),
    ],
)
def test_hosts_that_can_be_read(text: str, read: Authority) -> None:
    assert authority(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":80",
        "a:",
        "a:b",
        "a:65536",
        "a:-1",
        "a:٣",
        "a b",
        "a/b",
        "a@b",
        "a,b",
        "a\tb",
        "[",
        "[]",
        "[g]",
        "a\\b",
        "[::1",
        "::1",
        "bücher.example",
        "a\0",
        "a%00",
        "[::1]x",
        "[::1%eth0]",
        "a:080808",
    ],
)
def test_hosts_that_cannot(text: str) -> None:
    assert authority(text) is None


@given(st.text(max_size=40))
def test_no_text_is_too_strange(text: str) -> None:
    host = authority(text)
    assert host is None or Names(frozenset({"localhost"}), None).allows(host) == (host.name == "localhost")


def test_names_are_compared_as_browsers_write_them() -> None:
    names = Names(frozenset({"Bücher.example", "[0::1]", "web.example"}), None)
    assert all(names.allows(Authority(name)) for name in ("xn--bcher-kva.example", "[::1]", "web.example"))
    assert not any(names.allows(Authority(name)) for name in ("example", "a.web.example", "web.example.", "eb.example"))


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "ours"),
    [
        ("http://web.example:8080", Authority("web.example", 8080), "http", True),
        ("http://web.example", Authority("web.example", 80), "http", True),
        ("http://web.example:80", Authority("web.example", 80), "http", False),  # no browser writes it so
        ("https://web.example", Authority("web.example", 443), "https", True),
        ("https://web.example", Authority("web.example"), "http", False),
        ("http://web.example", Authority("web.example"), "https", False),
        ("http://web.example:8081", Authority("web.example", 8080), "http", False),
        ("http://[::1]:8080", Authority("[::1]", 8080), "http", True),
        ("", Authority("web.example"), "http", False),
        ("null", Authority("web.example"), "http", False),
    ],
)
def test_our_origin_without_a_proxy(origin: str, host: Authority, scheme: str, ours: bool) -> None:
    assert Names(frozenset({"web.example", "[::1]"}), None).owns(origin, host, scheme) is ours


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("https://web.example", Authority("web.example"), True),
        ("https://web.example", Authority("web.example", 443), True),
        ("https://web.example", Authority("127.0.0.1", 8080), True),  # the proxy put its own name for us
        ("http://127.0.0.1:8080", Authority("127.0.0.1", 8080), True),  # somebody past the proxy
        ("http://web.example", Authority("web.example"), False),
        ("https://web.example:8443", Authority("web.example"), False),
        ("http://web.example", Authority("127.0.0.1", 8080), False),
        ("", Authority("web.example"), False),
    ],
)
def test_our_origin_behind_a_proxy(origin: str, host: Authority, ours: bool) -> None:
    names = Names(frozenset({"web.example", "127.0.0.1"}), "https://Web.example/terminal")
    assert names.owns(origin, host, "http") is ours
