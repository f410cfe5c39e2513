"""Headers between browsers and apps in previews, as pure text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from webterm.web.preview_headers import View, back, led, onward

PATH = View(port=80, base="/preview/w/80/~x", origins=frozenset({"null", "https://us"}), from_elsewhere=True)
HOST = View(port=80, base="", origins=frozenset({"https://80--w.apps"}))

ALWAYS = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Content-Length",
    "Clear-Site-Data",
    "Strict-Transport-Security",
    "Alt-Svc",
    "NEL",
    "Report-To",
    "Reporting-Endpoints",
    "Expect-CT",
    "Public-Key-Pins",
    "Accept-CH",
    "Critical-CH",
    "Set-Login",
    "X-Accel-Redirect",
    "X-Sendfile",
    "X-Sendfile2",
    "X-LiteSpeed-Location",
    "X-Envoy-Immediate-Health-Check-Fail",
    "Edge-Control",
    "CDN-Cache-Control",
    "Cloudflare-CDN-Cache-Control",
    "Surrogate-Control",
    "Sec-Session-Registration",
    "Use-As-Dictionary",
]
ON_PATHS = [
    "Set-Cookie",
    "Set-Cookie2",
    "Service-Worker-Allowed",
    "Access-Control-Allow-Credentials",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Embedder-Policy",
    "Origin-Agent-Cluster",
    "Permissions-Policy",
    "WWW-Authenticate",
]


def cased(names: list[str]) -> st.SearchStrategy[str]:
    """One of the names, in letters of any case."""
    return st.sampled_from(names).flatmap(
        lambda name: st.lists(st.booleans(), min_size=len(name), max_size=len(name)).map(
            lambda upper: "".join(c.upper() if up else c.lower() for c, up in zip(name, upper, strict=True))
        )
    )


values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30)


@given(st.lists(st.tuples(cased([*ALWAYS, *ON_PATHS, "X-Fine"]), values), max_size=6))
def test_what_would_act_as_us_never_comes_back(headers: list[tuple[str, str]]) -> None:
    names = {name.lower() for name, _ in back(headers, PATH)} - {"access-control-allow-origin"}
    assert not names & {name.lower() for name in (*ALWAYS, *ON_PATHS)}
    names = {name.lower() for name, _ in back(headers, HOST)}
    assert not names & {name.lower() for name in ALWAYS}


@given(values, values)
def test_an_app_sets_no_cookie_of_ours_and_none_for_others(before: str, after: str) -> None:
    for cookie in (f"{before}webterm-preview=1;{after}", f"a=1;{before}; DOMAIN = x ;{after}", f"={before}"):
        for name, value in back([("Set-Cookie", cookie)], HOST):
            if name == "Set-Cookie":
                pair, *attributes = value.split(";")
                called = pair.partition("=")[0].strip().lower()
                assert called
                assert not called.startswith(("webterm-", "__host-webterm-", "__secure-webterm-"))
                assert not [each for each in attributes if each.partition("=")[0].strip().lower() == "domain"]


@given(st.lists(st.sampled_from(["a=1", "webterm-preview=s", "__Host-webterm-x=s", " webterm-1 =s", "b"]), max_size=5))
def test_no_cookie_of_ours_goes_onward(pairs: list[str]) -> None:
    headers = CIMultiDict([("Cookie", ";".join(pairs)), ("Cookie", "webterm-last=s")])
    sent = dict(onward(headers, HOST, hidden=frozenset(), is_ours=lambda _: False))
    assert "webterm" not in sent.get("Cookie", "")
    assert "Cookie" not in dict(onward(headers, PATH, hidden=frozenset(), is_ours=lambda _: False))


@given(st.lists(cased(["Host", "Content-Length", "Cookie", "Authorization", "X-Named", "Origin"]), max_size=4))
def test_a_connection_header_takes_away_and_gives_nothing(named: list[str]) -> None:
    """What we make ourselves is there, whatever it names."""
    headers = CIMultiDict([("Connection", ", ".join(named)), ("X-Named", "1"), ("Host", "evil"), ("Proxy-User", "me")])
    sent = onward(headers, PATH, hidden=frozenset({"proxy-user"}), is_ours=lambda _: True)
    assert [value for name, value in sent if name == "Host"] == ["localhost:80"]
    assert ("X-Named" in dict(sent)) == ("x-named" not in {name.lower() for name in named})
    assert not {name.lower() for name, _ in sent} & {"connection", "proxy-user", "content-length", "cookie"}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("public, max-age=9, S-MaxAge=99", "private, max-age=9"),
        ("no-store", "private, no-store"),
        ("private", "private"),
        ("", "private"),
    ],
)
def test_nothing_is_kept_for_others(value: str, kept: str) -> None:
    assert dict(back([("cache-control", value)], PATH))["cache-control"] == kept


@pytest.mark.parametrize("location", ["http://[", "http://localhost:x/", "//", "\\\\evil", "javascript:x", ""])
def test_odd_locations_stay_odd(location: str) -> None:
    assert led(location, HOST) == location
    assert led(location, PATH) == location


@pytest.mark.parametrize(
    ("location", "rest"),
    [
        ("http://localhost:80", "/"),
        ("http://localhost:80?a=/b", "/?a=/b"),
        ("http://127.0.0.1:80/a?b#c", "/a?b#c"),
        ("http://localhost:80//evil.example/a", "//evil.example/a"),
        ("http://localhost:80/\\evil.example", "/\\evil.example"),
    ],
)
def test_an_app_that_leads_to_itself_leads_to_nobody_else(location: str, rest: str) -> None:
    assert led(location, PATH) == PATH.base + rest
    assert led(location, HOST) == ("/." + rest if rest[1:2] in ("/", "\\") else rest)


def test_proofs_of_a_proxy_go_no_further() -> None:
    names = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Remote-User", "Cf-Access-Jwt-Assertion", "X-Amzn-Oidc-Data"]
    names += [
        "X-Goog-Iap-Jwt-Assertion",
        "X-Auth-Request-Access-Token",
        "Tailscale-User-Login",
        "X-Ms-Client-Principal",
        "X-WebAuth-User",
        "X-SSL-Client-Cert",
        "SSL-Client-S-DN",
        "X-Client-Cert",
        "X-ARR-ClientCert",
        "X-Forwarded-Tls-Client-Cert",
        "Client-Cert",
        "X-User",
        "X-User-Email",
        "X-Username",
        "X-Email",
        "X-Auth-User",
        "X-Token-Subject",
        "X-Proxy-User",
        "OIDC_CLAIM_email",
        "Shib-Session-ID",
    ]
    apps = ["X-Auth-Token", "X-Access-Token", "X-User-Id", "X-Goog-Api-Key", "X-Requested-With", "X-CSRF-Token"]
    headers = CIMultiDict((name, "1") for name in (*names, *apps))
    sent = {name for name, _ in onward(headers, HOST, hidden=frozenset(), is_ours=lambda _: False)}
    assert sent == {"Host", *apps}


def test_what_connection_names_counts_as_not_said() -> None:
    """Else no word would be left on who may keep the answer, and on who has made it."""
    headers = [("Connection", "Cache-Control, Server"), ("Cache-Control", "public, max-age=9"), ("Server", "x")]
    for view in (PATH, HOST):
        named = {name.lower(): value for name, value in back(headers, view)}
        assert (named["cache-control"], named["server"]) == ("private, no-cache", "webterm")
