"""The AsyncAPI 3.0 document of the WebSocket, made from the message classes (docs/protocol.md is its prose)."""

from __future__ import annotations

from collections.abc import Iterable

from webterm.protocol.frames import BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL, SUBPROTOCOLS
from webterm.protocol.message import Message, type_of
from webterm.web.openapi import VERSION, schemes
from webterm.web.schemas import FROM_CLIENT, FROM_SERVER, Json, messages, name_of

DESCRIPTION = f"""\
Any number of terminals over one WebSocket. The server speaks first, with `ready`; then the client opens terminals or
attaches to running ones, each under a channel number of its own choice.

Messages are JSON text. In the subprotocol `{BINARY_SUBPROTOCOL}` output and input travel in binary frames instead;
their numbers are big-endian. Without a subprotocol it is `{JSON_SUBPROTOCOL}`.
"""

BINARY = {
    "outputFrame": "Output: 0x01, channel u32, offset u64 of the first byte, then the bytes as the program wrote them.",
    "inputFrame": "Input: 0x02, channel u32, then the bytes for the program.",
    "execOutputFrame": "Output of a command without a terminal: 0x03, channel u32, stream u8 (1 stdout, 2 stderr),"
    " then the bytes.",
}
FRAMES_IN = ("inputFrame",)
FRAMES_OUT = ("outputFrame", "execOutputFrame")


def asyncapi(prefix: str, *, cookie: str | None) -> Json:
    """The document for a server under ``prefix``. ``cookie`` as in `webterm.web.openapi.openapi`."""
    ins = [*map(type_of, FROM_CLIENT), *FRAMES_IN]
    outs = [*map(type_of, FROM_SERVER), *FRAMES_OUT]
    named = messages()
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "webterm", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": {"here": _server(prefix)},
        "channels": {"socket": _channel([*ins, *outs])},
        "operations": {
            "hear": _operation("receive", "What a client may send.", ins, _security(cookie)),
            "say": _operation("send", "What a client has to expect.", outs, _security(cookie)),
        },
        "components": {
            "messages": {
                **{type_of(cls): _message(cls) for cls in (*FROM_CLIENT, *FROM_SERVER)},
                **{name: _frame(name, layout) for name, layout in BINARY.items()},
            },
            # A union says by itself which message it is; here each message has a schema of its own.
            "schemas": {name: schema for name, schema in named.items() if "discriminator" not in schema},
            "securitySchemes": _schemes(cookie),
        },
    }


def _server(prefix: str) -> Json:
    return {
        "host": "{host}",
        "pathname": prefix or "/",
        "protocol": "wss",
        "description": "Where this document is; `ws` where that is `http`.",
        "variables": {"host": {"default": "localhost", "description": "The host, and the port where it has one."}},
    }


def _channel(names: Iterable[str]) -> Json:
    return {
        "address": "/ws",
        "description": "One WebSocket.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "enum": list(SUBPROTOCOLS)},
                        "Origin": {"type": "string", "description": "Of webterm's own page, where a cookie signs in."},
                    },
                },
                "query": {
                    "type": "object",
                    "properties": {"ticket": {"type": "string", "description": "A ticket, instead of a cookie."}},
                },
            }
        },
    }


def _operation(action: str, summary: str, names: Iterable[str], security: list[Json]) -> Json:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in names],
        "security": security,
    }


def _message(cls: type[Message]) -> Json:
    return {
        "name": type_of(cls),
        "summary": " ".join((cls.__doc__ or "").replace("``", "`").split()),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name_of(cls)}"},
    }


def _frame(name: str, layout: str) -> Json:
    return {
        "name": name,
        "summary": layout,
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary", "description": layout},
    }


def _security(cookie: str | None) -> list[Json]:
    return [{"$ref": f"#/components/securitySchemes/{name}"} for name in schemes(cookie)]


def _schemes(cookie: str | None) -> dict[str, Json]:
    """AsyncAPI calls an API key that is sent over HTTP by another name."""
    return {
        name: {**scheme, "type": "httpApiKey"} if scheme["type"] == "apiKey" else scheme
        for name, scheme in schemes(cookie).items()
    }
