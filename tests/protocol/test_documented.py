"""The prose of the protocol and the message classes list the same messages with the same fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from webterm import errors
from webterm.protocol.message import Message, type_of
from webterm.protocol.messages import FromClient, FromServer

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ROW = re.compile(r"^\| (`[^|]+`) \| ([^|]*)\|", re.MULTILINE)


def documented(section: str) -> dict[str, str]:
    """The tables of one section: message type → the cell with its fields."""
    part = TEXT.split(f"\n## {section}")[1].split("\n## ")[0]
    return {name: cell for names, cell in ROW.findall(part) for name in re.findall(r"`([a-z_]+)`", names)}


@pytest.mark.parametrize(("union", "section"), [(FromClient, "3."), (FromServer, "4.")])
def test_the_same_messages(union: object, section: str) -> None:
    assert set(documented(section)) == {type_of(message) for message in get_args(union)}


@pytest.mark.parametrize("message", get_args(FromClient), ids=type_of)
def test_the_fields_that_clients_send(message: type[Message]) -> None:
    cell = documented("3.")[type_of(message)]
    told = {name: optional == "?" for name, optional in re.findall(r"`([a-z_]+)(\??)`", cell.split("|")[0])}
    fields = {field.encode_name: not field.required for field in msgspec.structs.fields(message)}
    described = {name: optional for name, optional in told.items() if name in fields}
    assert described == fields


@pytest.mark.parametrize("message", get_args(FromServer), ids=type_of)
def test_the_fields_that_the_server_sends(message: type[Message]) -> None:
    cell = documented("4.")[type_of(message)]
    if cell.strip() == "see 1":
        cell = TEXT.split('The server speaks first: `{"type":"ready"')[1].split("\n")[0].replace('"', "`")
    for field in msgspec.structs.fields(message):
        assert f"`{field.encode_name}" in cell, f"{type_of(message)}.{field.encode_name} is not documented"


def test_every_code_of_an_error_is_listed_once() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.WebtermError)]
    codes = [one.code for one in classes]
    assert len(set(codes)) == len(codes)
    assert all(f"{one.__name__}" in (errors.__doc__ or "") for one in classes)
