"""What can be asked of the keeper: one method for each request, and the table of them."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from webterm.keeper.household import Household
from webterm.keeper.links import Links
from webterm.keeper.program import Order, Program
from webterm.keeper.wire import (
    MAX_RECORD,
    SIGNALS,
    VERSION,
    Ended,
    KeeperError,
    Link,
    Message,
    Packet,
    mapping,
    number,
    seconds,
    text,
    texts,
)

_log = logging.getLogger("webterm.keeper")

_LONGEST_NOTE = 4096
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Requests:
    """Answers each message; whatever is wrong with one becomes its reply."""

    def __init__(self, links: Links, household: Household, staging: tuple[int, int, int]) -> None:
        self._links = links
        self._household = household
        self._staging = staging

    def answer(self, link: Link, packet: Packet) -> None:
        """Answer a message. Descriptors that are left in the packet are the caller's to close."""
        key = packet.message.get("id")
        try:
            self._dispatch(link, packet)
        except KeeperError as error:
            self._links.send(link, {"id": key, "error": {"code": error.code, "text": str(error)}})
        except Exception:
            _log.exception("a request failed")
            self._links.send(link, {"id": key, "error": {"code": "internal", "text": "the keeper failed at this"}})

    def _dispatch(self, link: Link, packet: Packet) -> None:
        number(packet.message, "id", 0, 2**53)
        name = text(packet.message, "do")
        handler = self._handlers.get(name)
        if handler is None:
            raise KeeperError("malformed", "there is no such request")
        if name not in self._open_to_all and not self._links.serves(link):
            raise KeeperError("not_served", "say hello first")
        handler(self, link, packet)

    def _reply(self, link: Link, packet: Packet, fields: Message, *fds: int) -> None:
        self._links.send(link, {"id": packet.message["id"], "ok": fields}, fds)

    def _hello(self, link: Link, packet: Packet) -> None:
        version = packet.message.get("version")
        if version != VERSION:
            raise KeeperError("version", f"this keeper speaks version {VERSION}, not the server's")
        self._links.serve(link)
        self._reply(link, packet, {"version": VERSION, "pid": os.getpid()}, *self._staging)

    def _spawn(self, link: Link, packet: Packet) -> None:
        message = packet.message
        token = _token(message)
        if message.get("descriptors_lost"):
            raise KeeperError("descriptors_lost", "the keeper has too many open files")
        memory = packet.fds[0] if packet.fds else None
        order = _order(message, terminal=True)
        durable = message.get("durable", True) is not False
        program, master = self._household.start(token, order, memory, _record(message), durable=durable)
        del packet.fds[:1]
        self._reply(link, packet, {"token": token, "pid": program.pid}, master)

    def _run(self, link: Link, packet: Packet) -> None:
        token = _token(packet.message)
        if packet.message.get("descriptors_lost"):
            raise KeeperError("descriptors_lost", "the keeper has too many open files")
        if len(packet.fds) != 3:
            raise KeeperError("malformed", "stdin, stdout and stderr have to come along")
        program = self._household.start_piped(token, _order(packet.message), packet.fds)
        self._reply(link, packet, {"token": token, "pid": program.pid})

    def _hold(self, link: Link, packet: Packet) -> None:
        message = packet.message
        token = _token(message)
        if message.get("descriptors_lost"):
            raise KeeperError("descriptors_lost", "the keeper has too many open files")
        if not 1 <= len(packet.fds) <= 2:
            raise KeeperError("malformed", "the stream has to come along, and at most memory with it")
        note = text(message, "note")
        if len(note) > _LONGEST_NOTE:
            raise KeeperError("too_big", f"a note exceeds {_LONGEST_NOTE} characters")
        memory = packet.fds[1] if len(packet.fds) > 1 else None
        self._household.hold(token, packet.fds[0], memory, _record(message), note)
        packet.fds.clear()
        self._reply(link, packet, {"token": token})

    def _list(self, link: Link, packet: Packet) -> None:
        kept = [program.token for program in self._household if program.durable]
        self._reply(link, packet, {"tokens": kept})

    def _take(self, link: Link, packet: Packet) -> None:
        program = self._program(packet)
        if program.master is None:
            raise KeeperError("no_such_program", "it has no terminal")
        fds = [program.master] if program.memory is None else [program.master, program.memory]
        fields: Message = {"pid": program.pid, "record": program.record, "memory": program.memory is not None}
        if program.held:
            fields["note"] = program.note
        self._reply(link, packet, {**fields, "exit": _shown(program.exit)}, *fds)

    def _keep(self, link: Link, packet: Packet) -> None:
        self._program(packet).record = _record(packet.message)
        self._reply(link, packet, {})

    def _signal(self, link: Link, packet: Packet) -> None:
        program = self._program(packet)
        name = text(packet.message, "name")
        if program.held:
            raise KeeperError("malformed", "the program does not run here")
        if name not in SIGNALS or packet.message.get("to") != "foreground":
            raise KeeperError("malformed", f"name must be one of {', '.join(SIGNALS)}, to must be foreground")
        if program.exit is None:
            _signal(program, signal.Signals[f"SIG{name}"])
        self._reply(link, packet, {})

    def _hangup(self, link: Link, packet: Packet) -> None:
        program = self._program(packet)
        scope = text(packet.message, "scope")
        if scope not in ("tree", "session"):
            raise KeeperError("malformed", "scope must be tree or session")

        def over(left: int) -> None:
            self._reply(link, packet, {"left": left, "exit": _shown(program.exit)})

        grace = seconds(packet.message, "grace_s")
        self._household.end(program, grace=grace, whole_tree=scope == "tree", done=over)

    def _forget(self, link: Link, packet: Packet) -> None:
        program = self._program(packet)
        if program.exit is None and not program.held:
            raise KeeperError("malformed", "the program is running: hang up first")
        if not self._household.endings.has(program):
            self._household.forget(program.token)
        self._reply(link, packet, {})

    def _shutdown(self, link: Link, packet: Packet) -> None:
        self._links.refuse_second(link)
        grace = seconds(packet.message, "grace_s")
        programs = len(self._household)
        self._household.stop(grace)
        self._reply(link, packet, {"programs": programs})

    def _program(self, packet: Packet) -> Program:
        return self._household.find(text(packet.message, "token"))

    _open_to_all: ClassVar = frozenset({"hello", "shutdown"})
    _handlers: ClassVar[dict[str, Callable[[Requests, Link, Packet], None]]] = {
        "hello": _hello,
        "spawn": _spawn,
        "run": _run,
        "hold": _hold,
        "list": _list,
        "take": _take,
        "keep": _keep,
        "signal": _signal,
        "hangup": _hangup,
        "forget": _forget,
        "shutdown": _shutdown,
    }


