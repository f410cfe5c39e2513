"""The OpenAPI 3.1 document, made from the table of routes: what is not in a row is not in the document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from webterm.access import Scope
from webterm.web.failures import Problem
from webterm.web.row import PLACEHOLDER, Parameter, Row
from webterm.web.schemas import Json, merged, messages, schemas_of

VERSION = "1"
"""Of the API. The program's own is nobody's business who is not signed in."""

DESCRIPTION = """\
Terminals over REST, and everything about people and their rights. Terminals are best used over the WebSocket at `/ws`,
which `asyncapi.json` beside this document describes; its messages are among the schemas here.

A browser is signed in by its cookie, and then has to send its `Origin`; programs send a token in `Authorization`.
Every refusal is `application/problem+json` (RFC 9457) with a `code` that stays the same.
Every GET may be a HEAD.
"""


class Chapter(NamedTuple):
    """One chapter of the document: the paths that begin with one of ``paths``."""

    name: str
    doc: str
    paths: tuple[str, ...]


CHAPTERS = (
    Chapter("Terminals", "Programs with a terminal.", ("/api/v1/terminals", "/ws")),
    Chapter(
        "Workspaces", "Workspaces, and their files.", ("/api/v1/workspaces", "/api/v1/templates", "/api/v1/runtimes")
    ),
    Chapter("Account", "Signing in, and one's own account.", ("/api/v1/auth",)),
    Chapter("Administration", "Other people, and what they did.", ("/api/v1/",)),
    Chapter("Server", "The page, these documents, and whether all is well.", ("/",)),
)
"""A path belongs to the first that fits."""

REFUSALS = {
    400: "The request is malformed, or a value is out of range.",
    401: "Nobody is signed in, or the proof of identity is wrong or no longer good.",
    403: "The caller may not do this: a scope is missing, or the request comes from another site's page.",
    404: "There is no such thing, or none that the caller may see.",
    409: "The thing is not in a state for this.",
    410: "It was there once.",
    408: "The body took too long.",
    412: "The file is no longer the one that the caller means; `current` is the tag of the one that is there.",
    413: "The body is too large.",
    415: "The body is of another media type than this takes.",
    416: "The file has no such bytes.",
    417: "The header `Expect` wants something else than `100-continue`.",
    421: "The server does not answer to this host name.",
    422: "It was understood, and could not be done.",
    429: "Too many calls or attempts, or a number of the settings is used up.",
    502: "Another server that this needs gave a wrong answer.",
    503: "Something that this needs, such as the database, does not answer now.",
    507: "The workspace, or the server's disk, is full.",
}
"""What a status means here."""
OTHERWISE = {
    200: "It was there before.",
    206: "A part of it, as `Range` asks for.",
    304: "It is what the caller has.",
}
"""What further statuses mean that are no refusals."""
BINARY = ("application/octet-stream", "application/zip")
FORM: Json = {
    "type": "object",
    "properties": {
        "file": {
            "type": "array",
            "description": "Files; the `filename` of each is its relative path.",
            "items": {"type": "string", "format": "binary"},
        }
    },
}

SCHEMES: dict[str, Json] = {
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "description": "A browser's login. Calls that change something also need the `Origin` of webterm's own page.",
    },
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A short-lived access token.",
    },
    "personalToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "wt_…",
        "description": "A personal access token, good for the scopes that it was made with.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "A ticket, good for one WebSocket within 30 seconds.",
    },
}

KINDS: dict[str, Json] = {
    "text": {"type": "string"},
    "number": {"type": "integer", "minimum": 0},
    "flag": {"type": "integer", "enum": [0, 1]},
}
"""Schemas of parameters."""
LIMIT_HEADERS = (
    Parameter(name="RateLimit-Limit", kind="number", doc="Calls that the caller's tier has in a window."),
    Parameter(name="RateLimit-Remaining", kind="number", doc="How many of them are left."),
    Parameter(name="RateLimit-Reset", kind="number", doc="Seconds until there is one more."),
)
RETRY = Parameter(name="Retry-After", kind="number", doc="Seconds until there is use in coming back.")
SCHEME = Parameter(name="WWW-Authenticate", kind="text", doc="What to sign in with.", required=True)
TO_GO = Parameter(name="Location", kind="text", doc="Where to go.", required=True)


def openapi(rows: Sequence[Row], *, cookie: str | None) -> Json:
    """The document for these rows. ``cookie`` is the login cookie's name; None: the host application signs in."""
    shown = [row for row in rows if row.path]
    shapes = _Shapes(shown)
    paths: dict[str, Json] = {}
    for row in shown:
        paths.setdefault(row.template, {})[row.method.lower()] = _operation(row, shapes, own=cookie is not None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "webterm", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "./", "description": "Where this document is."}],
        "tags": [{"name": chapter.name, "description": chapter.doc} for chapter in CHAPTERS],
        "paths": paths,
        "components": {
            "schemas": merged(shapes.named, messages()),
            "responses": dict(_refusals(shown)),
            "headers": {header.name: _described(header) for header in LIMIT_HEADERS},
            "securitySchemes": schemes(cookie),
        },
    }


def operation_id(row: Row) -> str:
    """A name for programs: the handler's, within its module's."""
    module, name = row.handler.__module__.rpartition(".")[2], getattr(row.handler, "__name__", row.method.lower())
    return name if name == module else f"{module}_{name}"


