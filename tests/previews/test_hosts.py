"""Apps at origins of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from tests.previews.conftest import App, bare
from tests.web.asking import cookies_of
from webterm.web.preview_hosts import COOKIE

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOWN = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Visitor:
    """A browser at a preview's host; names lead to this machine, as a wildcard in the DNS does."""

    def __init__(self, app: App, client: aiohttp.ClientSession, cookie: str = "") -> None:
        self.app = app
        self.client = client
        self.cookie = cookie

    async def ask(
        self, path: str, method: str = "GET", host: str | None = None, **headers: str
    ) -> tuple[int, str, str]:
        """Status, Location and text of an answer; a cookie that comes is kept."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        cookie = {"Cookie": f"{named.pop('Cookie', '')}; {COOKIE}={self.cookie}"} if self.cookie else {}
        sent = {"Host": host or self.app.host, **cookie, **named}
        url = self.app.running.url("/").join(URL(path, encoded=True))
        async with self.client.request(method, url, headers=sent, allow_redirects=False) as answer:
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, rest = line.partition("=")
                if name == COOKIE:
                    self.cookie = rest.partition(";")[0]
            self.last = answer.headers
            return answer.status, answer.headers.get("Location", ""), await answer.text()

    async def enter(self, target: str = "/echo") -> None:
        """From our own page's origin to the app."""
        location = await self.app.pass_path(target=target)
        assert location.startswith(f"http://{self.app.host}/.webterm/enter?ticket=")
        for _ in range(2):
            status, location, text = await self.ask(location[len(f"http://{self.app.host}") :], **SHOWN)
            assert status == 303, text
            location = f"http://{self.app.host}{location}"
        assert location == f"http://{self.app.host}{target}"


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(hosted: App) -> AsyncIterator[Visitor]:
    async with bare() as client:
        yield Visitor(hosted, client)


async def test_a_browser_is_let_in_by_a_ticket_once(hosted: App, visitor: Visitor) -> None:
    status, location, _ = await visitor.ask("/echo?deep=%2F", **SHOWN)
    assert (status, location) == (303, f"{hosted.running.origin}{hosted.base}/echo?deep=%2F")
    status, _, _ = await visitor.ask("/echo", Sec_Fetch_Mode="cors")
    assert status == 401
    entered = (await hosted.pass_path(target="/echo"))[len(f"http://{hosted.host}") :]
    await visitor.enter("/echo?deep=%2F")
    status, _, text = await visitor.ask("/echo?deep=%2F")
    assert status == 200
    assert "/echo?deep=%2F" in text
    assert (await visitor.ask(entered, **SHOWN))[0] == 303
    assert (await visitor.ask(entered, **SHOWN))[0] == 404
    assert not visitor.cookie.startswith("webterm")


async def test_a_browser_that_keeps_no_cookie_is_told(hosted: App, visitor: Visitor) -> None:
    """And is not led in circles."""
    status, _, text = await visitor.ask("/.webterm/arrived?to=%2F", **SHOWN)
    assert (status, "cookie" in text) == (401, True)


async def test_the_cookie_is_that_host_s_and_goes_nowhere_else(hosted: App, visitor: Visitor) -> None:
    await visitor.enter()
    assert (await visitor.ask("/echo"))[0] == 200
    other = f"{hosted.port + 1}--{hosted.workspace}.preview.localhost:{hosted.running.root.port}"
    assert (await visitor.ask("/echo", host=other, Sec_Fetch_Mode="cors"))[0] == 401
    ours = "; ".join(f"{name}={value}" for name, value in cookies_of(hosted.running, hosted.owner).items())
    _, _, text = await visitor.ask("/echo", Cookie=f"mine=1; {ours}; webterm-x=2", Authorization="Bearer wt_x")
    assert "mine=1" in text
    assert visitor.cookie not in text
    assert "webterm" not in text
    assert "wt_x" not in text
    assert all(value not in text for value in cookies_of(hosted.running, hosted.owner).values())


async def test_nobody_has_the_cookies_of_another(hosted: App, visitor: Visitor) -> None:
    """What the app sets for one browser is kept by that one, and by nobody between."""
    await visitor.enter()
    assert (await visitor.ask("/index.html"))[0] == 200
    assert visitor.last["Set-Cookie"].startswith("app=1")
    async with bare() as client:
        other = Visitor(hosted, client)
        await other.enter()
        for _ in range(3):
            assert "app=1" not in (await other.ask("/echo"))[2]


async def test_no_route_of_ours_is_there(hosted: App, visitor: Visitor) -> None:
    await visitor.enter()
    ours = "; ".join(f"{name}={value}" for name, value in cookies_of(hosted.running, hosted.owner).items())
    for path in ("/api/v1/auth/me", "/api/v1/workspaces", "/health", "/assets/x.js", hosted.base + "/"):
        status, _, text = await visitor.ask(path, Cookie=ours)
        assert (status, text) == (404, "no such file")
    nobody = Visitor(hosted, visitor.client)
    for path in ("/api/v1/auth/me", "/health", "/metrics"):
        assert (await nobody.ask(path, Cookie=ours, Sec_Fetch_Mode="cors"))[0] == 401


