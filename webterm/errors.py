"""Every error that webterm raises on purpose, and nothing about how it is shown.

    WebtermError
    ├── InvalidRequest          malformed, wrong type, out of range
    │   ├── UnknownType         a message type that this server does not have
    │   └── TooBig              a message or body over its limit
    ├── NotSignedIn             nobody is asking, or the proof is no longer good
    │   └── OidcRefused         an OpenID provider's word is not good enough; ``reason`` says why in one word
    ├── Forbidden               somebody is asking who may not
    │   ├── ReadOnly            a viewer with role ``read`` tried to act
    │   ├── WrongOrigin         the request comes from a page of another site
    │   ├── MissingScope        the proof of identity is not good for this
    │   ├── WrongPassword       the current password, asked for once more, is another one
    │   └── RegistrationClosed  no account may be made this way
    ├── NotFound                no such thing, or none that this actor may see
    │   ├── NoSuchTerminal
    │   ├── NoSuchChannel
    │   ├── NoSuchDriver
    │   ├── NoSuchWorkspace
    │   ├── NoSuchUser
    │   ├── NoSuchLogin
    │   ├── NoSuchToken
    │   ├── NoSuchInvitation
    │   └── NoSuchProvider
    ├── Conflict                the thing is not in a state for this
    │   ├── ChannelInUse
    │   ├── TerminalExited
    │   └── NameTaken           a user name or e-mail address that somebody else has
    ├── LimitReached            a number of the settings is used up
    │   ├── InputOverflow       a program does not read and its input queue is full
    │   └── RateLimited         too many calls or attempts; ``retry_after`` says when to come back
    ├── LaunchFailed            the program could not be started
    ├── Unavailable             a driver, or what it needs, does not answer
    │   ├── ShuttingDown
    │   └── StoreUnavailable    the database does not answer
    ├── StoreError              the database or a backup cannot be used as it is
    │   └── NewerSchema         the database was made by a newer webterm
    ├── SettingsError           the settings hold faults; all of them are listed
    └── DataDirectoryError      the data directory cannot be used
        └── DataDirectoryBusy   another server holds it

``code`` is for machines and never changes; ``status`` is a hint for surfaces that speak HTTP.
The text of an error is for people: it names what is wrong and holds no secret.
"""

from __future__ import annotations

from typing import ClassVar


class WebtermError(Exception):
    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500


class InvalidRequest(WebtermError):
    code = "invalid_request"
    status = 400


class UnknownType(InvalidRequest):
    code = "unknown_type"


class TooBig(InvalidRequest):
    code = "too_big"
    status = 413


class NotSignedIn(WebtermError):
    code = "not_signed_in"
    status = 401


class OidcRefused(NotSignedIn):
    """``reason`` is one short word for machines; the page has a sentence for each."""

    code = "oidc_refused"

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Forbidden(WebtermError):
    code = "forbidden"
    status = 403


class ReadOnly(Forbidden):
    code = "read_only"


class WrongOrigin(Forbidden):
    code = "wrong_origin"


class MissingScope(Forbidden):
    code = "missing_scope"


class WrongPassword(Forbidden):
    code = "wrong_password"


class RegistrationClosed(Forbidden):
    code = "registration_closed"


class NotFound(WebtermError):
    code = "not_found"
    status = 404


class NoSuchTerminal(NotFound):
    code = "no_such_terminal"


class NoSuchChannel(NotFound):
    code = "no_such_channel"


class NoSuchDriver(NotFound):
    code = "no_such_driver"


class NoSuchWorkspace(NotFound):
    code = "no_such_workspace"


class NoSuchUser(NotFound):
    code = "no_such_user"


class NoSuchLogin(NotFound):
    code = "no_such_login"


class NoSuchToken(NotFound):
    code = "no_such_token"


class NoSuchInvitation(NotFound):
    code = "no_such_invitation"


class NoSuchProvider(NotFound):
    code = "no_such_provider"


class Conflict(WebtermError):
    code = "conflict"
    status = 409


class ChannelInUse(Conflict):
    code = "channel_in_use"


class TerminalExited(Conflict):
    code = "terminal_exited"


class NameTaken(Conflict):
    code = "name_taken"


class LimitReached(WebtermError):
    code = "limit_reached"
    status = 429


class InputOverflow(LimitReached):
    code = "input_overflow"


class RateLimited(LimitReached):
    """``retry_after`` is in seconds."""

    code = "rate_limited"

    def __init__(self, text: str, retry_after: float) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class LaunchFailed(WebtermError):
    code = "launch_failed"
    status = 422


class Unavailable(WebtermError):
    code = "unavailable"
    status = 503


class ShuttingDown(Unavailable):
    code = "shutting_down"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class StoreError(WebtermError):
    code = "store_error"


class NewerSchema(StoreError):
    code = "newer_schema"


class SettingsError(WebtermError):
    """The settings are wrong. ``faults`` has one sentence for each fault found."""

    code = "bad_settings"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DataDirectoryError(WebtermError):
    code = "bad_data_directory"


class DataDirectoryBusy(DataDirectoryError):
    code = "data_directory_busy"
