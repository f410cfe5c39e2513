"""What the kernel of the engine's machine is told about containers' networks, in the words of nft(8).

Engines keep containers of different networks apart, and nothing else: the machine itself, its neighbours and the
metadata services of clouds are open to each container, also in networks that are called internal.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

TABLE = "webterm"
BRIDGES = "wt-"
"""What the names of our bridges begin with."""
OPEN_BRIDGE = f"{BRIDGES}internet"
CLOSED_BRIDGE = f"{BRIDGES}inside"
"""Of the network without a way out."""

_PRIVATE = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3"),
)
"""Addresses that do not lead into the internet: private ones, those between a provider and its customers, link-local
(with the metadata services of clouds), multicast and reserved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What rules depend on, of the engine's machine.

    ``resolvers`` are addresses that may be asked for names, whatever else is closed;
    ``neighbours`` are networks that the machine itself is in, and that containers must not reach either; ``bridged``
    those of them that are containers' own. ``filtered``: rules about what is routed also hold for what is passed on
    within a bridge. ``kernel`` and ``network`` say which kernel and network namespace that is, empty where nobody says.
    """

    resolvers: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    bridged: tuple[str, ...] = ()
    filtered: bool = False
    kernel: str = ""
    network: str = ""


def rules(around: Surroundings) -> str:
    """A script that puts our rules in place at once, whatever of them was there before."""
    asked = ", ".join(sorted(set(around.resolvers)))
    closed = ipaddress.collapse_addresses(map(ipaddress.IPv4Network, (*_PRIVATE, *around.neighbours)))
    names = f"ip daddr {{ {asked} }} meta l4proto {{ tcp, udp }} th dport 53 accept" if asked else ""
    # Before the engine's own chains. What is accepted here still passes those. Refused with a reset, because other
    # answers are rationed by the kernel, and whoever connects would wait.
    return f"""
add table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  chain refused {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != "{BRIDGES}*" accept
    ct state established accept
    {names}
    goto refused
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname != "{BRIDGES}*" accept
    ct state established accept
    oifname "{BRIDGES}*" goto refused
    iifname "{CLOSED_BRIDGE}" goto refused
    {names}
    ip daddr {{ {", ".join(map(str, closed))} }} goto refused
    fib daddr type != unicast goto refused
    meta nfproto != ipv4 goto refused
  }}
}}
"""


def bridge_rules(around: Surroundings) -> str:
    """The same for what is passed on within our bridges, and so between containers: nothing.

    Whether the rules of `rules` see that is up to ``bridge-nf-call-iptables``, which others may switch off. Frames are
    known by their addresses: not every kernel can tell them by their bridge, and containers cannot choose others.
    """
    within = ", ".join(sorted(around.bridged))
    dropped = f"ip saddr {{ {within} }} drop" if within else ""
    # After those of `rules`, which answer at once, where these hold for bridges, too.
    return f"""
add table bridge {TABLE}
delete table bridge {TABLE}
table bridge {TABLE} {{
  chain forward {{
    type filter hook forward priority 100; policy accept;
    {dropped}
  }}
}}
"""


LOOK = f"""
cat /etc/resolv.conf /proc/net/route
echo {TABLE}.filtered $(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)
echo {TABLE}.kernel $(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/net)
"""
"""A script of ``sh`` that says in the machine's network what `seen` understands."""


def seen(text: str) -> Surroundings:
    """What `LOOK` has said."""
    lines = [line.split() for line in text.splitlines()]
    named = {words[0]: [*words[1:], "", ""] for words in lines if words and words[0].startswith(f"{TABLE}.")}
    networks = list(_networks(lines))
    kernel, network = named.get(f"{TABLE}.kernel", ["", ""])[:2]
    return Surroundings(
        resolvers=tuple(resolvers_of(text)),
        neighbours=tuple(network for _, network in networks),
        bridged=tuple(network for device, network in networks if device.startswith(BRIDGES)),
        filtered=named.get(f"{TABLE}.filtered", [""])[0] == "1",
        kernel=kernel,
        network=network,
    )


def resolvers_of(text: str) -> list[str]:
    """The name servers of a resolv.conf(5), as far as containers, which have IPv4 alone, could ask them."""
    words = (line.split() for line in text.splitlines())
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver" and _is_version_4(line[1])]


def _networks(lines: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Devices, and networks that a machine reaches there without a gateway, of the words of its /proc/net/route."""
    for words in lines:
        if len(words) == 11 and words[2] == "00000000" and words[7] not in ("Mask", "00000000"):
            yield words[0], str(ipaddress.IPv4Network(f"{_dotted(words[1])}/{_dotted(words[7])}"))


def _dotted(text: str) -> str:
    """An address that the kernel has written as the number that it has in memory."""
    return str(ipaddress.IPv4Address(int(text, 16).to_bytes(4, sys.byteorder)))


def _is_version_4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
