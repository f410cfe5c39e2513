"""Files up and down: dropped, cut, cancelled, asked about, and as a zip."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Request, expect

from tests.e2e.browsing import CUT_OFF, PATIENCE
from tests.e2e.conftest import Arrive
from tests.e2e.desk import GENEROUS, Desk
from tests.e2e.network import network
from tests.e2e.serving import Server, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LARGE = 24 * 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with serving(tmp_path_factory.mktemp("server"), **GENEROUS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def desk(arrive: Arrive, server: Server, request: pytest.FixtureRequest) -> Desk:
    return await Desk.made(await arrive(server), server, request.node.name[:60])


async def drop(desk: Desk, target: Locator, *paths: Path) -> None:
    """Let go of files and folders of this machine over ``target``, as the desktop does."""
    box = await target.bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    mouse = await desk.person.context.new_cdp_session(desk.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        where = {"x": box["x"] + 60, "y": box["y"] + box["height"] - 10}
        await mouse.send("Input.dispatchDragEvent", {"type": kind, "data": data, **where})


def tree_of(directory: Path) -> dict[str, str | None]:
    """All that is in a directory, with a digest of each file."""
    return {
        str(path.relative_to(directory)): None if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
    }


async def test_a_folder_is_dropped_and_downloaded_again(desk: Desk, tmp_path: Path) -> None:
    given = tmp_path / "given"
    for name in ("a.txt", "sub/ünï cödé.txt", 'sub/"quoted" 100%.txt', "sub/deep/er/x", "sub/empty.txt"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text(name * 100)
    (given / "sub/empty.txt").write_text("")
    (given / "an empty folder").mkdir()
    (given / "many").mkdir()
    for number in range(450):
        (given / "many" / f"{number}").write_text(f"{number}")
    (given / "large").write_bytes(os.urandom(LARGE))
    (desk.files / "here").mkdir()
    await expect(desk.item("here")).to_be_visible()
    await drop(desk, desk.item("here"), given)
    uploads = desk.page.get_by_role("region", name="Uploads")
    await expect(uploads.locator("li.done")).to_have_count(2)
    await expect(desk.item("given")).to_be_visible()
    await desk.person.until("() => !document.querySelector('.transfers li:not(.done)')")
    while tree_of(desk.files / "here" / "given").keys() != tree_of(given).keys():  # the empty one comes last
        await desk.person.frame()
    assert tree_of(desk.files / "here" / "given") == tree_of(given)

    await drop(desk, desk.item("here"), given)
    await expect(desk.dialog).to_contain_text("These are there already")
    await desk.answer("Cancel")
    await uploads.get_by_role("button", name="Clear").click()
    await expect(uploads).to_have_count(0)

    await desk.item("here").click(button="right")
    async with desk.page.expect_download() as downloading:
        await desk.page.get_by_role("menuitem", name="Download as zip").click()
    got = await downloading.value
    assert got.suggested_filename == "here.zip"
    with zipfile.ZipFile(await got.path()) as archive:
        archive.extractall(tmp_path / "back")
    assert tree_of(next((tmp_path / "back").rglob("given"))) == tree_of(given)


async def test_a_file_that_is_there_is_not_replaced_unasked(desk: Desk, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("new")
    desk.write("a.txt", "old")
    await expect(desk.item("a.txt")).to_be_visible()
    tree = desk.page.locator("#files-tree")
    await drop(desk, tree, tmp_path / "a.txt", tmp_path / "b.txt")
    await expect(desk.dialog.get_by_role("listitem")).to_have_text(["a.txt"])
    await desk.answer("Leave these out")
    await expect(desk.item("b.txt")).to_be_visible()
    assert (desk.files / "a.txt").read_text() == "old"
    async with desk.page.expect_file_chooser() as choosing:
        await desk.page.get_by_role("button", name="Upload files").click()
    await (await choosing.value).set_files(tmp_path / "a.txt")
    await desk.answer("Replace")
    await desk.person.until("() => document.querySelectorAll('.transfers li.done').length === 2")
    assert (desk.files / "a.txt").read_text() == "new"


async def test_an_upload_that_was_cut_goes_on(arrive: Arrive, server: Server, tmp_path: Path) -> None:
    given = tmp_path / "large"
    given.write_bytes(os.urandom(4 * LARGE))
    async with network(server.port) as net:
        person = await arrive(server, sign_in=False, origin=net.url)
        person.watch.allowed = CUT_OFF
        await person.page.goto((await server.link()).replace(server.url, net.url))
        await person.attached()
        desk = await Desk.made(person, server, "cut")
        slow = await person.context.new_cdp_session(person.page)
        conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 40 * 1024 * 1024}
        await slow.send("Network.enable")
        await slow.send("Network.emulateNetworkConditions", conditions)
        async with desk.page.expect_file_chooser() as choosing:
            await desk.page.get_by_role("button", name="Upload files").click()
        await (await choosing.value).set_files(given)
        for part in (1, 2):
            await person.until(
                "least => document.querySelector('.transfers progress')?.value > least", part * given.stat().st_size / 4
            )
            await net.cut()
            await expect(desk.page.locator(".transfers .state")).to_contain_text("stopped at")
            await net.connect()
            await desk.page.evaluate("dispatchEvent(new Event('online'))")  # connected: it goes on by itself
            await expect(desk.page.locator(".transfers .state")).not_to_contain_text("stopped at")
        await expect(desk.page.locator(".transfers li")).to_have_class("done", timeout=3 * PATIENCE)
        assert (desk.files / "large").read_bytes() == given.read_bytes()

        # So slow that it does not end before it is cancelled.
        await slow.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": 1024 * 1024})
        async with desk.page.expect_file_chooser() as choosing:
            await desk.page.get_by_role("button", name="Upload files").click()
        (tmp_path / "other").write_bytes(given.read_bytes())
        await (await choosing.value).set_files(tmp_path / "other")
        await expect(desk.page.locator(".transfers li.running")).to_be_visible()
        await desk.page.get_by_role("button", name="Cancel other").click()
        await expect(desk.page.locator(".transfers li.cancelled")).to_be_visible()
        assert not (desk.files / "other").exists()
        while any((desk.files.parent / "uploads").iterdir()):
            await desk.person.frame()


LOST = """() => {
    const { get } = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, 'status');
    const lost = new WeakSet();
    let left = 1;
    Object.defineProperty(XMLHttpRequest.prototype, 'status', { get() {
        if (get.call(this) === 200 && left-- > 0) lost.add(this);
        return lost.has(this) ? 0 : get.call(this);
    }});
}"""
"""The first answer to what is uploaded does not come: for the page, the network broke just before it."""


async def test_an_upload_whose_last_answer_is_lost_is_not_sent_again(desk: Desk, tmp_path: Path) -> None:
    given = tmp_path / "large"
    given.write_bytes(os.urandom(LARGE))
    sent: list[str] = []

    def note(request: Request) -> None:
        if "/uploads" in request.url:
            sent.append(request.method)

    desk.page.on("request", note)
    await desk.page.evaluate(LOST)
    async with desk.page.expect_file_chooser() as choosing:
        await desk.page.get_by_role("button", name="Upload files").click()
    await (await choosing.value).set_files(given)
    await desk.page.get_by_role("button", name="Go on with large").click()
    await expect(desk.page.locator(".transfers li")).to_have_class("done")
    assert sent == ["POST", "PUT", "GET"]
    assert (desk.files / "large").read_bytes() == given.read_bytes()
