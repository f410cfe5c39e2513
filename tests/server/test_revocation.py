"""A right that ends: within a second nothing goes either way, with terminals that flood and that do not read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.pace import Stopwatch
from tests.server.accounts import Proof, api_client, browser, command, make_person, personal_token
from tests.server.client import Client, View
from tests.server.line import line_to
from tests.server.process import PASSWORD, Server, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
WITHIN = 1.0
"""Seconds from when a call or a command has ended until the socket is closed."""
HINDERED = 0.1
"""Seconds without a processor after which a peer may be late for its goodbye."""
TYPED = 300_000
"""Bytes that are typed at a program which does not read; its terminal takes a few thousand."""
LAST = "NEVER"
DEAF = """
stty raw -echo min 0 time 10
printf ready
while [ ! -e "$0.gate" ]; do sleep 0.02; done
cat >"$0.part"
mv "$0.part" "$0.got"
"""
"""Reads nothing until there is a gate, then all there is until nothing comes for a second, and reports it in a file."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    directory = tmp_path_factory.mktemp("shared") / "data"
    async with serving(directory, limits__enabled=False, local__isolation="none") as server:
        yield server


@dataclass
class Scene:
    """Ann at work: with the proof ``used``, which is about to end, and with another browser, ``other``."""

    server: Server
    ann: str
    used: Proof
    other: Proof
    page: Client
    flood: View
    deaf: View
    report: Path

    async def owner(self, method: str, path: str, body: object = None) -> None:
        """What the owner of the server does."""
        status, text = await self.server.request(method, f"/api/v1/{path}", body)
        assert status in {200, 204}, text

    async def other_does(self, method: str, path: str, body: object = None) -> None:
        status, answer = await self.other.request(method, f"auth/{path}", body)
        assert status in {200, 204}, answer

    async def arrived(self) -> str:
        """What the program that did not read has got, now that it reads."""
        await asyncio.to_thread(self.report.with_suffix(".gate").touch)
        got = self.report.with_suffix(".got")
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(got.exists):  # noqa: ASYNC110 - a shell tells nobody
                await asyncio.sleep(0.05)
        return await asyncio.to_thread(got.read_text)


Enter = Callable[[AsyncExitStack, Server, Proof], Awaitable[Proof]]


async def with_browser(stack: AsyncExitStack, server: Server, other: Proof) -> Proof:
    return await stack.enter_async_context(browser(server, "ann"))


async def with_api_client(stack: AsyncExitStack, server: Server, other: Proof) -> Proof:
    return await stack.enter_async_context(api_client(server, "ann"))


async def with_personal_token(stack: AsyncExitStack, server: Server, other: Proof) -> Proof:
    return await stack.enter_async_context(personal_token(server, other))