def schemes(cookie: str | None) -> dict[str, Json]:
    """The ways to say who one is."""
    if cookie is None:
        return {"ticket": SCHEMES["ticket"]}
    return {**SCHEMES, "cookie": {**SCHEMES["cookie"], "name": cookie}}


class _Shapes:
    """The schemas of all bodies and answers."""

    def __init__(self, rows: Sequence[Row]) -> None:
        kinds = [kind for row in rows for kind in (row.body, row.answer) if kind is not None]
        found, self.named = schemas_of([*kinds, Problem])
        self._found = [*zip(kinds, found, strict=False)]

    def of(self, kind: object) -> Json:
        # Types are compared and not hashed: an annotation may hold a list.
        return next(schema for known, schema in self._found if known == kind)


def _operation(row: Row, shapes: _Shapes, *, own: bool) -> Json:
    operation: Json = {
        "operationId": operation_id(row),
        "summary": row.doc.removesuffix("."),
        "tags": [next(chapter.name for chapter in CHAPTERS if row.path.startswith(chapter.paths))],
    }
    if isinstance(row.access, Scope):
        operation["description"] = f"Needs the scope `{row.access}`."
    parameters = [
        *_path_parameters(row.path),
        *(_parameter("query", parameter) for parameter in row.query),
        *(_parameter("header", parameter) for parameter in row.asked),
    ]
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = _body("application/json", shapes.of(row.body))
    elif row.takes is not None:
        operation["requestBody"] = _body(row.takes, {} if row.takes in BINARY else FORM)
    operation["responses"] = {
        str(row.status): _success(row, shapes),
        **{str(status): _otherwise(status, row, shapes) for status in row.also},
        **({"304": {"description": OTHERWISE[304]}} if _is_kept(row) else {}),
        **{str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals(row)},
    }
    if own or row.access is None:
        operation["security"] = _security(row)
    return operation


def _path_parameters(path: str) -> Iterator[Json]:
    for found in PLACEHOLDER.finditer(path):
        schema: Json = {"type": "string", "minLength": 1}
        if found["pattern"]:
            schema["pattern"] = f"^(?:{found['pattern']})$"
        yield {"name": found["name"], "in": "path", "required": True, "schema": schema}


def _parameter(place: str, parameter: Parameter) -> Json:
    return {"name": parameter.name, "in": place, **_described(parameter)}


def _body(media: str, schema: Json) -> Json:
    return {"required": True, "content": {media: {"schema": schema}}}


def _otherwise(status: int, row: Row, shapes: _Shapes) -> Json:
    response = {**_success(row, shapes), "description": OTHERWISE[status]}
    if status == 304:
        response.pop("content", None)
    return response


def _success(row: Row, shapes: _Shapes) -> Json:
    response: Json = {"description": row.doc}
    if row.media is not None:
        schema: Json = {} if row.media.endswith("json") or row.media in BINARY else {"type": "string"}
        response["content"] = {row.media: {"schema": schema}}
    elif row.answer is not None:
        response["content"] = {"application/json": {"schema": shapes.of(row.answer)}}
    if row.streamed is not None:
        response["content"][row.streamed] = {"schema": {}}
    headers: Json = {header.name: _described(header) for header in row.headers}
    if row.limit != "none":
        headers |= {header.name: {"$ref": f"#/components/headers/{header.name}"} for header in LIMIT_HEADERS}
    if 300 <= row.status < 400:
        headers["Location"] = _described(TO_GO)
    return {**response, "headers": headers} if headers else response


def _is_kept(row: Row) -> bool:
    """Whether browsers keep the answer and ask whether it is still the same."""
    return not row.asks and row.media is not None


def refusals(row: Row) -> list[int]:
    """Statuses of the refusals that follow from the row, and of those that it names."""
    found = {421, *row.errors}
    if row.asks:  # a wrong token is refused also by what is open to everybody
        found |= {400, 401, 429, 503}
    if row.limit != "none":
        found |= {429, 503}
    if isinstance(row.access, Scope) or row.origin == "own":
        found.add(403)
    if "{" in row.path:
        found.add(404)
    if row.body is not None:
        found |= {400, 408, 413, 415}
    if row.takes is not None:
        found |= {400, 408, 415, 417, 429, 507}
    if row.query or row.asked:
        found.add(400)
    return sorted(found)


def _refusals(rows: Sequence[Row]) -> Iterator[tuple[str, Json]]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in sorted({status for row in rows for status in refusals(row)}):
        response: Json = {"description": REFUSALS[status], "content": content}
        if status == 429:
            response["headers"] = {RETRY.name: _described(RETRY)}
        elif status == 401:
            response["headers"] = {SCHEME.name: _described(SCHEME)}
        yield str(status), response


def _security(row: Row) -> list[Json]:
    if row.access is None:
        return []
    scopes = [row.access.value] if isinstance(row.access, Scope) else []
    ways = ["cookie", "accessToken"]
    if row.access is not Scope.ACCOUNT:  # which no personal token is good for
        ways.append("personalToken")
    if row.ticket:
        ways.append("ticket")
    return [{way: scopes} for way in ways]


def _described(parameter: Parameter) -> Json:
    return {"description": parameter.doc, "required": parameter.required, "schema": KINDS[parameter.kind]}
