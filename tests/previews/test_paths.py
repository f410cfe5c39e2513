"""Apps below a path of ours: who gets there, what they are asked, and what not."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from tests.previews.conftest import App, bare, previewing
from tests.web.asking import cookies_of, registered
from tests.web.conftest import browser
from webterm.settings_accounts import Limits, Tier

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVING = ["cookie", "authorization", "x-forwarded-for", "x-forwarded-host", "forwarded", "remote-user", "via"]


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(app: App) -> AsyncIterator[aiohttp.ClientSession]:
    async with browser(app.running) as client:
        yield client


async def raw_status(app: App, target: str, *headers: str, method: str = "GET") -> tuple[int, bytes]:
    """The answer to this very request target."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {app.running.netloc}", "Connection: close", *headers, "", ""]
    answer = await app.running.raw("\r\n".join(lines).encode())
    return int(answer.split(b" ", 2)[1]), answer


async def test_the_request_arrives_as_it_was_sent(app: App, inside: str) -> None:
    target = "/echo/a%2Fb/%E2%82%AC/..%2f/a//b/;x=1?q=%20+&&x=%2F#".rstrip("#")
    told = await app.echoed(inside + target, method="PUT", data=b"x" * 100_000, headers={"X-Own": "1"})
    assert (told["method"], told["target"]) == ("PUT", target)
    assert (told["length"], told["crc"]) == (100_000, zlib.crc32(b"x" * 100_000))
    assert told["named"]["x-own"] == "1"
    assert told["named"]["host"] == f"localhost:{app.port}"
    assert told["named"]["x-forwarded-prefix"] == inside


async def test_nothing_that_proves_who_somebody_is_gets_there(app: App, inside: str) -> None:
    proofs = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies_of(app.running, app.owner).items()),
        "Authorization": "Bearer wt_secret",
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=1.2.3.4",
        "Remote-User": "root",
        "Via": "1.1 x",
    }
    assert proofs["Cookie"]
    told = await app.echoed(inside + "/echo", headers=proofs)
    assert not told["named"].keys() & set(PROVING)


@pytest.mark.parametrize(
    ("value", "mode", "arrives"),
    [
        ("Basic YXBwOmFwcA==", "cors", False),
        ("basic YXBwOmFwcA==", "navigate", False),
        ("Digest username=x", "", False),
        ("Negotiate YII=", "cors", False),
        ("NTLM TlRM", "cors", False),
        ("Bearer the-proxys", "navigate", False),
        ("Bearer the-proxys", "no-cors", False),
        ("Bearer the-proxys", "websocket", False),
        ("Bearer the-apps", "cors", True),
        ("Token the-apps", "cors", True),
        ("Bearer the-apps", "", True),
    ],
)
async def test_only_what_the_app_itself_has_set_authorizes(
    app: App, inside: str, value: str, mode: str, arrives: bool
) -> None:
    """A proxy that guards our whole origin has its visitors' passwords sent along, or adds a token of its own."""
    sent = {"Authorization": value} | ({"Sec-Fetch-Mode": mode} if mode else {})
    told = await app.echoed(inside + "/echo", headers=sent)
    assert told["named"].get("authorization") == (value if arrives else None)


async def test_programs_come_in_with_a_token_that_stays_here(app: App) -> None:
    async with app.owner.post(
        app.running.url("/api/v1/auth/tokens"), json={"name": "t", "scopes": ["workspaces:read"]}
    ) as answer:
        assert answer.status == 201, await answer.text()
        token = (await answer.json())["token"]
    told = await app.echoed(app.base + "/echo?a", method="DELETE", headers={"Authorization": f"Bearer {token}"})
    assert (told["method"], told["target"]) == ("DELETE", "/echo?a")
    assert token not in str(told)


async def test_hop_by_hop_headers_go_no_further(app: App, inside: str) -> None:
    sent = {
        "Connection": "close, X-Mine, Host, Content-Length",
        "X-Mine": "1",
        "TE": "trailers",
        "Trailer": "X-T",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic x",
        "HTTP2-Settings": "x",
        "Upgrade": "h2c",
    }
    told = await app.echoed(inside + "/echo", method="POST", data=b"12345", headers=sent)
    gone = {"x-mine", "te", "trailer", "keep-alive", "proxy-authorization", "http2-settings", "upgrade"}
    assert not told["named"].keys() & gone
    assert (told["length"], told["named"]["host"]) == (5, f"localhost:{app.port}")


