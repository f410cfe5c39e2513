"""Where settings come from: defaults < TOML file < environment < flags. Every fault is found before any is raised."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import inspect

from webterm.errors import SettingsError
from webterm.settings import SECTIONS, Row, Settings, rows
from webterm.settings_checks import names_registry

PREFIX = "WEBTERM_"
SHOWN = 80
"""Characters of a faulty value that are shown."""
CREDENTIALS = re.compile(r"//[^/\s]*@")
"""User and password in a URL."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value as it was found, and where: a file's path, a variable's name or a flag."""

    source: str
    value: object
    text: bool
    """Whether it is still text (from the environment or a flag) and not yet of its type."""


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[str, object]] | None = None,
) -> Settings:
    """Settings from all sources.

    ``flags`` maps a key (``server.port``) to the flag's name (``--port``) and its value; None stands for a flag that
    was not given. Raises `webterm.errors.SettingsError` with every fault of every source.
    """
    known = {row.key: row for row in rows()}
    faults: list[str] = []
    wrong: set[str] = set()
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for key, item in _gather(file, environ or {}, flags or {}, known, faults):
        try:
            values[key], sources[key] = _value(known[key], item), item.source
        except ValueError as error:
            wrong.add(key)
            shown = "a value that is not shown" if known[key].secret else _shown(item.value)
            faults.append(f"{item.source}: {key}: found {shown}, allowed: {error}")
    settings = _build(values)
    if not wrong & {"server.host", "server.allowed_hosts", "server.public_url"}:
        faults.extend(_cross_faults(settings, sources))
        faults.extend(_preview_faults(settings, sources))
    faults.extend(_image_faults(settings, sources))
    if not wrong & {"limits.tiers", "server.trusted_proxies"}:
        faults.extend(_people_faults(settings, sources))
    if faults:
        raise SettingsError(faults)
    return settings


def _gather(
    file: Path | None,
    environ: Mapping[str, str],
    flags: Mapping[str, tuple[str, object]],
    known: Mapping[str, Row],
    faults: list[str],
) -> Iterator[tuple[str, Found]]:
    """What each source holds for known keys, the weakest source first; complaints about other keys go to ``faults``."""
    if file is not None:
        yield from _from_file(file, known, faults)
    yield from _from_environment(environ, known, faults)
    for key, (flag, value) in flags.items():
        if value is not None:
            yield key, Found(flag, value, isinstance(value, str))


def _from_file(file: Path, known: Mapping[str, Row], faults: list[str]) -> Iterator[tuple[str, Found]]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{file}: cannot be read: {error.strerror}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{file}: is not TOML: {error}")
        return
    for section, table in tables.items():
        if section not in SECTIONS:
            faults.append(f"{file}: unknown section [{section}]{_nearest(section, SECTIONS)}")
        elif not isinstance(table, dict):
            faults.append(f"{file}: {section}: found {_shown(table)}, allowed: a section [{section}]")
        else:
            for name, value in table.items():
                key = f"{section}.{name}"
                if key in known:
                    yield key, Found(str(file), value, text=False)
                else:
                    names = [row.name for row in known.values() if row.section == section]
                    faults.append(f"{file}: unknown key {key}{_nearest(name, names, elsewhere=known.values())}")


def _from_environment(
    environ: Mapping[str, str], known: Mapping[str, Row], faults: list[str]
) -> Iterator[tuple[str, Found]]:
    aliases = {row.alias: row.key for row in known.values() if row.alias}
    yield from ((aliases[name], Found(name, environ[name], text=True)) for name in aliases if name in environ)
    variables = {row.variable: row.key for row in known.values()}
    for name, value in environ.items():
        if name in variables:
            yield variables[name], Found(name, value, text=True)
        elif name.startswith(PREFIX) and "__" in name:
            faults.append(f"environment: unknown variable {name}{_nearest(name, variables)}")


