"""What runs in the terminals: small shell scripts, and prepared files for `cat`, all in memory where there is tmpfs."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

FILE_BYTES = 4 * 1024 * 1024
READY = b"ready-steady"
PROMPT = b"@prompt@"
SHELL = ("bash", "--norc", "--noprofile", "-i")
_COLOURS = ("0", "01;34", "01;32", "01;36", "40;33;01", "38;5;208")


def plain_lines() -> bytes:
    """Lines of a log."""
    chance = random.Random(1)
    words = ["connection", "opened", "from", "request", "served", "in", "total", "cache", "miss", "user", "token"]
    lines = [
        f"2026-11-21 08:{n // 60:02}:{n % 60:02} INFO {' '.join(chance.choices(words, k=chance.randint(3, 9)))} {n}"
        for n in range(2000)
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def coloured_lines() -> bytes:
    """What ``ls -laR --color`` writes: a colour for each name, and a few letters outside ASCII."""
    chance = random.Random(2)
    names = ["README.md", "src", "bücher", "build.py", "größe.txt", "index.html", "archive.tar.gz", "main.rs"]
    lines = []
    for number in range(2000):
        colour, name = chance.choice(_COLOURS), chance.choice(names)
        size = chance.randint(1, 9_999_999)
        lines.append(f"-rw-r--r-- 1 user user {size:>8} Nov 21 08:{number % 60:02} \x1b[0m\x1b[{colour}m{name}\x1b[0m")
    return "".join(f"{line}\r\n" for line in lines).encode()


class Programs:
    """A directory of them. Close it when done."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")  # tmpfs
        self._directory = tempfile.TemporaryDirectory(prefix="webterm-bench-", dir=memory if memory.is_dir() else None)
        self.path = Path(self._directory.name)
        for name, lines in (("plain", plain_lines()), ("coloured", coloured_lines())):
            (self.path / name).write_bytes(lines * (FILE_BYTES // len(lines)))
        self.raw_cat = self._script("raw-cat", f"stty raw -echo\nprintf {READY.decode()}\nexec cat")
        self.yes = self._script("yes", f"stty raw -echo\nprintf {READY.decode()}\nexec yes {'0123456789' * 7}")
        self.shell = self._script("shell", f"PS1='{PROMPT.decode()}' exec {' '.join(SHELL)}")

    def flood(self, content: str, times: int) -> Path:
        """A script that says `READY`, waits for a line, and then writes one of the contents ``times`` times over."""
        files = " ".join([f'"{self.path / content}"'] * times)
        text = f"stty raw -echo\nprintf {READY.decode()}\nread line\nexec cat {files}"
        return self._script(f"flood-{content}-{times}", text)

    def size(self, content: str) -> int:
        """Bytes of one copy."""
        return (self.path / content).stat().st_size

    def escaped_size(self, content: str) -> int:
        """Bytes of one copy as the inside of a JSON string, as Python's json writes it."""
        return len(json.dumps((self.path / content).read_bytes().decode())) - 2

    def close(self) -> None:
        """Remove them."""
        self._directory.cleanup()

    def _script(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path