async def test_to_the_app_its_pages_are_its_own(app: App, inside: str) -> None:
    """Dev servers compare these with the host that they were asked for."""
    sent = {"Origin": "null", "Referer": f"{app.running.origin}{inside}/a?b", "Sec-Fetch-Site": "cross-site"}
    told = (await app.echoed(inside + "/echo", headers=sent))["named"]
    own = f"http://localhost:{app.port}"
    assert (told["origin"], told["referer"]) == (own, f"{own}/a?b")
    assert "sec-fetch-site" not in told
    other = (await app.echoed(inside + "/echo", headers={"Origin": "https://evil.example", "Referer": "https://a/"}))[
        "named"
    ]
    assert other["origin"] == "https://evil.example"
    assert "referer" not in other


async def test_a_sandboxed_page_may_ask_its_own_app(app: App, inside: str) -> None:
    asked = {"Origin": "null", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-own"}
    async with bare() as client:
        async with client.options(app.running.url(inside + "/echo"), headers=asked) as answer:
            assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "x-own"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "port",
    [
        "80@evil",
        "0080",
        "-1",
        "0",
        "65536",
        "99999",
        "%38%30",
        "%D9%A8%D9%A0",
        "%EF%BC%98%EF%BC%90",
        "80:81",
        "",
        "localhost",
        "0x50",
        "8e1",
    ],
)
async def test_ports_that_are_none(app: App, port: str) -> None:
    async with app.owner.get(app.running.url(f"/preview/{app.workspace}/{port}/"), allow_redirects=False) as answer:
        assert answer.status == 404, await answer.text()


@pytest.mark.parametrize(
    "workspace",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "127.1",
        "0",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "host.docker.internal",
        "evil.example",
        ".",
    ],
)
async def test_no_text_names_a_host(app: App, workspace: str) -> None:
    async with app.owner.get(app.running.url(f"/preview/{workspace}/{app.port}/"), allow_redirects=False) as answer:
        assert answer.status == 404


async def test_only_ports_of_the_workspace(app: App, stranger: aiohttp.ClientSession) -> None:
    """Not the server's own port, nor that of anybody else on this machine, nor of another workspace."""
    await registered(app.running, stranger, "nora")
    async with stranger.post(app.running.url("/api/v1/workspaces"), json={"name": "hers"}) as answer:
        hers = (await answer.json())["id"]
    async with stranger.get(app.running.url(f"/preview/{hers}/{app.port}/")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "no_such_port")
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port in (app.running.root.port, other.getsockname()[1]):
            async with app.owner.get(app.running.url(f"/preview/{app.workspace}/{port}/")) as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "no_such_port")


async def test_a_pass_opens_one_port_only(app: App, inside: str) -> None:
    secret = inside.rpartition("~")[2]
    for base in (
        f"/preview/{app.workspace}/{app.port + 1}",
        f"/preview/00000000-0000-0000-0000-000000000000/{app.port}",
    ):
        async with bare() as client, client.get(app.running.url(f"{base}/~{secret}/")) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "no_such_share")


async def test_strangers_and_others_do_not_get_in(app: App, stranger: aiohttp.ClientSession) -> None:
    url = app.running.url(app.base + "/echo")
    async with stranger.get(url, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"/?next={quote(app.base[1:] + '/echo', safe='')}")
    async with stranger.post(url) as answer:
        assert answer.status == 401
    await registered(app.running, stranger, "otto")
    async with stranger.get(url, allow_redirects=False) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "no_such_workspace")


@pytest.mark.parametrize(
    "rest",
    ["", "/", "//evil.example/", "/%5c%5cevil.example", "/\\evil.example", "/https://evil.example",
     "/%0d%0aSet-Cookie:a=b", "/..%2f..%2f", "/a?next=//evil.example&b=%00", "/?" + "x" * 3000],
)  # fmt: skip
async def test_who_has_to_sign_in_is_led_back_to_the_preview_only(app: App, rest: str) -> None:
    status, answer = await raw_status(app, app.base + rest)
    (location,) = (line.partition(b": ")[2].decode() for line in answer.split(b"\r\n") if line.startswith(b"Location:"))
    path, _, query = location.partition("?next=")
    asked = app.base[1:] + (rest or "/")
    assert (status, path, unquote(query)) == (303, "/", asked if len(asked) < 2048 else "")
    assert not set(query) & set("/\\:&?#")


async def test_a_cookie_alone_opens_nothing(app: App) -> None:
    """What other sites make a browser send rides on cookies."""
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with app.owner.request(method, app.running.url(app.base + "/echo")) as answer:
            assert answer.status == 403
    headers = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"}
    async with app.owner.get(app.running.url(app.base + "/echo"), headers=headers) as answer:
        assert answer.status == 403


