"""Settings about people: who may come, how often they may call, and where it is written down."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from webterm.settings_checks import DATABASE, HEADER, PROVIDERS, REDIS, TIERS

NAMED = r"^[a-z][a-z0-9_-]{0,31}$"


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """Where people, logins and the audit log are kept."""

    url: Annotated[
        str | None,
        Meta(
            description="Database: sqlite:///path or postgresql://user:password@host/name.",
            extra={
                "default": "SQLite, in webterm.db in the data directory",
                "check": DATABASE,
                "secret": True,
                "alias": "DB_URL",
            },
        ),
    ] = None


class Redis(msgspec.Struct, frozen=True, kw_only=True):
    """Where several servers count requests together."""

    url: Annotated[
        str | None,
        Meta(
            description="Redis for rate limits: redis://host:port/0, rediss:// or unix://.",
            extra={"default": "none, counted in memory", "check": REDIS, "secret": True},
        ),
    ] = None


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Who may have an account, and how long a proof of it lasts."""

    registration: Annotated[
        Literal["closed", "invite", "open"],
        Meta(description="Who may make an account: nobody, whoever holds an invitation, or anybody."),
    ] = "closed"
    default_tier: Annotated[str, Meta(description="Tier of a new account, one of limits.tiers.", pattern=NAMED)] = (
        "free"
    )
    min_password: Annotated[int, Meta(description="Fewest characters of a new password.", ge=6, le=128)] = 10
    invitation_days: Annotated[int, Meta(description="Days that an invitation lasts.", ge=1, le=365)] = 7
    login_days: Annotated[int, Meta(description="Days that a browser stays signed in without use.", ge=1, le=400)] = 30
    access_minutes: Annotated[int, Meta(description="Minutes that an access token lasts.", ge=1, le=1440)] = 15
    refresh_days: Annotated[int, Meta(description="Days that a refresh token lasts.", ge=1, le=400)] = 30
    proxy_header: Annotated[
        str | None,
        Meta(
            description="Header in which a trusted proxy names who is signed in there, for instance Remote-User."
            " Needs server.trusted_proxies; an account is made for a new name.",
            extra={"default": "none, such headers are not read", "check": HEADER},
        ),
    ] = None


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often people of a tier may call, per minute (``ai`` per day), and what they may have; 0 is without a limit.

    ``files`` are calls about files. ``workspaces`` is how many a person may have, each with at most ``bytes`` in at
    most ``entries`` files and directories, and with at most ``terminals`` at a time.
    """

    general: Annotated[int, Meta(ge=0, le=1_000_000)]
    auth: Annotated[int, Meta(ge=0, le=1_000_000)]
    ai: Annotated[int, Meta(ge=0, le=1_000_000)]
    files: Annotated[int, Meta(ge=0, le=1_000_000)] = 3000
    workspaces: Annotated[int, Meta(ge=0, le=1_000_000)] = 10
    bytes: Annotated[int, Meta(ge=0, le=2**62)] = 5 * 1024**3
    entries: Annotated[int, Meta(ge=0, le=2**31)] = 200_000
    terminals: Annotated[int, Meta(ge=0, le=100_000)] = 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often people may call."""

    enabled: Annotated[bool, Meta(description="Count calls and refuse what is too often.")] = True
    tiers: Annotated[
        dict[str, Tier],
        Meta(
            description="Tiers and their numbers: calls per minute in general, calls per minute that prove who one is,"
            " calls of AI per day, calls per minute about files; how many workspaces somebody may have, each with at"
            " most so many bytes, entries and terminals; 0 is without a limit.",
            extra={"check": TIERS},
        ),
    ] = msgspec.field(
        default_factory=lambda: {
            "free": Tier(general=60, auth=10, ai=10),
            "pro": Tier(general=300, auth=20, ai=100, workspaces=50, bytes=20 * 1024**3, entries=1_000_000),
            "team": Tier(
                general=1000, auth=50, ai=500, files=10_000, workspaces=200, bytes=50 * 1024**3, entries=2_000_000
            ),
            "enterprise": Tier(general=5000, auth=100, ai=0, files=0, workspaces=0, bytes=0, entries=0, terminals=0),
        }
    )
    anonymous_tier: Annotated[
        str,
        Meta(
            description="Tier by which an address counts while nobody is signed in. Where many people sign in from one"
            " address, as a class does, take a higher one.",
            pattern=NAMED,
        ),
    ] = "free"

    def tier(self, name: str) -> Tier:
        """A tier's numbers. Of one that the settings no longer have: those of the tier with the fewest calls."""
        return self.tiers.get(name) or min(self.tiers.values(), key=lambda tier: tier.general or math.inf)


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One OpenID provider. ``domains``: only e-mail addresses of these, or all. ``register``: make accounts."""

    issuer: str
    client_id: str
    client_secret: str = ""
    name: str = ""
    domains: tuple[str, ...] = ()
    register: bool = False


class Oidc(msgspec.Struct, frozen=True, kw_only=True):
    """Signing in with an OpenID provider, such as Google."""

    providers: Annotated[
        dict[str, Provider],
        Meta(
            description="Providers by a short name: issuer, client_id, client_secret, name (shown on the button),"
            " domains (of e-mail addresses that may sign in; all when empty), register (make accounts for new people,"
            " whatever accounts.registration says).",
            extra={"check": PROVIDERS, "secret": True},
        ),
    ] = msgspec.field(default_factory=dict)
