"""The OpenAPI document: valid, complete, and what the rows say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import aiohttp
import jsonschema_rs
import pytest
import schemathesis
from aiohttp import web

from tests.web.conftest import Running, started
from webterm.access import Actor, Scope
from webterm.ids import UserId
from webterm.protocol import messages
from webterm.protocol.message import Message, type_of
from webterm.web.openapi import openapi, operation_id, refusals
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

ALL_ROWS = [row for row in (*ROWS, *OWN_LOGIN_ROWS) if row.path]
DOCUMENT = openapi(ALL_ROWS, cookie="webterm-test")
JSON = "application/json"


def named(row: Row) -> str:
    return f"{row.method} {row.path}"


def operation(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][row.template][row.method.lower()]
    return found


def values_of(key: str, part: object) -> Iterator[Any]:
    """What stands under ``key``, wherever it is."""
    if isinstance(part, dict):
        yield from (value for name, value in part.items() if name == key)
        yield from (found for value in part.values() for found in values_of(key, value))
    elif isinstance(part, list):
        yield from (found for value in part for found in values_of(key, value))


def at(pointer: str) -> object:
    """What a reference (RFC 6901) leads to."""
    part: Any = DOCUMENT
    for name in pointer.removeprefix("#/").split("/"):
        part = part[name]
    return part


def test_it_is_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()  # the official schema of OpenAPI 3.1
    assert DOCUMENT["openapi"].startswith("3.1.")


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_schema_is_json_schema(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]+", name), "two classes of the API have the same name"
    schema = DOCUMENT["components"]["schemas"][name]
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def test_every_reference_leads_somewhere() -> None:
    for pointer in [
        *values_of("$ref", DOCUMENT),
        *(ref for map_ in values_of("mapping", DOCUMENT) for ref in map_.values()),
    ]:
        assert at(pointer) is not None


def test_every_schema_is_used() -> None:
    used = set(values_of("$ref", DOCUMENT)) | {
        "#/components/schemas/ClientMessage",
        "#/components/schemas/ServerMessage",
    }
    assert {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]} <= used


def test_operations_have_names_of_their_own() -> None:
    names = list(values_of("operationId", DOCUMENT["paths"]))
    assert len(names) == len(set(names)) == len(ALL_ROWS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


@pytest.mark.parametrize("row", ALL_ROWS, ids=named)
def test_an_operation_says_what_its_row_says(row: Row) -> None:
    found = operation(row)
    assert found["operationId"] == operation_id(row)
    assert found["summary"] + "." == row.doc
    assert found["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    success = {str(row.status), *map(str, row.also), *(["304"] if row.media and not row.asks else [])}
    assert set(found["responses"]) == success | {str(status) for status in (*refusals(row), *row.errors)}
    assert set(found["responses"][str(row.status)].get("content", {})) == expected_media(row)
    assert set(found.get("requestBody", {}).get("content", {})) == taken_media(row)
    places = [(parameter["in"], parameter["name"]) for parameter in found.get("parameters", ())]
    in_path = re.findall(r"\{(\w+)\}", row.template)
    assert places == [
        *(("path", name) for name in in_path),
        *(("query", parameter.name) for parameter in row.query),
        *(("header", parameter.name) for parameter in row.asked),
    ]


@pytest.mark.parametrize("row", [row for row in ALL_ROWS if row.headers], ids=named)
def test_an_operation_says_what_its_headers_say(row: Row) -> None:
    found = operation(row)["responses"][str(row.status)]["headers"]
    for header in row.headers:
        assert found[header.name]["description"] == header.doc


def taken_media(row: Row) -> set[str]:
    if row.takes is not None:
        return {row.takes}
    return {JSON} if row.body is not None else set()


def expected_media(row: Row) -> set[str]:
    if row.media is not None:
        return {row.media}
    return {JSON, *filter(None, [row.streamed])} if row.answer is not None else set()


@pytest.mark.parametrize("row", ALL_ROWS, ids=named)
def test_an_operation_says_who_may_call_it(row: Row) -> None:
    found = operation(row)
    if row.access is None:
        assert found["security"] == []
        return
    scopes = [row.access.value] if isinstance(row.access, Scope) else []
    ways = ["cookie", "accessToken"] + ["personalToken"] * (row.access != Scope.ACCOUNT) + ["ticket"] * row.ticket
    assert found["security"] == [{way: scopes} for way in ways]
    assert set(ways) <= set(DOCUMENT["components"]["securitySchemes"])
    assert "401" in found["responses"]
    assert "403" in found["responses"] or row.access == "any"


@pytest.mark.parametrize("row", ALL_ROWS, ids=named)
def test_rows_say_what_they_answer(row: Row) -> None:
    """An answer without a body is 101, 204 or a redirect; a body is JSON or has a media type, never both."""
    bare = row.status in {101, 204} or 300 <= row.status < 400
    assert bare == (row.answer is None and row.media is None)
    assert row.answer is None or row.media is None
    assert row.body is None or row.takes is None
    assert (row.body is None and row.takes is None) or row.method in {"POST", "PUT", "PATCH"}


@pytest.mark.parametrize("message", [*get_args(messages.FromClient), *get_args(messages.FromServer)])
def test_the_messages_are_among_the_schemas(message: type[Message]) -> None:
    schema = DOCUMENT["components"]["schemas"][f"{message.__name__}Message"]
    assert schema["properties"]["type"] == {"enum": [type_of(message)]}
    assert set(schema["properties"]) == {"type", *message.__struct_encode_fields__}


def test_a_path_may_have_braces_in_its_pattern() -> None:
    row = Row(
        method="GET",
        path="/a/{b:[a-z]{1,3}}/{c}",
        handler=nothing,
        access=None,
        origin="any",
        doc="A test.",
        status=204,
    )
    path, found = next(iter(openapi([row], cookie=None)["paths"].items()))
    assert path == "/a/{b}/{c}"
    schemas = [parameter["schema"] for parameter in found["get"]["parameters"]]
    assert [schema.get("pattern") for schema in schemas] == ["^(?:[a-z]{1,3})$", None]


async def nothing(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


# As a server sends it.


@pytest.mark.parametrize("prefix", ["", "/terminal", "/a/b"])
async def test_every_route_is_in_it_and_nothing_else(directory: Path, prefix: str) -> None:
    async with started(directory, prefix) as running, aiohttp.ClientSession() as client:
        document = await fetched(client, running, "/openapi.json")
        told = {(method.upper(), prefix + path) for path, found in document["paths"].items() for method in found}
        assert told == set(routes_of(running.app)) - {("GET", prefix)}


def routes_of(app: web.Application) -> Iterator[tuple[str, str]]:
    for route in app.router.routes():
        assert route.resource is not None
        if route.method not in {"*", "HEAD"}:
            yield route.method, route.resource.canonical


async def fetched(client: aiohttp.ClientSession, running: Running, path: str) -> dict[str, Any]:
    async with client.get(running.url(path)) as answer:
        assert answer.status == 200
        assert answer.content_type == JSON
        document: dict[str, Any] = await answer.json()
        return document


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
async def test_a_document_that_one_has_is_not_sent_again(running: Running, path: str) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.get(running.url(path)) as answer:
            tag = answer.headers["ETag"]
            assert answer.headers["Cache-Control"] == "no-cache"
        async with client.get(running.url(path), headers={"If-None-Match": f'"old", {tag}'}) as answer:
            assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", tag)
        async with client.get(running.url(path), headers={"If-None-Match": '"old"'}) as answer:
            assert answer.status == 200
        async with client.head(running.url(path)) as answer:
            assert (answer.status, answer.headers["ETag"]) == (200, tag)


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json"])
async def test_a_stranger_learns_nothing_about_the_installation(running: Running, path: str) -> None:
    async with aiohttp.ClientSession() as client, client.get(running.url(path)) as answer:
        text = await answer.text()
    for secret in (version("webterm"), version("aiohttp"), str(running.directory), str(running.root.port), "127.0.0.1"):
        assert secret not in text


async def test_where_the_host_application_signs_people_in(directory: Path) -> None:
    async def actor(request: web.Request) -> Actor | None:
        return Actor(id=UserId("somebody"), name="somebody")

    async with started(directory, "/terminal", actor=actor) as running, aiohttp.ClientSession() as client:
        document = await fetched(client, running, "/openapi.json")
    schemathesis.openapi.from_dict(document).validate()
    assert set(document["components"]["securitySchemes"]) == {"ticket"}
    assert "/api/v1/auth/token" not in document["paths"]
    terminals = document["paths"]["/api/v1/terminals"]["get"]
    assert "security" not in terminals
    assert "401" in terminals["responses"]


@pytest.mark.parametrize("view", ["/docs", "/redoc"])
async def test_a_page_of_ones_own_may_lack_the_views(directory: Path, tmp_path: Path, view: str) -> None:
    async with started(directory, page=tmp_path) as running, aiohttp.ClientSession() as client:
        async with client.get(running.url(view)) as answer:
            assert answer.status == 404
            assert answer.content_type == "application/problem+json"
