"""Ending what programs in containers have started, by other programs that are run there as the same user.

Nothing else can: a container's root has no power over its users. Everything that comes of a program carries its mark;
what has put it off is found as a child, or by its session. Only with the container ends what hides from all of that.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from webterm.drivers.docker.engine import EngineRefusal
from webterm.drivers.docker.program import MARK, PREFIX, TAIL, Place
from webterm.drivers.docker.stream import run
from webterm.errors import EngineUnavailable, Unavailable, WebtermError
from webterm.ids import WorkspaceId
from webterm.tasks import Tasks

if TYPE_CHECKING:
    from webterm.drivers.docker.engine import Engine

_log = logging.getLogger("webterm.drivers")

_PATIENCE, _LONGER_PATIENCE = 5.0, 20.0
_MORE_TRIES = 2
_NONE = "-"
_HAS_GONE = 9
_ENDED_BY = {0: "HUP", 9: "KILL"}

_END = r"""
mark=$1 leader=$2 grace=$3 tools=$4
set -f
known=' ' rounds=0
[ -z "$tools" ] || command -v grep >/dev/null 2>&1 || tools=
status() {
  IFS= read -r line <"/proc/$1/stat" || return 1
  line=${line##*) }
  set -- $line
  [ "$1" != Z ] && [ "$1" != X ] || return 1
  parent=$2 session=$4 start=${20}
} 2>/dev/null
marked() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *"$mark"*) return 0 ;; esac
  done <"/proc/$1/environ"
  return 1
} 2>/dev/null
ours() {
  [ "$session" != "$leader" ] || return 0
  case $known in *" $parent:"*) return 0 ;; esac
  if [ -z "$tools" ]; then marked "$pid"; return; fi
  case $names in *" /proc/$pid/environ "*) return 0 ;; esac
  return 1
}
look() {
  found= fresh= names=
  set +f
  [ -z "$tools" ] || names=" $(echo $(grep -las -e "$mark" /proc/[0-9]*/environ)) "
  set -- /proc/[0-9]*
  set -f
  for each; do
    pid=${each#/proc/}
    [ "$pid" != 1 ] && [ "$pid" != $$ ] && status "$pid" || continue
    case $known in
      *" $pid:$start "*) found="$found $pid" ;;
      *) if ours; then found="$found $pid" fresh="$fresh $pid" known="$known$pid:$start "; fi ;;
    esac
  done
}
clock() { read -r now _ </proc/uptime; now=${now%.*}${now#*.}; }
send() { for each in $2; do kill -s "$1" "$each"; done; } 2>/dev/null
rest() { [ -z "$tools" ] || sleep 0.05 2>/dev/null || sleep 1; }

look
while [ -n "$fresh" ]; do look; done
clock
grace=$((now + grace)) hung_up=$found
while [ -n "$found" ]; do
  if [ "$now" -lt "$grace" ]; then
    send HUP "$hung_up"
    send CONT "$hung_up"
    rest
    look
    hung_up=$fresh
    clock
  else
    rounds=$((rounds + 1))
    [ $rounds -le 50 ] || exit 1
    send STOP "$found"
    look
    send KILL "$found"
    [ $rounds -eq 1 ] || rest
    look
  fi
done
[ $rounds -eq 0 ] || exit 9
exit 0
"""
"""Hangs up, and kills after ``grace`` hundredths of a second, until nothing is left. Those to be killed are stopped
first: whoever multiplies stops to do so. With ``tools`` other programs help; without, none has to be started, which a
container that is full of processes does not let us."""

_SIGNAL = r"""
IFS= read -r line 2>/dev/null <"/proc/$2/stat" || exit 0
name=$1 leader=$2
line=${line##*) }
set -- $line
group=$6
[ "$group" -gt 1 ] || group=$3
kill -s "$name" -- "-$group" 2>/dev/null || kill -s "$name" "-$group" 2>/dev/null
[ "$name" = KILL ] || exit 0
for each in 1 2 3 4 5 6 7 8 9 10; do
  IFS= read -r line 2>/dev/null <"/proc/$leader/stat" || exit 9
  case ${line##*) } in Z* | X*) exit 9 ;; esac
  sleep 0.01 2>/dev/null
done
exit 0
"""
"""To the foreground process group of a terminal, where a program has one, else to its own (proc(5), tpgid)."""

_LIST = r"""
grep -ahos -e "$1[A-Za-z0-9_-]*" /proc/[0-9]*/environ && exit 0
for each in /proc/[0-9]*; do
  { while IFS= read -r line || [ -n "$line" ]; do
      case $line in *"$1"*) printf '%s\n' "$line" ;; esac
    done <"$each/environ"; } 2>/dev/null
done
exit 0
"""


class Endings:
    """Ends trees of programs. ``last_resort`` has to end a whole container where that does not work."""

    def __init__(self, engine: Engine, last_resort: Callable[[WorkspaceId, str], Awaitable[None]]) -> None:
        self._engine = engine
        self._last_resort = last_resort
        self._tasks = Tasks("endings in containers")

    async def end(
        self, container: str, user: str, token: str, *, leader: int | None = None, grace: float = 0
    ) -> str | None:
        """End a program and all that came of it: hang up, and kill after ``grace`` seconds.

        Returns when nothing is left of it, with the name of the last signal that it took; None where the engine does
        not answer, or it withstands. ``token`` may be the beginning of many.
        """
        for tools in ("tools", *[""] * _MORE_TRIES):
            first = _NONE if leader is None else str(leader)
            patience = _PATIENCE if tools else _LONGER_PATIENCE
            arguments = (f"{MARK}={token}", first, str(round(grace * 100)), tools)
            try:
                ran = await run(self._engine, container, _END, *arguments, user=user, timeout=grace + patience)
            except EngineRefusal as refusal:
                if refusal.is_gone:
                    return "KILL"
                _log.warning("programs in a container could not be ended: %s", refusal)
            except EngineUnavailable as error:
                if self._engine.up is False:
                    return None
                _log.warning("programs in a container could not be ended: %s", error)
            else:
                if ran.status in _ENDED_BY:
                    return _ENDED_BY[ran.status]
            grace = 0
        return None

    async def end_for_sure(self, workspace: WorkspaceId, place: Place, token: str, *, grace: float) -> str | None:
        """The same; where it does not work although the engine answers, the container ends, and with it all."""
        ended = await self.end(place.container, place.user, token, leader=place.leader, grace=grace)
        if ended is None and self._engine.up:
            with contextlib.suppress(Unavailable):  # it has just gone
                await self._last_resort(workspace, "its programs could not be ended in another way")
                return "KILL"
        return ended

    def end_soon(self, container: str, user: str, token: str) -> None:
        """Kill what has come of a program that nobody will see. It is under way; `aclose` waits for it."""
        self._tasks.run(self._end_unseen(container, user, token))

    async def tokens(self, container: str, user: str, workspace: WorkspaceId) -> set[str]:
        """Of which programs there is something in a container.

        Raises `webterm.errors.EngineUnavailable` and `webterm.drivers.docker.engine.EngineRefusal`.
        """
        prefix = f"{PREFIX}{workspace}-"
        ran = await run(self._engine, container, _LIST, f"{MARK}={prefix}", user=user, timeout=_LONGER_PATIENCE)
        found = re.findall(f"{re.escape(prefix)}{TAIL}".encode(), ran.stdout)
        return {token.decode() for token in found}

    async def signal(self, place: Place, name: str) -> bool:
        """Send one of `webterm.session.SIGNALS` to what is in the foreground. Ignored where all has ended.

        Returns whether the program was there, and is not any more. Raises `webterm.errors.Unavailable`.
        """
        try:
            ran = await run(self._engine, place.container, _SIGNAL, name, str(place.leader), user=place.user)
        except EngineRefusal as refusal:
            if not refusal.is_gone:
                raise
            return False
        return ran.status == _HAS_GONE

    async def aclose(self) -> None:
        """Wait for what is under way. Twice is harmless."""
        await self._tasks.finish()

    async def _end_unseen(self, container: str, user: str, token: str) -> None:
        try:
            await self.end(container, user, token)
        except WebtermError as error:
            _log.warning("a program in a container could not be ended: %s", error)