def _nearest(name: str, names: Iterable[str], elsewhere: Iterable[Row] = ()) -> str:
    """Advice for a misspelt name, as the end of a sentence."""
    names = list(names)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"; did you mean {close[0]}?"
    if moved := [row.key for row in elsewhere if row.name == name]:
        return f"; did you mean {moved[0]}?"
    return f"; known are {', '.join(names)}"


def _value(row: Row, item: Found) -> object:
    """The value in its type. Raises ValueError with what is allowed."""
    try:
        value: object = msgspec.convert(
            _decoded(row, item), row.annotation, strict=not item.text or _is_textual(row.type)
        )
    except ValueError:
        raise ValueError(allowed(row)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(allowed(row))
    if row.check and value is not None and not row.check.accepts(value):
        raise ValueError(allowed(row))
    return value


def _decoded(row: Row, item: Found) -> object:
    """The value for `msgspec.convert`. An empty text means none, where none is allowed.

    In a variable or a flag, commas separate a list, and a table is a JSON object.
    """
    if item.value == "" and isinstance(row.type, inspect.UnionType):
        return None
    if not item.text or not isinstance(item.value, str):
        return item.value
    if isinstance(row.type, inspect.VarTupleType):
        return [part.strip() for part in item.value.split(",") if part.strip()]
    if isinstance(row.type, inspect.DictType):
        return msgspec.json.decode(item.value or "{}")
    return item.value


def _is_textual(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.StrType | inspect.LiteralType | inspect.UnionType)


def _shown(value: object) -> str:
    text = CREDENTIALS.sub("//…@", repr(value))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def allowed(row: Row) -> str:
    """What a setting may be, in words."""
    if row.check:
        return row.check.allowed
    kind = row.type
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
        multiple = f", a multiple of {kind.multiple_of}" if kind.multiple_of else ""
        return f"{noun} from {kind.ge} to {kind.le}{multiple}"
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(f'"{value}"' for value in kind.values)
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    return "a text"


def _build(valid: Mapping[str, object]) -> Settings:
    sections: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for key, value in valid.items():
        section, name = key.split(".")
        sections[section][name] = value
    return msgspec.convert(sections, Settings)


def _cross_faults(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    """Values that are good alone and wrong together."""
    server = settings.server
    if not settings.on_loopback and not server.allowed_hosts and server.public_url is None:
        source = sources["server.host"]
        yield (
            f"{source}: server.host: {server.host!r} can be reached from other machines, which needs the names by which"
            " browsers may reach it. Set allowed_hosts under [server], for instance"
            f' allowed_hosts = ["terminal.example.org"] or WEBTERM_SERVER__ALLOWED_HOSTS=terminal.example.org, or set'
            " public_url where a reverse proxy is in front"
        )


def _preview_faults(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    domain = (settings.previews.domain or "").lower()
    for name in settings.hosts if domain else ():
        if name == domain or name.endswith(f".{domain}"):
            yield (
                f"{sources['previews.domain']}: previews.domain: the server itself is {name}, and what runs below a"
                " domain can set cookies for all of it; take one that the server's own name is not in"
            )


def _image_faults(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    for pattern in settings.docker.images:
        if not names_registry(pattern):
            yield (
                f"{sources['docker.images']}: docker.images: {pattern!r} would let images in from anybody's registry;"
                " write what stands before the first slash without *, as in registry.example.org/team/**"
            )


def _people_faults(settings: Settings, sources: Mapping[str, str]) -> Iterator[str]:
    tiers = settings.limits.tiers
    for key, name in (
        ("accounts.default_tier", settings.accounts.default_tier),
        ("limits.anonymous_tier", settings.limits.anonymous_tier),
    ):
        if name not in tiers:
            source = sources.get(key) or sources.get("limits.tiers", "default")
            yield f"{source}: {key}: found {name!r}, allowed: one of the tiers, {', '.join(tiers)}"
    if settings.accounts.proxy_header and not settings.server.trusted_proxies:
        yield (
            f"{sources['accounts.proxy_header']}: accounts.proxy_header: anybody could send such a header; set"
            " server.trusted_proxies to the addresses of the proxies that set it"
        )
