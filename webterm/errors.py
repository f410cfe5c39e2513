"""Every error that webterm raises on purpose, and nothing about how it is shown.

    WebtermError
    ├── InvalidRequest          malformed, wrong type, out of range
    │   ├── UnknownType         a message type that this server does not have
    │   └── TooBig              a message or body over its limit
    ├── NotSignedIn             nobody is asking, or the proof is no longer good
    ├── Forbidden               somebody is asking who may not
    │   ├── ReadOnly            a viewer with role ``read`` tried to act
    │   └── WrongOrigin         the request comes from a page of another site
    ├── NotFound                no such thing, or none that this actor may see
    │   ├── NoSuchTerminal
    │   ├── NoSuchChannel
    │   ├── NoSuchDriver
    │   └── NoSuchWorkspace
    ├── Conflict                the thing is not in a state for this
    │   ├── ChannelInUse
    │   └── TerminalExited
    ├── LimitReached            a number of the settings is used up
    │   └── InputOverflow       a program does not read and its input queue is full
    ├── LaunchFailed            the program could not be started
    ├── Unavailable             a driver, or what it needs, does not answer
    │   └── ShuttingDown
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


class Forbidden(WebtermError):
    code = "forbidden"
    status = 403


class ReadOnly(Forbidden):
    code = "read_only"


class WrongOrigin(Forbidden):
    code = "wrong_origin"


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


class Conflict(WebtermError):
    code = "conflict"
    status = 409


class ChannelInUse(Conflict):
    code = "channel_in_use"


class TerminalExited(Conflict):
    code = "terminal_exited"


class LimitReached(WebtermError):
    code = "limit_reached"
    status = 429


class InputOverflow(LimitReached):
    code = "input_overflow"


class LaunchFailed(WebtermError):
    code = "launch_failed"
    status = 422


class Unavailable(WebtermError):
    code = "unavailable"
    status = 503


class ShuttingDown(Unavailable):
    code = "shutting_down"


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
