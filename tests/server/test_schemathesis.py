"""The running server against its own OpenAPI document: no failure of ours, and nothing that the document does not say.

Schemathesis reads the document from the server, makes calls from it, right and wrong ones, and compares the answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.process import Server, serving
from webterm.web.openapi import operation_id
from webterm.web.paths import PATH, WORKSPACE
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
FATAL = {
    "auth_change_password": "auth_me",
    "auth_logout": "auth_me",
    "devices_sign_out": "devices_show_all",
    "devices_sign_out_all": "devices_show_all",
    "users_change": "users_show_all",
    "workspaces_remove": "workspaces_show_all",
}
"""What may end the caller's own login or workspace, and what else to call: admins who are good for nothing else try
these."""
PASSWORD = "correct horse battery staple"
IN_A_WORKSPACE = (
    ("GET", "", 200),
    ("GET", "/tree", 200),
    ("GET", "/search", 200),
    ("GET", "/archive", 200),
    ("PUT", "/files" + PATH, 201),
    ("POST", "/directories" + PATH, 201),
    ("POST", "/upload", 200),
)
"""Some of what calls do in a workspace that is there."""
LINE = re.compile(r"webterm\.access: \w+ (?P<method>\w+) (?P<path>\S+) (?P<status>\d{3}) ", re.ASCII)
PROGRAM = ("-m", "schemathesis.cli")


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_server_does_what_its_document_says(directory: Path) -> None:
    async with serving(directory, limits__enabled=False) as server:
        token = await owner_token(server)
        others = [await another_admin(server, f"admin{number}", token) for number in range(len(FATAL))]
        await explore(server)
        workspace = (await call(server, "POST", "api/v1/workspaces", {"name": "Ours"}, token=token))["id"]
        harmless = (f"--exclude-operation-id={name}" for name in FATAL)
        await explore(server, *harmless, token=token, workspace=workspace)
        assert (await call(server, "GET", "api/v1/auth/me", token=token))["owner"], "the owner's token lived to the end"
        for other, names in zip(others, FATAL.items(), strict=True):
            await explore(server, *(f"--include-operation-id={name}" for name in names), token=other)
        answered = statuses(server.log)
    assert " ERROR webterm" not in server.log
    assert not [route for route, seen in answered.items() if any(status >= 500 for status in seen)]
    # All of that would hold for a server that lets nobody in.
    for row in (*ROWS, *OWN_LOGIN_ROWS):
        if row.method == "GET" and "{" not in row.path and row.path != "/ws":
            assert row.status in answered[row.method, row.path], row.path
    for method, rest, status in IN_A_WORKSPACE:
        assert status in answered[method, WORKSPACE + rest], rest


async def explore(server: Server, *words: str, token: str | None = None, workspace: str | None = None) -> None:
    """Let schemathesis call everything, or the operations that ``words`` choose. The same calls each time.

    ``workspace``: the one that calls are about; without it, any that schemathesis thinks of.
    """
    fixed = f'[parameters]\n"path.workspace" = "{workspace}"\n' if workspace else ""
    config = server.directory.parent / "schemathesis.toml"
    await asyncio.to_thread(config.write_text, fixed)
    options = {
        "checks": ",".join(CHECKS),
        "phases": "coverage,fuzzing" if token else "fuzzing",  # nearly all say the same to whoever is nobody
        "max-examples": "10" if token else "3",
        "seed": "1",
        "generation-database": "none",
        "warnings": "off",
        "header": f"Authorization: Bearer {token}" if token else None,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *PROGRAM,
        f"--config-file={config}",
        "run",
        str(server.url / "openapi.json"),
        "--continue-on-failure",
        "--no-color",
        *(f"--{name}={value}" for name, value in options.items() if value is not None),
        *words,
        cwd=server.directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


async def owner_token(server: Server) -> str:
    """An access token of the owner, good for everything."""
    status, text = await server.request("PUT", "api/v1/auth/password", {"new": PASSWORD})
    assert status == 204, text
    _, text = await server.request("GET", "api/v1/auth/me")
    return await sign_in(server, json.loads(text)["username"])


async def another_admin(server: Server, name: str, token: str) -> str:
    """An access token of somebody new."""
    new = {"username": name, "password": PASSWORD, "role": "admin"}
    await call(server, "POST", "api/v1/users", new, token=token)
    return await sign_in(server, name)


async def sign_in(server: Server, name: str) -> str:
    pair = await call(server, "POST", "api/v1/auth/token", {"name": name, "password": PASSWORD})
    return str(pair["access_token"])


async def call(server: Server, method: str, path: str, body: object = None, *, token: str = "") -> dict[str, Any]:
    """A call as a program makes it, which has to succeed; returns the answer's JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as client:
        async with client.request(method, server.url / path, json=body, headers=headers) as answer:
            assert answer.ok, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found


def statuses(log: str) -> dict[tuple[str, str], set[int]]:
    """What the server has answered, by method and route."""
    found: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for line in LINE.finditer(log):
        found[line["method"], line["path"]].add(int(line["status"]))
    return found


def test_what_ends_a_login_is_known() -> None:
    assert {*FATAL, *FATAL.values()} <= {operation_id(row) for row in (*ROWS, *OWN_LOGIN_ROWS)}
