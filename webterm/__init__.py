"""webterm: real terminals in a browser, self-hosted.

Importing this package imports nothing else, because the keeper is part of it and must stay small. What it offers is
loaded on first use: ``__version__``, and for embedding into an aiohttp application `webterm.app.setup` and
`webterm.app.sign_out`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing it from typing would load a dozen modules

if TYPE_CHECKING:
    from webterm.app import setup, sign_out

    __version__: str

__all__ = ["__version__", "setup", "sign_out"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return globals().setdefault(name, version("webterm"))  # read from a file once
    if name in __all__:
        from webterm import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
