"""Every error that webterm raises on purpose, and nothing about how it is shown.

    WebtermError
    ├── InvalidRequest          malformed, wrong type, out of range
    │   ├── InvalidPath         no path of a workspace: too long, empty names, NUL
    │   ├── UnknownType         a message type that this server does not have
    │   └── TooBig              a message or body over its limit
    ├── NotSignedIn             nobody is asking, or the proof is no longer good
    │   └── OidcRefused         an OpenID provider's word is not good enough; ``reason`` says why in one word
    ├── Forbidden               somebody is asking who may not
    │   ├── ReadOnly            a viewer with role ``read`` tried to act
    │   ├── WrongOrigin         the request comes from a page of another site
    │   ├── MissingScope        the proof of identity is not good for this
    │   ├── WrongPassword       the current password, asked for once more, is another one
    │   ├── RegistrationClosed  no account may be made this way
    │   ├── IsolationRefused    programs of this person would not be kept apart from others'
    │   ├── ImageRefused        a workspace may not be made of this image
    │   ├── PermissionDenied    the system does not let us at a file
    │   └── OutsideWorkspace    a path, or a link on it, leads out of the workspace
    ├── NotFound                no such thing, or none that this actor may see
    │   ├── NoSuchTerminal
    │   ├── NoSuchChannel
    │   ├── NoSuchDriver
    │   ├── NoSuchWorkspace
    │   ├── NoSuchPort          nothing of the workspace listens there
    │   ├── NoSuchShare         a link to a preview is wrong, or no longer good
    │   ├── NoSuchTemplate
    │   ├── NoSuchMember
    │   ├── NoSuchFile
    │   ├── NoSuchUpload
    │   ├── NoSuchUser
    │   ├── NoSuchLogin
    │   ├── NoSuchToken
    │   ├── NoSuchInvitation
    │   └── NoSuchProvider
    ├── Conflict                the thing is not in a state for this
    │   ├── ChannelInUse
    │   ├── TerminalExited
    │   ├── NameTaken           a user name or e-mail address that somebody else has
    │   ├── AlreadyExists       a file or directory is in the way
    │   ├── NotAFile            a directory, or a pipe, socket or device, where a file is wanted
    │   ├── NotADirectory
    │   ├── DirectoryNotEmpty
    │   ├── EditConflict        somebody else has changed the file; ``current`` and ``expected`` are both tags
    │   ├── WrongOffset         an upload goes on elsewhere; ``offset`` says where
    │   └── RuntimeBusy         a workspace is just starting or stopping
    ├── LimitReached            a number of the settings is used up
    │   ├── InputOverflow       a program does not read and its input queue is full
    │   ├── QuotaReached        a workspace, or a person's share of workspaces, is full
    │   ├── TooManyWatches      no more directories can be watched: refresh instead
    │   └── RateLimited         too many calls or attempts; ``retry_after`` says when to come back
    ├── LaunchFailed            the program could not be started
    ├── Unavailable             a driver, or what it needs, does not answer
    │   ├── ShuttingDown
    │   ├── EngineUnavailable   the container engine does not answer, or cannot do this now
    │   ├── ImageMissing        the engine has no such image, and could not pull it
    │   ├── PreviewFailed       what listens at a previewed port did not answer as HTTP
    │   ├── DiskFull            the server's disk has no room left
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


class InvalidPath(InvalidRequest):
    code = "invalid_path"


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


class IsolationRefused(Forbidden):
    code = "isolation_refused"


class ImageRefused(Forbidden):
    """The image is none of those that workspaces may use."""

    code = "image_refused"


class PermissionDenied(Forbidden):
    code = "permission_denied"


class OutsideWorkspace(Forbidden):
    code = "outside_workspace"


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


class NoSuchPort(NotFound):
    """Nothing of the workspace listens there."""

    code = "no_such_port"


class NoSuchShare(NotFound):
    code = "no_such_share"


class NoSuchTemplate(NotFound):
    code = "no_such_template"


class NoSuchMember(NotFound):
    code = "no_such_member"


class NoSuchFile(NotFound):
    code = "no_such_file"


class NoSuchUpload(NotFound):
    code = "no_such_upload"


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


class AlreadyExists(Conflict):
    code = "already_exists"


class NotAFile(Conflict):
    code = "not_a_file"


class NotADirectory(Conflict):
    code = "not_a_directory"


class DirectoryNotEmpty(Conflict):
    code = "directory_not_empty"


class EditConflict(Conflict):
    """``current`` is the tag of the file as it is now, ``expected`` the one given; None stands for no file."""

    code = "edit_conflict"
    status = 412

    def __init__(self, text: str, *, current: str | None, expected: str | None) -> None:
        super().__init__(text)
        self.current = current
        self.expected = expected


class WrongOffset(Conflict):
    """``offset`` is the number of bytes that are there."""

    code = "wrong_offset"

    def __init__(self, text: str, *, offset: int) -> None:
        super().__init__(text)
        self.offset = offset


class RuntimeBusy(Conflict):
    code = "runtime_busy"


class LimitReached(WebtermError):
    code = "limit_reached"
    status = 429


class InputOverflow(LimitReached):
    code = "input_overflow"


class QuotaReached(LimitReached):
    code = "quota_reached"
    status = 507


class TooManyWatches(LimitReached):
    code = "too_many_watches"


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


class EngineUnavailable(Unavailable):
    """The container engine does not answer, or cannot do this now."""

    code = "engine_unavailable"


class ImageMissing(Unavailable):
    """The engine has no such image, and it could not be pulled."""

    code = "image_missing"


class PreviewFailed(Unavailable):
    """What listens at a previewed port did not answer as HTTP."""

    code = "preview_failed"
    status = 502


class DiskFull(Unavailable):
    code = "disk_full"
    status = 507


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
