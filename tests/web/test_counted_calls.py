"""How often one may call, over HTTP: the numbers of the tiers, the headers, and what is never counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.web.conftest import Running, browser, started
from tests.web.proofs import Proof, call, make_person, named, owners_cookie, path_of, personal_token
from tests.web.redis_server import RedisServer
from webterm.access import EVERYDAY, Scope
from webterm.settings_accounts import Accounts, Limits, Redis, Tier
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS

ME = "/api/v1/auth/me"
HEADER = "Remote-User"
TIERS = {
    "free": Tier(general=4, auth=2, ai=1),
    "pro": Tier(general=6, auth=3, ai=1),
    "enterprise": Tier(general=0, auth=0, ai=0),
}


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def redis(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisServer | None]:
    """Where calls are counted."""
    server = RedisServer(tmp_path) if request.param == "redis" else None
    if server is not None:
        await server.start()
    try:
        yield server
    finally:
        if server is not None:
            await server.stop()


@pytest.fixture
async def running(directory: Path, redis: RedisServer | None) -> AsyncIterator[Running]:
    """A server where a proxy names people, which needs no passwords; the owner is of the highest tier."""
    async with started(
        directory,
        server={"trusted_proxies": ("127.0.0.1",)},
        accounts=Accounts(proxy_header=HEADER),
        limits=Limits(tiers=TIERS),
        redis=Redis(url=redis.url if redis else None),
    ) as running:
        yield running


def person(running: Running, name: str) -> Proof:
    return Proof({HEADER: name, "Origin": running.origin}, EVERYDAY)


async def headers_of(running: Running, path: str, proof: Proof | None, method: str = "GET") -> tuple[int, list[str]]:
    """The status of an answer, and what it says about limits, in the order of the names."""
    headers = proof.headers if proof else {}
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
        client.request(method, running.url(path), headers=headers) as answer,
    ):
        names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After")
        return answer.status, [answer.headers.get(name, "") for name in names]


async def test_the_headers_and_the_refusal(running: Running) -> None:
    ann = person(running, "ann")
    for left in ("3", "2", "1", "0"):
        status, (most, remaining, reset, again) = await headers_of(running, ME, ann)
        assert (status, most, remaining, again) == (200, "4", left, "")
        assert 1 <= int(reset) <= 60
    status, (most, remaining, reset, again) = await headers_of(running, ME, ann)
    assert (status, most, remaining, again) == (429, "4", "0", reset)
    status, problem = await call(running, "GET", ME, ann)
    assert (status, problem["code"]) == (429, "rate_limited")
    assert problem["detail"].startswith("too many calls; come back in ")


async def test_a_socket_counts_as_a_call(running: Running) -> None:
    ann = person(running, "ann")
    async with aiohttp.ClientSession(headers=ann.headers) as client:
        for _ in range(4):
            async with client.ws_connect(running.url("/ws")) as socket:
                assert (await socket.receive_json())["type"] == "ready"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(running.url("/ws"))
    assert refused.value.status == 429
    assert refused.value.headers is not None
    assert refused.value.headers["Retry-After"]


async def test_people_count_apart_and_by_their_tier(running: Running) -> None:
    for _ in range(5):
        status, _ = await headers_of(running, ME, person(running, "ann"))
    assert status == 429
    owner = await owners_cookie(running)
    _, ben = await call(running, "GET", ME, person(running, "ben"))
    assert (await call(running, "PATCH", f"/api/v1/users/{ben['id']}", owner, {"tier": "pro"}))[0] == 200
    for left in ("5", "4", "3", "2", "1", "0"):
        status, (most, remaining, *_) = await headers_of(running, ME, person(running, "ben"))
        assert (status, most, remaining) == (200, "6", left)
    assert (await headers_of(running, ME, person(running, "ben")))[0] == 429
    for _ in range(30):
        assert await headers_of(running, ME, owner) == (200, ["", "", "", ""])  # 0 is as often as one likes


async def test_strangers_count_by_their_address_and_stop_nobody(running: Running) -> None:
    for _ in range(4):
        assert (await headers_of(running, ME, None))[0] == 401
    assert (await headers_of(running, ME, None))[0] == 429
    assert (await headers_of(running, "/api/v1/auth/options", None))[0] == 429
    assert (await headers_of(running, ME, person(running, "ann")))[0] == 200
    assert (await headers_of(running, "/api/v1/auth/login", None, "POST"))[0] == 415  # counted apart


async def test_attempts_to_sign_in_have_a_number_of_their_own(running: Running) -> None:
    for left in ("1", "0"):
        status, (most, remaining, *_) = await headers_of(running, "/api/v1/auth/login", None, "POST")
        assert (status, most, remaining) == (415, "2", left)
    for path in ("login", "link", "register", "token", "refresh"):
        assert (await headers_of(running, f"/api/v1/auth/{path}", None, "POST"))[0] == 429
    assert (await headers_of(running, ME, None))[0] == 401


async def test_the_page_and_monitoring_are_never_starved(running: Running) -> None:
    free = [row for row in (*ROWS, *OWN_LOGIN_ROWS) if row.limit == "none"]
    for _ in range(5):
        assert (await headers_of(running, ME, None))[0] in {401, 429}
    for row in free:
        for _ in range(10):
            status, told = await headers_of(running, path_of(row), None)
            assert status != 429, named(row)
            assert told == ["", "", "", ""]
    async with browser(running) as client:  # the link on the page, too, is no attempt that is counted
        for _ in range(10):
            link = running.url("/").with_query(login="x")
            async with client.get(link, allow_redirects=False) as answer:
                assert answer.status == 303
        link = running.url("/").with_query(login=await running.link())
        async with client.get(link, allow_redirects=False) as answer:
            assert answer.headers["Location"] == "./"


async def test_a_flood_of_wrong_tokens_is_refused_before_anything_is_looked_up(running: Running) -> None:
    owner = await owners_cookie(running)
    good = await personal_token(running, owner, Scope.TERMINALS_READ)
    fresh = await personal_token(running, owner, Scope.TERMINALS_READ)
    assert (await call(running, "GET", ME, good))[0] == 200
    statuses = [
        (await call(running, "GET", ME, None, Authorization=f"Bearer wt_{number:043}"))[0] for number in range(6)
    ]
    assert statuses == [401, 401, 429, 429, 429, 429]
    status, problem = await call(running, "GET", ME, None, Authorization="Bearer wt_other")
    assert (status, problem["code"]) == (429, "rate_limited")
    assert (await call(running, "GET", ME, good))[0] == 200  # it has been good before: guesses stop nobody
    assert (await call(running, "GET", ME, fresh))[0] == 429
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    assert (await call(running, "GET", ME, fresh, **elsewhere))[0] == 200


@pytest.mark.redis
async def test_calls_go_on_when_redis_goes_away(
    tmp_path: Path, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = RedisServer(tmp_path)
    await redis.start()
    async with started(directory, limits=Limits(tiers=TIERS), redis=Redis(url=redis.url)) as running:
        assert (await headers_of(running, ME, None))[1][:2] == ["4", "3"]
        await redis.stop()
        answers = await asyncio.gather(*(headers_of(running, ME, None) for _ in range(8)))
        assert sorted(status for status, _ in answers) == [401] * 4 + [429] * 4
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert ["Redis does not answer" in record.getMessage() for record in warnings] == [True]
        assert str(tmp_path) not in warnings[0].getMessage()


async def test_without_limits_nothing_is_counted(directory: Path) -> None:
    async with started(directory, limits=Limits(enabled=False, tiers=TIERS)) as running:
        for _ in range(10):
            assert await headers_of(running, ME, None) == (401, ["", "", "", ""])


async def test_the_defaults_leave_room_for_a_page(directory: Path) -> None:
    """What a page asks for when it is loaded, ten times within a second, as when somebody has ten tabs."""
    async with started(directory, limits=Limits()) as running, browser(running) as owner:
        await running.sign_in(owner)
        await make_person(running, owner, "ann")
        for _ in range(10):
            for path in ("/health", "/api/v1/auth/options", ME, "/api/v1/terminals"):
                async with owner.get(running.url(path)) as answer:
                    assert answer.status == 200
            async with owner.ws_connect(running.url("/ws")) as socket:
                assert (await socket.receive_json())["type"] == "ready"
