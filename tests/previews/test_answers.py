"""Apps below a path of ours: what comes back of what they answer, and what does not."""

from __future__ import annotations

import json

import aiohttp
import pytest

from tests.previews.conftest import App, bare

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_answers_hold_nothing_that_would_act_as_us(app: App, inside: str) -> None:
    nasty = [
        "Set-Cookie: webterm=evil; Path=/",
        "Set-Cookie2: x=1",
        'Clear-Site-Data: "*"',
        "Service-Worker-Allowed: /",
        "Strict-Transport-Security: max-age=1; includeSubDomains",
        'Alt-Svc: h3="evil.example:443"',
        "NEL: {}",
        "Report-To: {}",
        'Reporting-Endpoints: d="https://evil.example/"',
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Allow-Origin: https://evil.example",
        "WWW-Authenticate: Basic",
        "Proxy-Authenticate: Basic",
        "X-Accel-Redirect: /etc/passwd",
        "X-Sendfile: /etc/passwd",
        "Origin-Agent-Cluster: ?1",
        "Accept-CH: Sec-CH-UA",
        "Connection: X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=9",
    ]
    nasty.append("Referrer-Policy: unsafe-url")
    kept = ["X-Kept: 1", 'ETag: "1"', "Content-Security-Policy: default-src *", "Cache-Control: public, max-age=9"]
    raw = "\r\n".join(["HTTP/1.1 200 OK", *nasty, *kept, "Content-Length: 2", "", "ok"]).encode()
    async with bare() as client, client.get(app.running.url(f"{inside}/raw?{raw.hex()}")) as answer:
        assert await answer.read() == b"ok"
    names = {line.partition(":")[0].lower() for line in nasty}
    names -= {"access-control-allow-origin", "connection", "referrer-policy"}
    assert answer.headers.getall("Referrer-Policy") == ["no-referrer"]  # the pass stands in the path
    assert not {name.lower() for name in answer.headers} & names
    assert answer.headers["X-Kept"] == "1"
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Cache-Control"] == "private, max-age=9"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    own, ours = answer.headers.getall("Content-Security-Policy")
    assert own == "default-src *"
    assert ours.startswith("sandbox ")
    assert "allow-same-origin" not in ours
    assert "frame-ancestors 'self'" in ours
    assert "Cross-Origin-Opener-Policy" not in answer.headers  # browsers refuse it together with a sandbox


@pytest.mark.parametrize(
    ("told", "leads"),
    [
        ("/x?y=1", "{inside}/x?y=1"),
        ("http://localhost:{port}/x", "{inside}/x"),
        ("http://127.0.0.1:{port}", "{inside}/"),
        ("http://localhost:1/x", "http://localhost:1/x"),
        ("x/y", "x/y"),
        ("//evil.example/", "//evil.example/"),
        ("{inside}/x", "{inside}/x"),
    ],
)
async def test_redirects_of_the_app_lead_to_the_app(app: App, inside: str, told: str, leads: str) -> None:
    location = told.format(port=app.port, inside=inside)
    raw = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    async with bare() as client:
        async with client.get(app.running.url(f"{inside}/raw?{raw.hex()}"), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, leads.format(inside=inside))


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n12345",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_what_is_no_http_is_told_as_such(app: App, inside: str, sent: bytes) -> None:
    async with bare() as client, client.get(app.running.url(f"{inside}/raw?{sent.hex()}")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (502, "preview_failed")


async def test_what_the_app_does_not_name_is_not_made_up(app: App, inside: str) -> None:
    """Browsers look for themselves what it is; and nobody learns what we are made of."""
    raw = b"HTTP/1.1 200 OK\r\nX-Odd: a\xffb\r\nContent-Length: 6\r\n\r\n<html>"
    async with bare() as client, client.get(app.running.url(f"{inside}/raw?{raw.hex()}")) as answer:
        assert await answer.read() == b"<html>"
    assert "Content-Type" not in answer.headers
    assert answer.headers["Server"] == "webterm"


async def test_headers_need_not_be_utf_8(app: App, inside: str) -> None:
    """Other bytes are Latin-1, both ways."""
    for odd in (b"a\xffb", "aÿb".encode()):
        raw = b"HTTP/1.1 200 OK\r\nX-Odd: " + odd + b"\r\nContent-Length: 0\r\n\r\n"
        async with bare() as client, client.get(app.running.url(f"{inside}/raw?{raw.hex()}")) as answer:
            assert answer.headers["X-Odd"] == "aÿb"
        told = await app.running.raw(
            f"GET {inside}/echo HTTP/1.1\r\nHost: {app.running.netloc}\r\nConnection: close\r\n".encode()
            + b"X-Odd: "
            + odd
            + b"\r\n\r\n"
        )
        assert b" 200 OK" in told
        assert json.dumps(["X-Odd", "aÿb".encode().decode("latin-1")]).encode() in told  # as the app reads bytes


async def test_hints_have_an_end(app: App, inside: str) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with bare() as client:
        async with client.get(app.running.url(f"{inside}/raw?{(hint * 16 + final).hex()}")) as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
        async with client.get(app.running.url(f"{inside}/hints")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (502, "preview_failed")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(app.running.url(inside + "/hints"))
        assert refused.value.status == 502


async def test_headers_have_an_end(app: App, inside: str) -> None:
    async with bare() as client, client.get(app.running.url(f"{inside}/long")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (502, "preview_failed")


async def test_an_answer_that_breaks_off_is_seen_to(app: App, inside: str) -> None:
    for raw in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ):
        async with bare() as client, client.get(app.running.url(f"{inside}/raw?{raw.hex()}")) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
