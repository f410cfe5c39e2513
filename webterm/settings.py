"""What can be set, each with its default, its limits and its one sentence of help.

These classes are the only place where a setting is described: the flags' help, ``config.example.toml`` and the table
in ``docs/configuration.md`` are made from `rows`. Where values come from, and what is said about wrong ones, is in
`webterm.settings_sources`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from webterm.settings_accounts import Accounts, Database, Limits, Oidc, Redis
from webterm.settings_checks import ENVIRONMENT, HOST, HOSTS, NETWORKS, ORIGINS, PATH, URL, Check, is_loopback
from webterm.settings_runtimes import Docker, Previews, Runtimes
from webterm.settings_workspaces import Sandbox, Workspaces

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
YEAR = 31_536_000


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server listens, and who may reach it by which name."""

    host: Annotated[str, Meta(description="Address to listen on.", extra={"check": HOST})] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on; 0 takes any free one.", ge=0, le=65_535)] = 8080
    data_dir: Annotated[
        str | None,
        Meta(
            description="Directory for what the server keeps.",
            extra={
                "default": "$XDG_DATA_HOME/webterm, or ~/.local/share/webterm",
                "check": PATH,
                "alias": "DATA_DIR",
            },
        ),
    ] = None
    public_url: Annotated[
        str | None,
        Meta(
            description="The URL that people use when a reverse proxy is in front: https://host or https://host/prefix.",
            extra={"check": URL},
        ),
    ] = None
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Host names by which browsers may reach the server. The host of public_url is always allowed,"
            " and so are the loopback names while it listens on loopback.",
            extra={"check": HOSTS},
        ),
    ] = ()
    frame_ancestors: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose pages may show webterm in a frame.", extra={"check": ORIGINS}),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of reverse proxies. Only their X-Forwarded-For header is believed.",
            extra={"check": NETWORKS},
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins whose pages may call the API with a token in the Authorization header.",
            extra={"check": ORIGINS},
        ),
    ] = ()
    on_stop: Annotated[
        Literal["keep", "end"],
        Meta(description="What happens to running programs when the server stops: they run on, or they are ended."),
    ] = "keep"
    loop: Annotated[
        Literal["auto", "uvloop", "asyncio"],
        Meta(description="The event loop; auto takes uvloop where it can be imported."),
    ] = "auto"
    compression: Annotated[
        bool,
        Meta(description="Compress WebSocket messages. Helps on thin lines, costs much processor time."),
    ] = False
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least severe messages that are logged."),
    ] = "info"

    @property
    def secure(self) -> bool:
        """Whether browsers reach the server by TLS, which ends in a reverse proxy."""
        return urlsplit(self.public_url or "").scheme == "https"


class Terminals(msgspec.Struct, frozen=True, kw_only=True):
    """How many terminals there may be, and how long they are kept."""

    per_actor: Annotated[int, Meta(description="Most terminals of one person.", ge=1, le=100_000)] = 100
    total: Annotated[int, Meta(description="Most terminals in all.", ge=1, le=100_000)] = 1000
    log_bytes: Annotated[
        int,
        Meta(description="Bytes of output kept of each terminal.", ge=64 * 1024, le=64 * 1024 * 1024, multiple_of=4096),
    ] = 2 * 1024 * 1024
    resume_grace: Annotated[
        float,
        Meta(
            description="Seconds for which a program waits for a viewer who lost the connection or reads too slowly.",
            ge=0,
            le=3600,
        ),
    ] = 10.0
    idle_timeout: Annotated[
        float,
        Meta(
            description="Seconds after which a terminal is closed that nobody views, that got no input and whose shell"
            " is at its prompt; 0 means never.",
            ge=0,
            le=YEAR,
        ),
    ] = 0.0
    keep_exited: Annotated[
        float,
        Meta(description="Seconds for which the output of a program that has ended can be seen.", ge=0, le=YEAR),
    ] = 3600.0


