"""The example of docs/embedding.md, as somebody would run it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from tests.pace import within

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples" / "embedding.py"


@asynccontextmanager
async def example(data_dir: Path) -> AsyncIterator[URL]:
    """The example's address, while it runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        "--port=0",
        f"--data-dir={data_dir}",
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        found = re.search(rb"http://\S+", line)
        assert found, line
        yield URL(found[0].decode().rstrip(")"))
    finally:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await process.communicate()
    assert process.returncode == 0


async def test_the_example(tmp_path: Path) -> None:
    async with example(tmp_path / "data") as root:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": str(root.origin())}) as ann:
            async with ann.get(root) as answer:
                assert "The application." in await answer.text()
            async with ann.get(root / "terminal/api/v1/terminals") as answer:
                assert answer.status == 401
            async with ann.get(root / "sign-in/ann", allow_redirects=False) as answer:
                assert answer.headers["Location"] == "/terminal/"
            async with ann.get(root / "terminal/api/v1/auth/me") as answer:
                me = await answer.json()
                assert (me["id"], me["username"], me["owner"]) == ("ann", "Ann", False)
            async with ann.post(root / "terminal/api/v1/auth/link", json={"token": "x"}) as answer:
                assert answer.status == 404  # people sign in at the application
            async with ann.ws_connect(root / "terminal/ws") as socket:
                assert (await socket.receive_json())["user"] == {"id": "ann", "name": "Ann"}
                await socket.send_json({"type": "open", "channel": 1, "cols": 80, "rows": 24})
                assert (await socket.receive_json())["type"] == "attached"
                async with ann.get(root / "sign-out") as answer:
                    assert answer.status == 200
                async with within(1):
                    while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                        pass
                assert message.data == 1008


def test_the_document_shows_the_example() -> None:
    """The code in the document is cut from the example, so that it cannot grow old."""
    document = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    source = EXAMPLE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    assert blocks
    for block in blocks:
        assert block in source
