"""Hub objects as messages show them."""

from __future__ import annotations

from webterm.hub.terminal import State, Terminal
from webterm.protocol.messages import TerminalInfo, ViewerInfo

_STATES = {State.RUNNING: "running", State.CLOSING: "closing", State.EXITED: "exited", State.REMOVED: "exited"}


def describe(terminal: Terminal) -> TerminalInfo:
    """One terminal, as lists show it."""
    ended = terminal.exit
    return TerminalInfo(
        id=terminal.id,
        title=terminal.title,
        driver=terminal.driver,
        argv=[argument[:256] for argument in terminal.record.argv[:16]],
        cols=terminal.size.cols,
        rows=terminal.size.rows,
        created=terminal.record.created,
        offset=terminal.head,
        viewers=len(terminal.audience.live),
        state=_STATES[terminal.state],  # type: ignore[arg-type]
        durable=terminal.durable,
        workspace=terminal.record.workspace,
        pid=terminal.pid,
        status=ended.status if ended else None,
        signal=ended.signal if ended else None,
        replaces=terminal.record.replaces,
    )


def describe_viewers(terminal: Terminal) -> list[ViewerInfo]:
    """Who looks at a terminal."""
    lead, live = terminal.audience.lead, terminal.audience.live
    return [ViewerInfo(id=v.id, name=v.name, role="write" if v.writes else "read", lead=v is lead) for v in live]