async def test_pages_of_ours_load_no_part_of_an_app(app: App, inside: str) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {"Service-Worker": "script"},
        {"Sec-Fetch-Dest": "serviceworker"},
    ):
        async with bare(**headers) as client, client.get(app.running.url(inside + "/echo")) as answer:
            assert answer.status == 403


async def test_people_read_why_there_is_nothing_to_see(app: App) -> None:
    """In a tab as in a frame, and programs are told as ever."""
    kinds = {"document": "text/plain", "iframe": "text/plain", "empty": "application/problem+json"}
    for dest, kind in kinds.items():
        headers = {"Sec-Fetch-Dest": dest, "Sec-Fetch-Mode": "cors" if dest == "empty" else "navigate"}
        async with bare(**headers) as client, client.get(app.running.url(f"{app.base}/~{'x' * 43}/")) as answer:
            assert (answer.status, answer.content_type) == (404, kind)
            assert "this link to a preview is wrong, or no longer good" in await answer.text()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"PUT {path}/echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST {path}/echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n12345",
        b"POST {path}/echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST {path}/echo HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST {path}/echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: +4\r\n\r\n1234",
        b"GET {path}/echo HTTP/1.1\r\nHost: {host}\r\nX: a\r\n b\r\nContent-Length : 3\r\n\r\n123",
        b"GET http://evil.example{path}/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"GET {path}/echo HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
        b"TRACE {path}/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"CONNECT {path}/echo HTTP/1.1\r\nHost: {host}\r\n\r\n",
    ],
)
async def test_what_two_servers_could_read_differently_goes_nowhere(
    app: App, inside: str, request_bytes: bytes
) -> None:
    raw = request_bytes.replace(b"{path}", inside.encode()).replace(b"{host}", app.running.netloc.encode())
    answer = await app.running.raw(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert 400 <= int(answer.split(b" ", 2)[1]) < 500, answer
    assert b'"target"' not in answer


async def test_whoever_guesses_costs_the_store_nothing(tmp_path: Path) -> None:
    """Links that are known to be good, and passes, open what they do meanwhile."""
    limits = Limits(tiers={"free": Tier(general=20, auth=10, ai=10)})
    async with previewing(tmp_path / "data", limits=limits) as app, bare() as client:

        async def status(path: str) -> int:
            async with client.get(app.running.url(path + "/echo")) as answer:
                return answer.status

        told = await app.asked("POST", "/shares", {"port": app.port}, status=201)
        good = [(await app.pass_path()).rstrip("/"), URL(told["url"]).raw_path.rstrip("/")]
        assert [await status(path) for path in good] == [200, 200]
        guesses = [await status(f"{app.base}/~{number:043}") for number in range(21)]
        assert guesses == [404] * 20 + [429]
        assert [await status(path) for path in good] == [200, 200]
        assert (await app.pass_path(target="/x")).endswith("/x")


async def test_our_page_is_told_what_its_frame_shows(app: App, stranger: aiohttp.ClientSession) -> None:
    """And nobody else is; nor of what stays no page, or is in no frame."""
    inside = (await app.pass_path()).rstrip("/")
    frame = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}
    before = (await app.asked("GET", f"/previews/{app.port}"))["shown"]
    raws = [
        b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Disposition: Attachment; filename=a\r\nContent-Length: 0\r\n\r\n",
    ]
    async with bare() as client:
        for method, target, headers in (
            ("GET", "/index.html?a=%2F", frame),
            *(("GET", f"/raw?{raw.hex()}", frame) for raw in raws),
            ("POST", "/echo", frame),
            ("GET", "/index.html", {"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}),
            ("GET", "/no/such", frame),
        ):
            url = app.running.url(inside + target)
            async with client.request(method, url, headers=headers, allow_redirects=False) as answer:
                await answer.read()
    info = await app.asked("GET", f"/previews/{app.port}")
    assert info["open"]
    assert [page["target"] for page in info["shown"][len(before) :]] == ["/index.html?a=%2F", "/no/such"]
    user = await registered(app.running, stranger, "rita")
    await app.asked("PUT", f"/members/{user['id']}", {"role": "read"})
    async with stranger.get(app.running.url(f"{app.api}/previews/{app.port}")) as answer:
        told = await answer.json()
    assert (told["open"], told["shown"]) == (False, [])


async def test_what_the_browser_does_not_wait_for_ends_at_the_app(app: App, inside: str) -> None:
    async with bare() as client:
        asking = asyncio.create_task(client.get(app.running.url(inside + "/never?me")))
        assert await app.said() == "asked me"
        asking.cancel()
    assert await app.said() == "left me"
