"""A web server as people run them in workspaces, and one that misbehaves on demand.

It needs nothing but the smallest Python there is, so that it runs in any image. Started with no argument it takes a
free port, and says which on its first line. ``WEB`` is the directory whose files it serves at ``/``.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

BLOCK = bytes(range(256)) * 1024
CORPUS = b"compressed by the app and by nobody else " * 1000
KINDS = {"html": "text/html; charset=utf-8", "js": "text/javascript", "css": "text/css"}


def gzipped() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(CORPUS) + packer.flush()


class Connection:
    """One connection, request after request."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.file = connection.makefile("rb")
        self.method = self.target = self.path = self.query = ""
        self.headers: list[tuple[str, str]] = []

    def serve(self) -> None:
        try:
            while self.read_head() and self.answer():
                pass
        except (OSError, ValueError):
            pass
        finally:
            self.file.close()
            self.socket.close()

    def read_head(self) -> bool:
        first = self.file.readline().decode("latin-1")
        if not first:
            return False
        self.method, self.target, _ = first.split(" ", 2)
        self.path, _, self.query = self.target.partition("?")
        self.headers = []
        while line := self.file.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(":")
            self.headers.append((name, value.strip()))
        return True

    def header(self, wanted: str) -> str:
        return next((value for name, value in self.headers if name.lower() == wanted), "")

    def body(self) -> tuple[int, int]:
        """The body's length and checksum."""
        check = total = 0
        if self.header("transfer-encoding") == "chunked":
            while size := int(self.file.readline(), 16):
                left = size
                while left:
                    data = self.file.read(min(left, 1 << 20))
                    check = zlib.crc32(data, check)
                    total, left = total + len(data), left - len(data)
                self.file.readline()
            self.file.readline()
            return total, check
        left = int(self.header("content-length") or 0)
        while left:
            data = self.file.read(min(left, 1 << 20))
            if not data:
                raise OSError("cut")
            check = zlib.crc32(data, check)
            total, left = total + len(data), left - len(data)
        return total, check

    def send(self, body: bytes, *headers: str, status: str = "200 OK") -> bool:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode("latin-1") + (b"" if self.method == "HEAD" else body))
        return True

    def answer(self) -> bool:
        name = self.path.strip("/").replace("-", "_").split("/")[0]
        handler = getattr(self, f"do_{name}", None)
        return bool(handler()) if handler is not None else self.do_file()

    def do_echo(self) -> bool:
        length, check = self.body()
        told = {"method": self.method, "target": self.target, "headers": self.headers, "length": length, "crc": check}
        return self.send(json.dumps(told).encode(), "Content-Type: application/json")

    def do_big(self) -> bool:
        """So many bytes, with a length or in chunks, as the query says: ``SIZE`` or ``SIZE,chunked``."""
        size, _, how = self.query.partition(",")
        left = int(size)
        framing = "Transfer-Encoding: chunked" if how == "chunked" else f"Content-Length: {left}"
        if how == "close":
            framing = "Connection: close"
        self.socket.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        while left:
            block = BLOCK[: min(left, len(BLOCK))]
            left -= len(block)
            try:
                self.socket.sendall(b"%x\r\n%b\r\n" % (len(block), block) if how == "chunked" else block)
            except OSError:
                print("cut", flush=True)
                return False
        if how == "chunked":
            self.socket.sendall(b"0\r\n\r\n")
        return how != "close"

    def do_gzip(self) -> bool:
        return self.send(gzipped(), "Content-Encoding: gzip", "Content-Type: text/plain")

    def do_raw(self) -> bool:
        """The very bytes of the query, in hexadecimal; then the end."""
        self.socket.sendall(binascii.unhexlify(self.query))
        return False

    def do_hints(self) -> bool:
        """Hints for ever, and no answer."""
        while True:
            self.socket.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)

    def do_long(self) -> bool:
        """A header that is longer than anybody's."""
        return self.send(b"", "X-Long: " + "x" * 200_000)

    def do_never(self) -> bool:
        """Nothing, until the other side has had enough; both are said on the output."""
        print("asked", self.query, flush=True)
        self.socket.recv(1)
        print("left", self.query, flush=True)
        return False

    def do_say(self) -> bool:
        """Tell all who listen to the events."""
        with SAID:
            SAYINGS.append(self.query)
            SAID.notify_all()
        return self.send(b"")

    def do_events(self) -> bool:
        """Server-sent events: one at once, and one for everything that is said from then on."""
        self.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n")
        with SAID:
            seen = len(SAYINGS)
            self.socket.sendall(b"data: hello\n\n")
            while SAID.wait():
                for saying in SAYINGS[seen:]:
                    self.socket.sendall(f"data: {saying}\n\n".encode())
                seen = len(SAYINGS)
        return False

    def do_ws(self) -> bool:
        """A WebSocket that says what it was asked with, and then everything that it hears."""
        if self.query == "refuse":
            return self.send(b"no", "X-Why: because", status="403 Forbidden")
        key = self.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = binascii.b2a_base64(hashlib.sha1(key.encode()).digest()).decode().strip()
        offered = self.header("sec-websocket-protocol")
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Accept: {accept}", "Set-Cookie: webterm-x=evil", 'Clear-Site-Data: "*"']
        lines += [f"Sec-WebSocket-Protocol: {offered.split(',')[0]}"] if offered else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        before = (WEB / "module.js").read_text()
        self.frame(1, json.dumps({"target": self.target, "headers": self.headers}).encode())
        if self.query == "watch":
            threading.Thread(target=self.watch, args=[before], daemon=True).start()
        while True:
            opcode, data = self.read_frame()
            if opcode == 8:
                self.frame(8, data)
                return False
            self.frame(opcode, data)

    def watch(self, before: str) -> None:
        """As a dev server does: tell the page when the module has changed."""
        try:
            while True:
                if (now := (WEB / "module.js").read_text()) != before:
                    before = now
                    self.frame(1, b'{"type": "update"}')
                time.sleep(0.02)
        except OSError:
            pass

    def frame(self, opcode: int, data: bytes) -> None:
        size = len(data)
        form, length = (
            (">BB", (size,)) if size < 126 else (">BBH", (126, size)) if size < 65536 else (">BBQ", (127, size))
        )
        self.socket.sendall(struct.pack(form, 0x80 | opcode, *length) + data)

    def read_frame(self) -> tuple[int, bytes]:
        first, second = self.file.read(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        mask = self.file.read(4)
        data = bytearray(self.file.read(size))
        if not any(mask):
            return first & 15, bytes(data)
        whole = int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return first & 15, whole.to_bytes(size, "big")

    def do_file(self) -> bool:
        self.body()
        name = self.path.strip("/") or "index.html"
        path = WEB / name
        if ".." in name or not path.is_file():
            return self.send(b"no such file", status="404 Not Found")
        kind = KINDS.get(name.rpartition(".")[2], "application/octet-stream")
        return self.send(path.read_bytes(), f"Content-Type: {kind}", "Set-Cookie: app=1; Path=/")


WEB = Path(os.environ.get("WEB", "."))
SAID = threading.Condition()
SAYINGS: list[str] = []


def main() -> None:
    listening = socket.create_server(("127.0.0.1" if len(sys.argv) < 2 else sys.argv[1], 0), backlog=64)
    print(listening.getsockname()[1], flush=True)
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Connection(connection).serve, daemon=True).start()


if __name__ == "__main__":
    main()