def _token(message: Message) -> str:
    token = text(message, "token")
    if not _TOKEN.fullmatch(token):
        raise KeeperError("malformed", "token must be 8 to 64 of A-Z a-z 0-9 _ -")
    return token


def _order(message: Message, *, terminal: bool = False) -> Order:
    argv = texts(message, "argv")
    if not argv:
        raise KeeperError("malformed", "argv must not be empty")
    order = Order(argv=argv, env=mapping(message, "env"), cwd=text(message, "cwd"))
    if terminal:
        return replace(order, cols=number(message, "cols", 1, 500), rows=number(message, "rows", 1, 300))
    return order


def _record(message: Message) -> str:
    record = text(message, "record")
    if len(record.encode("utf-8", "surrogateescape")) > MAX_RECORD:
        raise KeeperError("too_big", f"a record exceeds {MAX_RECORD // 1024} KiB")
    return record


def _shown(exit_: Ended | None) -> Message | None:
    return None if exit_ is None else {"status": exit_.status, "signal": exit_.signal}


def _signal(program: Program, number: int) -> None:
    """Signal the terminal's foreground process group, or the program where there is none any more.

    Without a terminal: the program's own group.
    """
    try:
        group = program.pid if program.master is None else os.tcgetpgrp(program.master)
        if group > 1:
            os.killpg(group, number)
            return
    except ProcessLookupError:
        pass
    except PermissionError:
        raise KeeperError("denied", "the program runs as another user: press the key for it in the terminal") from None
    os.kill(program.pid, number)
