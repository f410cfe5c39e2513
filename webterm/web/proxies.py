"""Where a request comes from: the peer's address, or what a trusted reverse proxy says about it.

Of everything that a proxy may add, only ``X-Forwarded-For`` is read, and only from the peers that the settings name.
``X-Forwarded-Host``, ``X-Forwarded-Proto`` and ``Forwarded`` are never believed: which names and origins are ours is a
matter of the settings (`webterm.web.hosts`).
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Sequence

UNKNOWN = "unknown"
"""The address of a peer that has none, as on a unix socket."""

log = logging.getLogger("webterm.web")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ENTRY = re.compile(r"\[(?P<v6>[0-9A-Fa-f:.]+)\](:[0-9]{1,5})?|(?P<v4>[0-9.]+):[0-9]{1,5}|(?P<bare>[0-9A-Fa-f:.]+)")


class Proxies:
    """The peers whose ``X-Forwarded-For`` is believed: addresses and networks such as ``10.0.0.0/8``."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]
        self._warned = False

    def trusts(self, peer: str | None) -> bool:
        """Whether a peer is one of them."""
        address = read(peer or "")
        return address is not None and self._knows(address)

    def client(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """The client's address: the peer's, or the right-most entry that no trusted proxy has.

        Each proxy appends whom it was asked by, so entries are good from the right up to the first that a stranger
        could have written. An entry that is no address ends the search at the last good one. ``forwarded`` are the
        values of all ``X-Forwarded-For`` headers, in their order.
        """
        client = read(peer or "")
        if client is None:
            return UNKNOWN
        if forwarded and not self._warned and client.is_private and not self._knows(client):
            self._warned = True
            log.warning(
                "%s sends X-Forwarded-For and is not in server.trusted_proxies: if it is a reverse proxy, all who come"
                " through it count as one address",
                client,
            )
        entries = [entry.strip() for value in forwarded for entry in value.split(",")]
        while entries and self._knows(client):
            earlier = _read_entry(entries.pop())
            if earlier is None:
                break
            client = earlier
        return str(client)

    def _knows(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def read(text: str) -> Address | None:
    """An IP address without its zone; IPv4 also where it is written as IPv6 (RFC 4291, 2.5.5.2). None: not one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _read_entry(text: str) -> Address | None:
    """One entry: an address, with brackets and a port or without."""
    match = ENTRY.fullmatch(text)
    return read(match["v6"] or match["v4"] or match["bare"]) if match else None
