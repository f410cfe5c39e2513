"""The page's types are those of the server's classes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, get_args

import pytest

from webterm.protocol import messages
from webterm.protocol.message import Message, type_of
from webterm.web.openapi import operation_id
from webterm.web.routes import OWN_LOGIN_ROWS, ROWS
from webterm.web.row import Row

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "generate_types.py"))


@pytest.fixture(scope="module")
def rendered(script: dict[str, Any]) -> str:
    text = script["render_messages"]()
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", ["protocol.gen.ts", "api.gen.ts"])
def test_the_committed_types_are_fresh(script: dict[str, Any], name: str) -> None:
    render = next(render for path, render in script["TARGETS"].items() if path.name == name)
    committed = (ROOT / "frontend" / "src" / name).read_text(encoding="utf-8")
    assert committed == render(), "run python -m scripts.generate_types"


@pytest.mark.parametrize("row", [row for row in (*ROWS, *OWN_LOGIN_ROWS) if row.answer or row.body], ids=operation_id)
def test_every_body_and_answer_is_there(script: dict[str, Any], row: Row) -> None:
    text = script["render_api"]()
    if row.path.startswith("/api/"):
        assert f'  "{row.method} {row.template}": {{ body: ' in text
    for kind in (row.body, row.answer):
        if isinstance(kind, type) and row.path.startswith("/api/"):
            assert f"export interface {kind.__name__} {{" in text


@pytest.mark.parametrize(
    "message",
    [*get_args(messages.FromClient), *get_args(messages.FromServer)],
    ids=type_of,
)
def test_every_message_and_field_is_there(rendered: str, message: type[Message]) -> None:
    start = rendered.index(f"export interface {message.__name__}Message {{")
    body = rendered[start : rendered.index("\n}", start)]
    assert f'  type: "{type_of(message)}";' in body
    for name in message.__struct_encode_fields__:
        assert f"\n  {name}: " in body or f"\n  {name}?: " in body