@asynccontextmanager
async def scene(server: Server, directory: Path, enter: Enter, *, reconnects: bool = False) -> AsyncIterator[Scene]:
    """Everything is running, and much that was typed waits. Afterwards Ann is no more, and neither are her programs."""
    report = directory / "report"
    ann = await make_person(server, "ann")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.request, "DELETE", f"/api/v1/users/{ann}")
        other = await stack.enter_async_context(browser(server, "ann"))
        used = await enter(stack, server, other)
        page = await stack.enter_async_context(used.page(reconnects=reconnects))
        flood, deaf = await page.open("yes"), await page.open("sh", "-c", DEAF, str(report))
        flood.feed = lambda data: None
        await page.until(lambda: deaf.data == b"ready" and flood.offset > 1_000_000)
        for _ in range(TYPED // 60_000):
            await page.input(deaf, "x" * 60_000)
        await page.input(deaf, LAST)
        await page.settle()
        yield Scene(server, ann, used, other, page, flood, deaf, report)


async def log_out(at: Scene) -> None:
    status, _ = await at.used.request("POST", "auth/logout")
    assert status == 204


async def log_out_another_device(at: Scene) -> None:
    _, devices = await at.other.request("GET", "auth/devices")
    (device,) = [each["id"] for each in devices if not each["current"]]
    await at.other_does("DELETE", f"devices/{device}")


async def log_out_everywhere(at: Scene) -> None:
    await at.other_does("DELETE", "devices")


async def change_the_password(at: Scene) -> None:
    await at.other_does("PUT", "password", {"current": PASSWORD, "new": PASSWORD + " staple"})


async def have_the_password_set(at: Scene) -> None:
    await at.owner("PATCH", f"users/{at.ann}", {"password": PASSWORD + " staple"})


async def be_disabled(at: Scene) -> None:
    await at.owner("PATCH", f"users/{at.ann}", {"disabled": True})


async def be_disabled_by_a_command(at: Scene) -> None:
    await command(at.server, "user", "disable", "ann")


async def lose_the_token(at: Scene) -> None:
    await at.other_does("DELETE", f"tokens/{at.used.id}")


async def use_a_refresh_token_twice(at: Scene) -> None:
    """A thief and the program cannot be told apart, so that the whole family ends."""
    body = {"refresh_token": at.used.refresh_token}
    statuses = [(await at.other.request("POST", "auth/refresh", body))[0] for _ in range(2)]
    assert statuses == [200, 401]


WAYS: dict[str, tuple[Enter, Callable[[Scene], Awaitable[None]]]] = {
    "log out": (with_browser, log_out),
    "log out by bearer token": (with_api_client, log_out),
    "log out another device": (with_browser, log_out_another_device),
    "log out everywhere": (with_browser, log_out_everywhere),
    "change the password": (with_browser, change_the_password),
    "change the password, API client": (with_api_client, change_the_password),
    "password set by the owner": (with_browser, have_the_password_set),
    "disabled": (with_browser, be_disabled),
    "disabled, API client": (with_api_client, be_disabled),
    "disabled, personal token": (with_personal_token, be_disabled),
    "disabled by a command": (with_browser, be_disabled_by_a_command),
    "personal token revoked": (with_personal_token, lose_the_token),
    "refresh token used twice": (with_api_client, use_a_refresh_token_twice),
}
SPARES_THE_OTHER = {
    "log out",
    "log out by bearer token",
    "log out another device",
    "change the password",
    "change the password, API client",
    "personal token revoked",
    "refresh token used twice",
}


async def ended(at: Scene, end: Callable[[Scene], Awaitable[None]]) -> float:
    """End the right; seconds from the end of the call until the socket was closed, which may be before that."""
    before = len(at.page.close_codes)
    await end(at)
    watch = Stopwatch(at.server.pid)
    await at.page.until(lambda: len(at.page.close_codes) > before)
    return watch.read()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_nothing_goes_either_way(shared: Server, tmp_path: Path, way: str) -> None:
    enter, end = WAYS[way]
    async with scene(shared, tmp_path, enter) as at:
        whole = Stopwatch(at.server.pid)
        took = await ended(at, end)
        hindered = whole.waited()
        assert not await at.used.is_good()  # no request passes, at once
        print(f"{way}: closed {took * 1000:.0f} ms after the call")
        assert took < WITHIN
        # A peer that does not take part in closing soon is cut off: here one that got no processor.
        assert at.page.close_codes == [1008] or (at.page.close_codes == [1006] and hindered > HINDERED)
        assert await at.other.is_good() == (way in SPARES_THE_OTHER)
        still = ""
        if way in SPARES_THE_OTHER:  # who still may types behind what has gone
            async with at.other.page() as page:
                view = await page.attach(at.deaf.terminal)
                still = "<still here>"
                await page.input(view, still)
                await page.settle()
        arrived = await at.arrived()
        typed = arrived.removesuffix(still)
        assert arrived == typed + still
        assert typed == "x" * len(typed)
        assert len(typed) < TYPED // 4  # what its terminal had taken before


@pytest.mark.slow
async def test_who_is_disabled_finds_everything_as_it_was(shared: Server, tmp_path: Path) -> None:
    """Programs run on: being disabled may be a mistake, and ends nobody's work."""
    async with scene(shared, tmp_path, with_browser) as at:
        assert await ended(at, be_disabled) < WITHIN
        status, _ = await at.other.request("POST", "auth/login", {"name": "ann", "password": PASSWORD})
        assert status == 401
        await at.owner("PATCH", f"users/{at.ann}", {"disabled": False})
        assert not await at.used.is_good()  # what has ended stays ended
        async with browser(shared, "ann") as again, again.page() as page:
            assert {info.id for info in await page.list()} == {at.flood.terminal, at.deaf.terminal}
            flood = await page.attach(at.flood.terminal)
            flood.feed = lambda data: None
            before = flood.offset
            await page.until(lambda: flood.offset > before + 1_000_000)


@pytest.mark.slow
async def test_who_is_deleted_leaves_nothing_behind(shared: Server, tmp_path: Path) -> None:
    async with scene(shared, tmp_path, with_browser) as at:
        pids = [info.pid for info in await at.page.list()]

        async def be_deleted(at: Scene) -> None:
            await at.owner("DELETE", f"users/{at.ann}")

        took = await ended(at, be_deleted)
        print(f"deleted: closed {took * 1000:.0f} ms after the call")
        assert took < WITHIN
        assert at.page.close_codes == [1008]
        assert not await at.used.is_good()
        async with asyncio.timeout(30):
            while any(Path(f"/proc/{pid}").exists() for pid in pids):  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(0.05)
        assert not at.report.with_suffix(".part").exists()


@pytest.mark.slow
async def test_other_rights_come_with_another_socket(shared: Server, tmp_path: Path) -> None:
    """Who becomes an admin, or no longer is one, comes back at once with the new rights, and has lost nothing."""
    async with scene(shared, tmp_path, with_browser, reconnects=True) as at:

        async def be_promoted(at: Scene) -> None:
            await at.owner("PATCH", f"users/{at.ann}", {"role": "admin"})

        assert (await at.used.request("GET", "users"))[0] == 403
        took = await ended(at, be_promoted)
        print(f"role changed: closed {took * 1000:.0f} ms after the call")
        assert took < WITHIN
        assert at.page.close_codes == [1012]
        assert (await at.used.request("GET", "users"))[0] == 200
        before = at.flood.offset
        await at.page.until(lambda: at.flood.offset > before + 1_000_000)
        assert not at.flood.faults
        assert await at.arrived() == "x" * TYPED + LAST


@pytest.mark.slow
async def test_what_was_typed_on_a_page_that_has_gone(shared: Server, tmp_path: Path) -> None:
    """Also on one whose connection broke, and whose place is held."""
    async with scene(shared, tmp_path, with_browser) as at, line_to(shared.url) as wire:
        async with at.used.page() as left:
            view = await left.attach(at.deaf.terminal)
            await left.input(view, "y" * 60_000 + LAST)
            await left.settle()
        async with at.used.page(through=wire.url) as broken:
            view = await broken.attach(at.deaf.terminal)
            await broken.input(view, "z" * 60_000 + LAST)
            await broken.settle()
            wire.cut()
            await broken.until(lambda: broken.close_codes)
        await log_out(at)
        async with at.other.page() as page:
            view = await page.attach(at.deaf.terminal)
            await page.input(view, "<still here>")
            await page.settle()
        arrived = await at.arrived()
        assert arrived == "x" * (len(arrived) - 12) + "<still here>"


@pytest.mark.slow
async def test_who_does_not_read_is_cut_off(shared: Server, tmp_path: Path) -> None:
    """The peer takes no part in closing, and the socket is full: it is gone all the same."""
    async with scene(shared, tmp_path, with_browser) as at, line_to(shared.url) as wire, at.other.page() as watcher:
        seen = await watcher.attach(at.flood.terminal, role="read")
        async with at.used.page(through=wire.url) as deaf:
            view = await deaf.attach(at.flood.terminal, window=0)
            for each in (seen, view):
                each.feed = lambda data: None
            await watcher.until(lambda: len(seen.viewers) == 3)
            wire.block()
            before = seen.offset
            await watcher.until(lambda: seen.offset > before + 20_000_000)  # much more than fits on the way
            await log_out(at)
            watch = Stopwatch(at.server.pid)
            await watcher.until(lambda: len(seen.viewers) == 1)
            left = watch.read()
            last = seen.offset
            await asyncio.sleep(max(WITHIN - left, 0))  # that is how long it may take
            wire.unblock()
            await deaf.until(lambda: deaf.close_codes)
            assert view.offset < last
            print(f"one that does not read: out after {left * 1000:.0f} ms")
        assert left < WITHIN
