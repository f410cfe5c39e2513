"""Measurements: there from the start, true, without anybody's name in them, and for admins alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from tests.web.conftest import Running, started
from tests.web.proofs import Proof, call, owners_cookie, personal_token
from webterm.access import Actor, Scope
from webterm.ids import UserId
from webterm.web.measuring import METHODS, OUTCOMES, STATUSES, Metrics
from webterm.web.routes import NOWHERE, OWN_LOGIN_ROWS, ROWS
from webterm.web.site import SITE

ODD = ("PROPFIND", "TRACE", "MKCOL", "SEARCH")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def admin(running: Running) -> Proof:
    """A program that fetches measurements."""
    return await personal_token(running, await owners_cookie(running), Scope.ADMIN)


async def text_of(running: Running, admin: Proof) -> str:
    async with aiohttp.ClientSession(headers=admin.headers) as client, client.get(running.url("/metrics")) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return await answer.text()


async def samples(running: Running, admin: Proof) -> Samples:
    families = text_string_to_metric_families(await text_of(running, admin))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def one(found: Samples, name: str, **labels: str) -> float:
    return found[f"webterm_{name}", frozenset(labels.items())]


async def test_every_number_is_there_before_anything_has_happened(running: Running, admin: Proof) -> None:
    found = await samples(running, admin)
    for row in (*ROWS, *OWN_LOGIN_ROWS):
        for status in STATUSES:
            assert one(found, "http_requests_total", route=row.template, method=row.method, status=status) >= 0
        if row.limit == "auth":
            for outcome in OUTCOMES:
                assert one(found, "sign_ins_total", route=row.template, outcome=outcome) >= 0
    for gauge in ("terminals", "exited", "viewers", "connections"):
        assert one(found, gauge) == 0
    for driver in ("docker", "local"):
        assert one(found, "running_workspaces", driver=driver) == 0


async def test_what_is_measured(running: Running, admin: Proof) -> None:
    before = await samples(running, admin)
    path = "/api/v1/terminals"
    owner = await owners_cookie(running)
    for _ in range(3):
        assert (await call(running, "GET", f"{path}/nowhere", owner))[0] == 404
    assert (await call(running, "GET", path, None))[0] == 401
    for password in ("x", "y"):
        await call(running, "POST", "/api/v1/auth/login", None, {"name": "nobody", "password": password})
    async with aiohttp.ClientSession(headers=owner.headers) as client, client.ws_connect(running.url("/ws")) as socket:
        await socket.send_json({"type": "open", "channel": 1, "cols": 80, "rows": 24, "driver": "echo"})
        while (await socket.receive_json())["type"] != "attached":
            pass
        found = await samples(running, admin)
    assert [one(found, gauge) for gauge in ("terminals", "viewers", "connections")] == [1, 1, 1]

    def grown(name: str, **labels: str) -> float:
        return one(found, name, **labels) - one(before, name, **labels)

    assert grown("http_requests_total", route=f"{path}/{{terminal}}", method="GET", status="4xx") == 3
    assert grown("http_requests_total", route=path, method="GET", status="4xx") == 1
    assert grown("sign_ins_total", route="/api/v1/auth/login", outcome="refused") == 2
    assert grown("sign_ins_total", route="/api/v1/auth/link", outcome="accepted") == 1
    assert one(found, "http_request_seconds_count", route=f"{path}/{{terminal}}") == 3


async def test_a_socket_is_counted_when_it_ends_and_not_timed(running: Running, admin: Proof) -> None:
    owner = await owners_cookie(running)
    async with aiohttp.ClientSession(headers=owner.headers) as client, client.ws_connect(running.url("/ws")) as socket:
        await socket.receive()
    async with asyncio.timeout(5):
        while one(await samples(running, admin), "http_requests_total", route="/ws", method="GET", status="1xx") == 0:
            pass
    assert ("webterm_http_request_seconds_count", frozenset({("route", "/ws")})) not in await samples(running, admin)


async def test_strangers_cannot_make_it_grow(running: Running, admin: Proof) -> None:
    await samples(running, admin)  # which is a request of its own
    series = len(await samples(running, admin))
    for number in range(20):
        await call(running, "GET", f"/nowhere/{number}?a={number}")
        await call(running, "GET", f"/api/v1/terminals/{number}")
        answer = await running.raw(
            f"{ODD[number % 4]} /nowhere HTTP/1.1\r\nHost: {running.netloc}\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.split(b" ", 2)[1] == b"404"
    found = await samples(running, admin)
    assert len(found) <= series + 40  # a few rows were timed, or refused, for the first time
    assert one(found, "http_requests_total", route=NOWHERE.template, method="other", status="4xx") == 20
    assert {dict(labels)["method"] for name, labels in found if name == "webterm_http_requests_total"} <= {
        *METHODS,
        "other",
    }


async def test_nobodys_name_is_in_it(running: Running, admin: Proof) -> None:
    owner = await owners_cookie(running)
    _, me = await call(running, "GET", "/api/v1/auth/me", owner)
    _, made = await call(running, "POST", "/api/v1/terminals", owner, {"cols": 80, "rows": 24, "driver": "echo"})
    await call(running, "GET", f"/api/v1/terminals/{made['id']}?secret=hunter2", owner)
    text = await text_of(running, admin)
    for secret in (me["id"], made["id"], "hunter2", "127.0.0.1", str(running.directory)):
        assert secret not in text


def test_each_webterm_has_a_registry_of_its_own() -> None:
    first, second = Metrics(), Metrics()
    first.declare(ROWS)
    second.declare(ROWS)
    assert first.registry is not second.registry
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("webterm")]


async def test_ordinary_people_and_strangers_learn_nothing(running: Running) -> None:
    owner = await owners_cookie(running)
    reading = await personal_token(running, owner, Scope.TERMINALS_READ)
    assert (await call(running, "GET", "/metrics", reading))[0] == 403
    assert (await call(running, "GET", "/metrics"))[0] == 401


# what goes wrong tells strangers nothing


async def test_an_error_of_ours_tells_only_where_to_look(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: web.Request) -> Actor | None:
        if request.query.get("for"):
            return Actor(id=UserId("ann"), name="ann")
        raise RuntimeError("the password is hunter2")

    async with started(directory, actor=broken) as running:
        for path in ("/api/v1/terminals", "/health", "/metrics", "/ws", "/api/v1/auth/options"):
            async with aiohttp.ClientSession() as client, client.get(running.url(path)) as answer:
                assert answer.status == 500
                problem = await answer.json(content_type="application/problem+json")
            text = str(problem)
            assert problem["code"] == "internal_error"
            assert not any(secret in text for secret in ("hunter2", "RuntimeError", "Traceback", ".py"))
            log_id = problem["detail"].split()[-1]
            assert any(log_id in record.getMessage() for record in caplog.records)
        for path in ("/nowhere", "/assets/x"):  # where nobody asks who it is, nothing can break
            assert (await call(running, "GET", path))[0] == 404
        assert running.app[SITE].actor_of is broken
