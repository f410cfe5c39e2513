"""What types and ranges cannot say about a setting: a test of the value, and the words for what passes it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"{LABEL}(\.{LABEL})*", re.IGNORECASE)
HTTP = re.compile(r"https?://[\w.:\[\]-]+(?P<path>(/[\w.~-]+)*/?)", re.ASCII | re.IGNORECASE)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SHORT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
IMAGE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:/@*-]{0,255}")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?/)?"
REFERENCE = re.compile(
    rf"(?P<name>{_REGISTRY}{_PATH_PART}(?:/{_PATH_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
"""An image's name, as engines take it."""
LONGEST_REFERENCE = 255
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Check:
    """``accepts`` gets a value of the setting's own type; ``allowed`` ends the sentence "allowed: …"."""

    accepts: Callable[[Any], bool]
    allowed: str


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_loopback(host: str) -> bool:
    """Whether listening on ``host`` lets only this machine in. A name other than localhost counts as open."""
    return host.lower() == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_host(text: str) -> bool:
    return is_address(text) or (len(text) <= 253 and NAME.fullmatch(text) is not None)


def _is_http(text: str) -> bool:
    """Whether ``text`` is an http(s) URL of scheme, host, port and plain path, without user, query and fragment."""
    try:
        parts = urlsplit(text)
        return HTTP.fullmatch(text) is not None and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False


def _is_origin(text: str) -> bool:
    """Whether ``text`` is an origin as RFC 6454 writes it."""
    return _is_http(text) and not urlsplit(text).path


def _is_environment(variables: dict[str, str]) -> bool:
    """Whether execve(2) can take them."""
    return all(VARIABLE.fullmatch(name) and "\0" not in text for name, text in variables.items())


HOST = Check(_is_host, "an IP address or a host name, without scheme and port")
HOSTS = Check(
    lambda names: all(map(_is_host, names)), "a list of host names or IP addresses, without scheme, port or wildcard"
)
URL = Check(_is_http, "a URL such as https://host or https://host/prefix, without user, query and fragment")
ORIGINS = Check(
    lambda origins: all(map(_is_origin, origins)),
    "a list of origins such as https://host or https://host:port, without a path",
)
PATH = Check(lambda path: "\0" not in path, "a path")
DIRECTORIES = Check(
    lambda paths: all(path.startswith("/") and path.strip("/") and "\0" not in path for path in paths),
    "a list of absolute paths other than /",
)
ENVIRONMENT = Check(_is_environment, "a table of variables: names of letters, digits and _, and texts without NUL")


def _is_network(text: str) -> bool:
    """Whether ``text`` is an address or a network such as 10.0.0.0/8."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_url_of(*schemes: str) -> Callable[[str], bool]:
    return lambda text: text.partition("://")[0] in schemes and "://" in text and "\0" not in text


def _is_engine(text: str) -> bool:
    """Whether ``text`` is where a container engine listens: a socket's absolute path, or a host with a port."""
    scheme, _, rest = text.partition("://")
    if scheme == "unix":
        return rest.startswith("/") and "\0" not in rest
    try:
        parts = urlsplit(text)
        return scheme == "tcp" and _is_host(parts.hostname or "") and bool(parts.port) and not parts.path.strip("/")
    except ValueError:
        return False


def names_registry(pattern: str) -> bool:
    """Whether a pattern of images leaves open which, but not whose: what stands before a slash may be a registry."""
    head, slash, _ = pattern.partition("/")
    return "**" not in head and not (slash and "*" in head)


def _are_providers(providers: dict[str, Any]) -> bool:
    return all(
        SHORT_NAME.fullmatch(name) and _is_http(provider.issuer) and all(map(_is_host, provider.domains))
        for name, provider in providers.items()
    )


NETWORKS = Check(lambda items: all(map(_is_network, items)), "a list of IP addresses or networks such as 10.0.0.0/8")
DATABASE = Check(
    _is_url_of("sqlite", "sqlite+aiosqlite", "postgresql", "postgresql+asyncpg", "postgres"),
    "sqlite:///path or postgresql://user:password@host:port/name",
)
HOST_NAME = Check(
    lambda text: not is_address(text) and "." in text and _is_host(text), "a domain name such as preview.example.org"
)
ENGINE = Check(_is_engine, "unix:///path or tcp://host:port")
IMAGES = Check(
    lambda images: all(map(IMAGE.fullmatch, images)),
    "a list of image names such as python:3.12, debian:* or registry.example.org/team/**, without blanks",
)
IMAGE_NAME = Check(
    lambda image: len(image) <= LONGEST_REFERENCE and REFERENCE.fullmatch(image) is not None,
    "the name of an image such as python:3.12 or registry.example.org/team/image:1",
)
REDIS = Check(_is_url_of("redis", "rediss", "unix"), "redis://host:port/0, rediss://… or unix:///path")
HEADER = Check(lambda name: FIELD_NAME.fullmatch(name) is not None, "the name of a header: letters, digits and hyphens")
TIERS = Check(
    lambda tiers: bool(tiers) and all(map(SHORT_NAME.fullmatch, tiers)),
    "a table of tiers, each { general = N, auth = N, ai = N }, under names of small letters, digits, _ and -",
)
PROVIDERS = Check(
    _are_providers,
    'a table of providers, each at least { issuer = "https://…", client_id = "…" }, under names of small letters,'
    " digits, _ and -",
)
