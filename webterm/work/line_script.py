"""What a line shell runs instead of a prompt, and how commands and input are written to it.

The shell is interactive, so that an interrupt ends a command and nothing else. In place of its prompt a loop reads
*orders* from the terminal: lines that begin with a secret, carry a command in printable characters and are shorter than
the 4095 bytes that a terminal takes at once. Whatever else comes, such as input that a command left unread, is thrown
away and never executed. What the loop has to tell it writes between *marks*, which hold the secret as well: R (it has
just begun), B (a command begins), D (it is done), K (the loop was left: have it begin again).
"""

from __future__ import annotations

import re

LAUNCHER = """
if _wt_l=$(command -v bash) && [ -z "$_wt_plain" ]; then exec "$_wt_l" {flags}; fi
unset PS1 PS2
exec sh -i
"""
BASH_FLAGS = "--norc --noprofile --noediting -i"
CALM = {
    "TERM": "dumb",
    "COLORTERM": "",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "SYSTEMD_PAGER": "",
    "VIRTUAL_ENV_DISABLE_PROMPT": "1",
    "CONDA_CHANGEPS1": "no",
}
"""Keeps programs from drawing, paging and changing the prompt."""

_PIECE = 700
"""Bytes of a command in one line; each takes up to five characters."""
_SEGMENT = 4000
"""Bytes of input after which a terminal is made to hand over what it has, though the line goes on."""
_QUOTED = re.compile(rb"[^\x20-\x5b\x5d-\x7e]")
_KEYS = re.compile(rb"[\x03\x04\x16]")
_QUOTE_KEY, _HAND_OVER = b"\x16", b"\x04"

_MODES = "-echo -echonl icanon isig iexten -ixon -ixoff -icrnl -inlcr -igncr -istrip -imaxbel -opost -tostop"
_KEYS_SET = "intr ^C eof ^D lnext ^V"
_KEYS_OFF = ("quit", "susp", "erase", "kill", "werase", "rprnt", "eol", "eol2", "start", "stop")
_STTY = f"{_MODES} {_KEYS_SET} {' '.join(f'{key} undef' for key in _KEYS_OFF)}"

# Names of ours begin with _wt_: k number of the order, s status, n secret, o order, b how far it has been read,
# e failures, l line, i its number, f flags, x how to trace again, t stty.
_LOOP = r"""
_wt_s=$? _wt_n={secret} _wt_k=${_wt_k:-0}
{prepare}
_wt_r() { {call}return "$1"; }
_wt_m() { {call}printf '\036%s;%s;%s;%s;%s\036%s.' "$_wt_n" "$1" "$_wt_k" "$_wt_s" "${PWD-}" "$_wt_n" >/dev/tty; }
_wt_b=R
while :; do
  [ -z "$_wt_t" ] || "$_wt_t" {stty} </dev/tty >/dev/null 2>&1 || :
  {call}jobs >/dev/null 2>&1 || :
  {again}
  _wt_m "$_wt_b"
  _wt_o= _wt_b= _wt_e=0
  while [ "$_wt_b" != D ]; do
    if ! IFS= {call}read -r _wt_l; then
      _wt_e=$((_wt_e + 1))
      if [ "$_wt_e" -gt 100 ]; then {call}exit 1; fi
      continue
    fi
    case $_wt_l in "$_wt_n"[0-9]*) ;; *) continue ;; esac
    _wt_l=${_wt_l#"$_wt_n"} _wt_e=0
    _wt_i=${_wt_l%%[!0-9]*}
    _wt_l=${_wt_l#"$_wt_i"}
    case $_wt_l in
      [SW]*) _wt_k=$_wt_i _wt_o=${_wt_l#?} _wt_b=S ;;
      [AE]*) if [ "$_wt_b" != S ]; then continue; fi; _wt_o=$_wt_o${_wt_l#?} ;;
      *) continue ;;
    esac
    case $_wt_l in [WE]*) _wt_b=D ;; esac
  done </dev/tty
  {unquote}
  _wt_m B
  for _wt_i in 1; do
    case $-${_wt_x-} in
      *[ex]*) {call}eval "${_wt_x-}$_wt_o" ;;
      *) _wt_r "$_wt_s"; {call}eval "$_wt_o" ;;
    esac
  done
  { _wt_s=$? _wt_f=$-; {call}set +vx; } 2>/dev/null
  _wt_x= _wt_b=D
  case $_wt_f in *x*) _wt_x='{call}set -x; ' ;; esac
done
_wt_m K
"""
_PREPARE_BASH = """
builtin unset _wt_text _wt_p _wt_plain MAILCHECK HISTFILE
builtin declare +x PROMPT_COMMAND PS1 PS2
_wt_c=$PROMPT_COMMAND
builtin set +o history; builtin set +H
: "${_wt_t=$(builtin type -P stty)}"
"""
_PREPARE_PLAIN = """
if [ -z "${_wt_t+set}" ]; then
  _wt_l=$_wt_text _wt_i=$_wt_p
  unset _wt_text _wt_p _wt_plain PROMPT_COMMAND MAILCHECK MAIL MAILPATH
  _wt_p=$_wt_i _wt_text=$_wt_l _wt_t=$(command -v stty)
fi
"""


