"""Headers that every answer carries, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping

from webterm.settings import Server

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
)
"""Scripts only from files of our own. Inline styles: the terminal emulator sets them on its rows."""

UNUSED = "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), serial=(), usb=()"


def security_headers(server: Server) -> Mapping[str, str]:
    """The headers for these settings."""
    framed = server.frame_ancestors
    headers = {
        "Content-Security-Policy": POLICY + (" ".join(framed) if framed else "'none'"),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": UNUSED,
        "Referrer-Policy": "no-referrer",
        "Server": "webterm",
        "X-Content-Type-Options": "nosniff",
    }
    if not framed:
        headers["X-Frame-Options"] = "DENY"
    if server.secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers
