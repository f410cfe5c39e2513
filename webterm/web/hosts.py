"""Which names this server answers to, and which pages may act on it.

A page of another site can make a browser send requests here, with the cookie; and DNS rebinding lets it do so under a
name of its own. The list of host names stops the second, the comparison of ``Origin`` the first. Nothing that a proxy
adds (``Forwarded``, ``X-Forwarded-*``) is read: anybody can send it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and port as in RFC 3986, section 3.2: ``name`` in lower case, IPv6 compressed and in brackets."""

    name: str
    port: int | None = None

    def origin(self, scheme: str) -> str:
        """The origin of pages from here as browsers write it (RFC 6454, section 6.2)."""
        port = "" if self.port in (None, DEFAULT_PORTS.get(scheme)) else f":{self.port}"
        return f"{scheme}://{self.name}{port}"


def authority(text: str) -> Authority | None:
    """Read a ``Host`` header (RFC 9110, section 7.2). None when it is malformed.

    A name with a trailing dot stays a name of its own, and so is on nobody's list.
    """
    match = HOST.fullmatch(text.lower()) if text.isascii() else None
    if match is None or (match["port"] is not None and int(match["port"]) > 65_535):
        return None
    name = canonical_name(match["name"])
    return Authority(name, int(match["port"]) if match["port"] else None) if name else None


def canonical_name(name: str) -> str | None:
    """A host name as it is compared: lower case, ASCII (IDNA), IPv6 compressed and in brackets. None: not one."""
    try:
        if name.startswith("["):
            return f"[{ipaddress.IPv6Address(name.strip('[]')).compressed}]"
        return name.lower() if name.isascii() else name.encode("idna").decode("ascii").lower()
    except ValueError:
        return None


class Names:
    """The names of this server: ``names`` without port, and the public URL where a proxy stands in front."""

    def __init__(self, names: frozenset[str], public_url: str | None) -> None:
        self._names = {canonical_name(name) for name in names} - {None}
        self._public_scheme = urlsplit(public_url or "").scheme
        self._public_origin = origin_of(public_url) if public_url else None

    def allows(self, host: Authority) -> bool:
        """Whether a request for ``host`` is for us. Any port: a forwarded port is as good as our own."""
        return host.name in self._names

    def owns(self, origin: str, host: Authority, scheme: str) -> bool:
        """Whether ``origin`` is that of our own pages, for a request to ``host`` that came in by ``scheme``.

        Under the public name only the public URL's origin counts: there the proxy knows the scheme, and we do not.
        """
        if self._public_origin and host.origin(self._public_scheme) == self._public_origin:
            return origin == self._public_origin
        return origin in (self._public_origin, host.origin(scheme))


def origin_of(url: str) -> str:
    """The origin of pages at a URL."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    host = canonical_name(f"[{name}]" if ":" in name else name) or ""
    return Authority(host, parts.port).origin(parts.scheme)
