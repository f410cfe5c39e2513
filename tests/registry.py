"""A registry with one small image, on this machine, from which engines really pull: 127.0.0.1 may be without TLS."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import select
import tarfile
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.images import program

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry:
    """``image`` is the name by which an engine pulls it; ``missing`` one that is not here.

    Half of the layer is sent at once, the rest when `rest` is set, which it is unless a test clears it. ``half_sent``
    is set then; ``hung_up`` when an engine went away in between. ``asked`` counts paths.
    """

    def __init__(self) -> None:
        self.rest, self.half_sent, self.hung_up = threading.Event(), threading.Event(), threading.Event()
        self.rest.set()
        self.asked: Counter[str] = Counter()
        layer = _layer()
        packed = gzip.compress(layer, 1)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["sh"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
                "history": [{"created": "2020-01-01T00:00:00Z"}],
            }
        ).encode()
        blobs = {_digest(data): data for data in (config, packed)}
        parts = [
            {"mediaType": kind, "size": len(data), "digest": _digest(data)}
            for kind, data in ((_CONFIG, config), (_LAYER, packed))
        ]
        manifest = json.dumps(
            {"schemaVersion": 2, "mediaType": _MANIFEST, "config": parts[0], "layers": parts[1:]}
        ).encode()
        self.layer = f"/v2/test/image/blobs/{_digest(packed)}"
        self._answers = {"/v2/": (b"{}", "application/json")}
        for tag in ("1", _digest(manifest)):
            self._answers[f"/v2/test/image/manifests/{tag}"] = (manifest, _MANIFEST)
        for digest, data in blobs.items():
            self._answers[f"/v2/test/image/blobs/{digest}"] = (data, "application/octet-stream")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.image = f"{self.address}/test/image:1"
        self.missing = f"{self.address}/test/image:2"

    @contextmanager
    def serving(self) -> Iterator[Registry]:
        """Answers as long as this lasts."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.rest.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                registry.asked[self.path] += self.command == "GET"
                unknown = json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})
                there = self.path in registry._answers
                data, kind = registry._answers.get(self.path, (unknown.encode(), "application/json"))
                self.send_response(200 if there else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Docker-Content-Digest", _digest(data))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(data) if self.path != registry.layer else self._in_two(data)

            def _in_two(self, data: bytes) -> None:
                middle = len(data) // 2
                try:
                    self.wfile.write(data[:middle])
                    registry.half_sent.set()
                    while not registry.rest.wait(0.02):
                        # An engine that has given up hangs up when more comes.
                        self.wfile.write(data[middle : middle + 1])
                        middle += 1
                        # Whoever pulls says nothing more: what can be read is the end.
                        if select.select([self.connection], [], [], 0)[0]:
                            registry.hung_up.set()
                            self.close_connection = True
                            return
                    self.wfile.write(data[middle:])
                except OSError:
                    registry.hung_up.set()

        return Handler


def _layer() -> bytes:
    """Busybox: nothing that could be packed to nothing. With a mark, as an engine pulls the same layer only once."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        program_file = Path(program("busybox", "busybox-static")).read_bytes()
        for name, data in (("bin/sh", program_file), ("mark", uuid.uuid4().bytes)):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
