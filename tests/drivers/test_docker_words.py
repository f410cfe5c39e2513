"""What comes out of a container may be anybody's words: none of them stops, fills or misleads the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest

from webterm.drivers.docker import program, survey
from webterm.drivers.docker.stream import Frames

GOOD = b"1000\2" + b"7 (x) S 1 7 7 34816 7 " + b"0 " * 13 + b"99 0 5 " + b"0 " * 20 + b"\2vi\1file"


def test_a_forged_survey() -> None:
    bad = [
        b"",
        b"1000\2x (y) S\2c",
        GOOD.replace(b"7 (x)", b"x (x)"),
        GOOD.replace(b"S 1 7", b"S a 7"),
        GOOD.replace(b"99 0 5", b"9" * 5000 + b" 0 5"),
        GOOD.replace(b"99 0 5", b"9" * 40 + b" 0 5"),
        b"9" * 30 + GOOD,
    ]
    found = survey.read_survey(b"\n".join([b"9" * 5000 + b"\2btime 5", *bad, GOOD]))
    assert [(seen.pid, seen.arguments) for seen in found.processes] == [(7, ("vi", "file"))]
    assert found.boot == 5


@pytest.mark.parametrize("stream", [1, 2])
async def test_words_without_end_before_a_program_begins(stream: int) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    frame = struct.pack(">BxxxI", stream, 8192) + b"x" * 8192

    async def talk() -> None:
        with contextlib.suppress(OSError):
            while True:
                await asyncio.get_running_loop().sock_sendall(theirs, frame)

    talking = asyncio.create_task(talk())
    try:
        async with asyncio.timeout(10):
            with pytest.raises(program._NotBegun):
                await program._until_it_says(ours, Frames())
    finally:
        talking.cancel()
        ours.close()
        theirs.close()