@pytest.mark.parametrize(
    "host",
    [
        "080--{workspace}.preview.localhost",
        "0--{workspace}.preview.localhost",
        "65536--{workspace}.preview.localhost",
        "{port}--{workspace}.preview.localhost.",
        "{port}--{workspace}.evil.example",
        "{port}--{workspace}.x.preview.localhost",
        "{port}-{workspace}.preview.localhost",
        "preview.localhost",
        "x.preview.localhost",
    ],
)
async def test_other_names_are_nobody_s(hosted: App, visitor: Visitor, host: str) -> None:
    name = host.format(workspace=hosted.workspace, port=hosted.port)
    assert (await visitor.ask("/", host=name))[0] == 421


async def test_pages_elsewhere_send_nothing(hosted: App, visitor: Visitor) -> None:
    """The cookie rides on what others' apps send, too: to a browser they are of the same site."""
    await visitor.enter()
    other = "http://3000--00000000-0000-0000-0000-000000000000.preview.localhost"
    sibling = f"http://3000--{hosted.workspace}.preview.localhost:{hosted.running.root.port}"
    own = f"http://{hosted.host}"
    assert (await visitor.ask("/echo", "POST", Origin=other))[0] == 403
    assert (await visitor.ask("/echo", "POST", Origin="null"))[0] == 403
    assert (await visitor.ask("/echo", "POST", Origin=hosted.running.origin))[0] == 403
    assert (await visitor.ask("/echo", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="no-cors"))[0] == 403
    handshake = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert (await visitor.ask("/ws", Origin=other, **handshake))[0] == 403
    assert (await visitor.ask("/echo", "POST", Origin=own))[0] == 200
    assert (await visitor.ask("/echo", "POST", Origin=sibling))[0] == 200
    referred = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "no-cors", "Referer": sibling + "/"}
    assert (await visitor.ask("/echo", **referred))[0] == 200
    assert (await visitor.ask("/echo", Sec_Fetch_Site="cross-site", **SHOWN))[0] == 200


async def test_what_the_app_sets_is_its_host_s_alone(hosted: App, visitor: Visitor) -> None:
    await visitor.enter()
    cookie = visitor.cookie
    lines = [
        "HTTP/1.1 200 OK",
        "Set-Cookie: a=1; Domain=preview.localhost; Path=/; HttpOnly",
        f"Set-Cookie: {COOKIE}=evil; Path=/",
        "Set-Cookie: __Host-webterm-preview=evil; Secure; Path=/",
        "Set-Cookie: =webterm-preview=evil",
        "Set-Cookie: nothing",
        'Clear-Site-Data: "cookies"',
        "Strict-Transport-Security: max-age=1",
        "Access-Control-Allow-Origin: https://api.example",
        "Cross-Origin-Opener-Policy: same-origin-allow-popups",
        "Content-Length: 0",
        "",
        "",
    ]
    raw = "\r\n".join(lines).encode().hex()
    assert (await visitor.ask(f"/raw?{raw}"))[0] == 200
    assert visitor.last.getall("Set-Cookie") == ["a=1; Path=/; HttpOnly"]
    assert not visitor.last.keys() & {"Clear-Site-Data", "Strict-Transport-Security"}
    assert visitor.last["Access-Control-Allow-Origin"] == "https://api.example"  # the app's own affair here
    assert visitor.last["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    (policy,) = visitor.last.getall("Content-Security-Policy")
    port = hosted.running.root.port
    assert policy == f"frame-ancestors 'self' http://127.0.0.1:{port} http://localhost:{port}"
    assert visitor.cookie == cookie


@pytest.mark.parametrize("to", ["//evil.example/", "/\\evil.example", "https://evil.example", "evil", "/a%0d%0ab:%20c"])
async def test_nobody_is_led_elsewhere(hosted: App, visitor: Visitor, to: str) -> None:
    await visitor.enter()
    status, location, _ = await visitor.ask(f"/.webterm/arrived?to={to}", **SHOWN)
    assert (status, location) == (303, "/")


async def test_links_lead_to_the_host(hosted: App, visitor: Visitor) -> None:
    told = await hosted.asked("POST", "/shares", {"port": hosted.port}, status=201)
    own = f"http://{hosted.host}"
    assert told["url"].startswith(f"{own}/.webterm/link/")
    for path in (told["url"].removeprefix(own), "/.webterm/arrived?to=%2F"):
        assert (await visitor.ask(path, **SHOWN))[0] == 303
    assert (await visitor.ask("/echo"))[0] == 200
    info = await hosted.asked("GET", f"/previews/{hosted.port}")
    assert info == {"port": hosted.port, "url": f"{own}/", "isolated": True, "open": True, "shown": []}