class Local(msgspec.Struct, frozen=True, kw_only=True):
    """Programs that run on the server's own machine."""

    shell: Annotated[
        str | None,
        Meta(
            description="Program of a new terminal.",
            extra={"default": "the login shell of the server's user", "check": PATH},
        ),
    ] = None
    cwd: Annotated[
        str | None,
        Meta(
            description="Directory of a new terminal.",
            extra={"default": "the home of the server's user", "check": PATH},
        ),
    ] = None
    env: Annotated[
        dict[str, str],
        Meta(
            description="Variables added to the clean environment of programs.",
            extra={"check": ENVIRONMENT, "secret": True},
        ),
    ] = msgspec.field(default_factory=dict)
    isolation: Annotated[
        Literal["sandbox", "refuse", "none"],
        Meta(
            description="Programs of people other than the owner: each in a sandbox of its workspace (needs"
            " bubblewrap), refused, or run without any isolation, which gives each of them everything that the server's"
            " own user may do."
        ),
    ] = "sandbox"
    close_grace: Annotated[
        float,
        Meta(description="Seconds between hanging up on a program and killing it.", ge=0, le=600),
    ] = 3.0
    close_scope: Annotated[
        Literal["tree", "session"],
        Meta(
            description="What closing a terminal ends: every program started from it, or only those that stayed in its"
            " session (so that nohup and setsid let a program live on)."
        ),
    ] = "tree"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings. Made by `webterm.settings_sources.load`, or directly where webterm is embedded."""

    server: Server = Server()
    terminals: Terminals = Terminals()
    local: Local = Local()
    sandbox: Sandbox = Sandbox()
    workspaces: Workspaces = Workspaces()
    runtimes: Runtimes = Runtimes()
    docker: Docker = Docker()
    previews: Previews = Previews()
    accounts: Accounts = Accounts()
    limits: Limits = Limits()
    oidc: Oidc = Oidc()
    database: Database = Database()
    redis: Redis = Redis()

    @property
    def data_dir(self) -> Path:
        """The data directory, absolute. Not prepared yet: see `webterm.datadir.prepare`."""
        if self.server.data_dir is not None:
            return Path(self.server.data_dir).expanduser().absolute()
        base = os.environ.get("XDG_DATA_HOME", "")
        return (Path(base) if base.startswith("/") else Path.home() / ".local/share") / "webterm"

    @property
    def workspaces_dir(self) -> Path:
        """Where the files of workspaces are. Not prepared yet."""
        return Path(self.workspaces.directory or self.data_dir / "workspaces").expanduser().absolute()

    @property
    def templates_dir(self) -> Path:
        """Where the administrator keeps templates. Need not be there."""
        return Path(self.workspaces.templates or self.data_dir / "templates").expanduser().absolute()

    @property
    def database_url(self) -> str:
        """Where the store is: ``database.url``, or SQLite in the data directory."""
        return self.database.url or f"sqlite:///{self.data_dir / 'webterm.db'}"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.server.host)

    @property
    def hosts(self) -> frozenset[str]:
        """The names that a ``Host`` header may hold, without port, lower case, IPv6 in brackets."""
        names = {bracketed(name) for name in self.server.allowed_hosts}
        if self.server.public_url is not None:
            names.add(bracketed(urlsplit(self.server.public_url).hostname or ""))
        if self.on_loopback:
            names.update(LOOPBACK_NAMES, [bracketed(self.server.host)])
        return frozenset(names)

    def url(self, port: int) -> str:
        """Where people find the server that listens on ``port``: ``public_url`` or ``http://host:port/``."""
        if self.server.public_url is not None:
            return self.server.public_url.rstrip("/") + "/"
        host = self.server.host
        if host in ANY_ADDRESS:
            host = next(iter(self.server.allowed_hosts), host)
        return f"http://{bracketed(host)}:{port}/"


def bracketed(host: str) -> str:
    """``host`` as it stands in a URL: lower case, an IPv6 address in brackets."""
    host = host.lower()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, for the makers of help and documents and for `webterm.settings_sources`."""

    section: str
    name: str
    default: object
    default_text: str | None
    help: str
    type: msgspec.inspect.Type
    annotation: object
    extra: dict[str, object]

    @property
    def key(self) -> str:
        """As in faults and documents: ``server.port``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment's name for it: ``WEBTERM_SERVER__PORT``."""
        return f"WEBTERM_{self.section}__{self.name}".upper()

    @property
    def alias(self) -> str | None:
        """Another variable that is read, too; the proper name is stronger."""
        alias = self.extra.get("alias")
        return alias if isinstance(alias, str) else None

    @property
    def check(self) -> Check | None:
        """What its type does not say about allowed values."""
        check = self.extra.get("check")
        return check if isinstance(check, Check) else None

    @property
    def secret(self) -> bool:
        """Whether a value may hold what nobody else should read. Such values are never shown."""
        return bool(self.extra.get("secret"))


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "terminals": Terminals,
    "local": Local,
    "sandbox": Sandbox,
    "workspaces": Workspaces,
    "runtimes": Runtimes,
    "docker": Docker,
    "previews": Previews,
    "accounts": Accounts,
    "limits": Limits,
    "oidc": Oidc,
    "database": Database,
    "redis": Redis,
}


def rows() -> Iterator[Row]:
    """Every setting, in the order in which documents show them."""
    for section, struct in SECTIONS.items():
        for field in msgspec.structs.fields(struct):
            info = msgspec.inspect.type_info(field.type)
            extra, schema, kind = {}, {}, info
            if isinstance(info, msgspec.inspect.Metadata):
                extra, schema, kind = info.extra or {}, info.extra_json_schema or {}, info.type
            text = extra.get("default")
            yield Row(
                section=section,
                name=field.name,
                default=field.default if field.default is not msgspec.NODEFAULT else field.default_factory(),
                default_text=text if isinstance(text, str) else None,
                help=str(schema.get("description", "")),
                type=kind,
                annotation=field.type,
                extra=extra,
            )