class LineScript:
    """The texts of one line shell, whose ``secret`` of letters and digits marks what is ours.

    ``plain``: use sh also where there is bash.
    """

    def __init__(self, secret: str, *, plain: bool = False) -> None:
        self._secret = secret.encode()
        self._plain = plain
        self.mark_start = b"\x1e" + self._secret + b";"
        self.mark_end = b"\x1e" + self._secret + b"."
        self.restart = b'eval "$_wt_text"\n'
        """What makes the loop begin, and begin again after K; bash begins by itself."""

    @property
    def argv(self) -> tuple[str, ...]:
        """What to run: bash, or where there is none, sh."""
        return ("sh", "-c", LAUNCHER.replace("{flags}", BASH_FLAGS))

    @property
    def environment(self) -> dict[str, str]:
        """What the shell finds in its environment, and takes out of it before the first command."""
        prompt = f"\x1e{self._secret.decode()};K;0;0;\x1e{self._secret.decode()}."
        return {
            **CALM,
            "ENV": "",
            "PS1": "",
            "PS2": "",
            "PROMPT_COMMAND": self._loop(
                call="builtin ",
                prepare=_PREPARE_BASH,
                again="PROMPT_COMMAND=$_wt_c PS1= PS2=",
                unquote='builtin printf -v _wt_o %b "$_wt_o"',
            ),
            "_wt_text": self._loop(
                call="",
                prepare=_PREPARE_PLAIN,
                again="PS1='$_wt_p' PS2=",
                unquote="_wt_o=$(printf '%b.' \"$_wt_o\"); _wt_o=${_wt_o%.}",
            ),
            "_wt_p": prompt,
            "_wt_plain": "1" if self._plain else "",
        }

    def order(self, number: int, command: bytes) -> bytes:
        """A command, to be executed when the loop reads. It may hold anything but NUL."""
        pieces = [command[start : start + _PIECE] for start in range(0, len(command), _PIECE)] or [b""]
        kinds = "W" if len(pieces) == 1 else "S" + "A" * (len(pieces) - 2) + "E"
        lines = [
            self._secret + b"%d" % number + kind.encode() + _QUOTED.sub(_octal, piece)
            for kind, piece in zip(kinds, pieces, strict=True)
        ]
        return b"\n" + b"\n".join(lines) + b"\n"  # the first ends what somebody may have left half typed

    def _loop(self, **texts: str) -> str:
        loop = _LOOP
        for name, text in {**texts, "secret": self._secret.decode(), "stty": _STTY}.items():
            loop = loop.replace("{" + name + "}", text)
        return loop.replace("{call}", texts["call"])


def as_input(line: bytes) -> bytes:
    """A line for the program that runs, as long as one likes, as the terminal has to get it."""
    parts = []
    for piece in line.split(b"\n"):
        segments = [piece[start : start + _SEGMENT] for start in range(0, len(piece), _SEGMENT)]
        parts.append(_HAND_OVER.join(_KEYS.sub(lambda key: _QUOTE_KEY + key[0], segment) for segment in segments))
    return b"\n".join(parts) + b"\n"


END_OF_INPUT = _HAND_OVER
"""At the beginning of a line it is the end of a program's input."""


def _octal(found: re.Match[bytes]) -> bytes:
    return b"\\0%03o" % found[0][0]
