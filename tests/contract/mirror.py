"""A program that behaves in a terminal as `EchoSession` does without one."""

from __future__ import annotations

import os
import signal
import sys
import termios


def on_resize(_number: int, _frame: object) -> None:
    cols, rows = os.get_terminal_size(0)
    os.write(1, b"size %dx%d\n" % (cols, rows))


signal.signal(signal.SIGWINCH, on_resize)
signal.signal(signal.SIGINT, lambda _number, _frame: os.write(1, b"^C\n"))
# Not the terminal gives back what is typed: its echo is dropped where much comes at once (ECHO, termios(3)).
modes = termios.tcgetattr(0)
modes[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, modes)
os.write(1, b"ready\n")
while data := os.read(0, 65536):
    while data:
        data = data[os.write(1, data) :]
sys.exit(0)
