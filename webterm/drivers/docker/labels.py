"""By which labels in a container engine servers know what is theirs."""

from __future__ import annotations

WORKSPACE = "webterm.workspace"
"""Of a container: whose it is."""
SERVER = "webterm.server"
"""Of all that a server has made in an engine."""
KEY = "webterm.key"
"""Of a container: differs where it would have to be made in another way."""
