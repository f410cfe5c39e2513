"""Messages about what workspaces' programs run in."""

from __future__ import annotations

from webterm.protocol.message import Message
from webterm.runtime import RuntimeState


class Runtime(Message, frozen=True, kw_only=True, tag="runtime"):
    """What a workspace's programs run in has another state, or says how far it has come."""

    workspace: str
    state: RuntimeState
    message: str
