"""The page's types are those of the server's message classes."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import get_args

import pytest

from webterm.protocol import messages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rendered() -> str:
    text = runpy.run_path(str(ROOT / "scripts" / "generate_types.py"))["render"]()
    assert isinstance(text, str)
    return text


def test_the_committed_types_are_fresh(rendered: str) -> None:
    committed = (ROOT / "frontend" / "src" / "protocol.gen.ts").read_text(encoding="utf-8")
    assert committed == rendered, "run python -m scripts.generate_types"


@pytest.mark.parametrize(
    "message",
    [*get_args(messages.FromClient), *get_args(messages.FromServer)],
    ids=messages.type_of,
)
def test_every_message_and_field_is_there(rendered: str, message: type[messages.Message]) -> None:
    start = rendered.index(f"export interface {message.__name__}Message {{")
    body = rendered[start : rendered.index("\n}", start)]
    assert f'  type: "{messages.type_of(message)}";' in body
    for name in message.__struct_encode_fields__:
        assert f"\n  {name}: " in body or f"\n  {name}?: " in body
