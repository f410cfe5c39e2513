"""What travels in WebSocket frames: JSON text, or the three kinds of binary frames (docs/protocol.md, section 7)."""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec

from webterm.errors import InvalidRequest, UnknownType
from webterm.protocol.message import Message, type_of
from webterm.protocol.messages import FromClient, decoder, encoder

JSON_SUBPROTOCOL = "webterm.v1.json"
BINARY_SUBPROTOCOL = "webterm.v1.binary"
SUBPROTOCOLS = (BINARY_SUBPROTOCOL, JSON_SUBPROTOCOL)

OUTPUT, INPUT, EXEC_OUTPUT = 1, 2, 3
_OUTPUT = struct.Struct(">BLQ")
_EXEC_OUTPUT = struct.Struct(">BLB")
_INPUT = struct.Struct(">BL")

_TYPES = frozenset(type_of(message) for message in FromClient.__args__)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Frame(NamedTuple):
    """One WebSocket message out."""

    text: bool
    payload: bytes


class _Envelope(msgspec.Struct):
    type: str | None = None
    channel: int | None = None
    request: int | None = None


_envelopes = msgspec.json.Decoder(_Envelope)


class Refused(NamedTuple):
    """A message that could not be read: why, and which channel and request it named, if one could tell."""

    error: InvalidRequest
    channel: int | None = None
    request: int | None = None


def encode(message: Message) -> Frame:
    """A message as JSON text."""
    return Frame(True, encoder.encode(message))


def encode_output(channel: int, offset: int, data: bytes) -> Frame:
    """Output as a binary frame."""
    return Frame(False, _OUTPUT.pack(OUTPUT, channel, offset) + data)


def encode_exec_output(channel: int, stream: int, data: bytes) -> Frame:
    """Output of a command as a binary frame; ``stream`` is 1 for stdout, 2 for stderr."""
    return Frame(False, _EXEC_OUTPUT.pack(EXEC_OUTPUT, channel, stream) + data)


def decode(text: bytes) -> FromClient | Refused:
    """A message from JSON text. What is wrong with it comes back as a value: it harms nobody."""
    try:
        return decoder.decode(text)
    except _UNREADABLE as error:
        return _refuse(text, error)


def decode_input(frame: bytes) -> tuple[int, bytes]:
    """Channel and bytes of a binary input frame. Raises `InvalidRequest` for anything else."""
    if len(frame) < _INPUT.size or frame[0] != INPUT:
        raise InvalidRequest(f"A binary frame from a client begins with {INPUT}, and has at least {_INPUT.size} bytes.")
    return _INPUT.unpack_from(frame)[1], frame[_INPUT.size :]


def _refuse(text: bytes, error: Exception) -> Refused:
    try:
        envelope = _envelopes.decode(text)
    except _UNREADABLE:
        return Refused(InvalidRequest(f"This is not a message: {_reason(error)}"))
    if envelope.type is not None and envelope.type not in _TYPES:
        fault: InvalidRequest = UnknownType(f"There is no message of type {envelope.type[:64]!r}.")
    else:
        fault = InvalidRequest(f"This {envelope.type or 'message'} is wrong: {_reason(error)}")
    return Refused(fault, envelope.channel, envelope.request)


def _reason(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
