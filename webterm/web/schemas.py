"""JSON Schemas (2020-12) of what travels: the bodies of REST calls, and the messages of the WebSocket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from webterm.protocol.message import Message, type_of
from webterm.protocol.messages import FromClient, FromServer

Json = dict[str, Any]
REF = "#/components/schemas/{name}"
POINTER = re.compile(r'(?<="#/components/schemas/)[^"]+(?=")')
"""The name in a reference, in JSON."""

FROM_CLIENT: tuple[type[Message], ...] = get_args(FromClient)
FROM_SERVER: tuple[type[Message], ...] = get_args(FromServer)


def schemas_of(kinds: Iterable[object]) -> tuple[list[Json], dict[str, Json]]:
    """The schema of each of these types, and the named schemas that they refer to."""
    found, named = msgspec.json.schema_components(list(kinds), ref_template=REF)
    return list(found), named


def messages() -> dict[str, Json]:
    """Schemas of all messages and of what they hold, and the two unions of them."""
    _, named = schemas_of((*FROM_CLIENT, *FROM_SERVER))
    names = {cls.__name__: name_of(cls) for cls in (*FROM_CLIENT, *FROM_SERVER)}
    renamed = {names.get(name, name): _renamed(schema, names) for name, schema in named.items()}
    return {
        **renamed,
        "ClientMessage": _union("Everything that a client may send.", FROM_CLIENT),
        "ServerMessage": _union("Everything that a server may send.", FROM_SERVER),
    }


def name_of(message: type[Message]) -> str:
    """``Message`` is appended, because ``Error``, ``List`` and others mean something else elsewhere."""
    return f"{message.__name__}Message"


def merged(rest: Mapping[str, Json], messages: Mapping[str, Json]) -> dict[str, Json]:
    """Both in one table; what the messages hold gives way to another schema of the same name, as ``Socket…``."""
    names = {name: f"Socket{name}" for name, schema in messages.items() if rest.get(name, schema) != schema}
    return {**rest, **{names.get(name, name): _renamed(schema, names) for name, schema in messages.items()}}


def _union(description: str, members: Iterable[type[Message]]) -> Json:
    refs = {type_of(member): REF.format(name=name_of(member)) for member in members}
    return {
        "description": description,
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }


def _renamed(schema: Json, names: Mapping[str, str]) -> Json:
    """The schema with its references, and its title, under other names."""
    text = msgspec.json.encode(schema).decode()
    moved: Json = msgspec.json.decode(POINTER.sub(lambda found: names.get(found[0], found[0]), text))
    if "title" in moved:
        moved["title"] = names.get(moved["title"], moved["title"])
    return moved
