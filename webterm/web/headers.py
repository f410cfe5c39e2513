"""Headers that every answer carries, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping

from webterm.settings import Server
from webterm.settings_runtimes import Previews

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-src {frames}; "
    "frame-ancestors {ancestors}"
)
"""Scripts only from files of our own. Inline styles: the terminal emulator sets them on its rows."""

UNUSED = "camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), serial=(), usb=()"


def security_headers(server: Server, previews: Previews) -> Mapping[str, str]:
    """The headers for these settings. The page shows previews in frames, and nothing else."""
    framed = server.frame_ancestors
    frames = ["'self'"]
    if previews.domain is not None:
        frames += [f"https://*.{previews.domain}:*", f"http://*.{previews.domain}:*"]
    headers = {
        "Content-Security-Policy": POLICY.format(
            frames=" ".join(frames), ancestors=" ".join(framed) if framed else "'none'"
        ),
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
