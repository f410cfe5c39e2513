"""Names of things. Each has its own type, so that mixing them up is a type error."""

from __future__ import annotations

import secrets
import uuid
from typing import NewType

TerminalId = NewType("TerminalId", str)
ViewerId = NewType("ViewerId", int)
UserId = NewType("UserId", str)
"""A UUID; a host application that signs people in itself may have ids of another form."""
LoginId = NewType("LoginId", str)
TokenId = NewType("TokenId", str)
ProofId = LoginId | TokenId
"""What a right to be here rests on, and ends with."""
InvitationId = NewType("InvitationId", str)
WorkspaceId = NewType("WorkspaceId", str)
"""A UUID."""
UploadId = NewType("UploadId", str)
ShareId = NewType("ShareId", str)


def new_terminal_id() -> TerminalId:
    return TerminalId(_fresh())


def new_user_id() -> UserId:
    return UserId(str(uuid.uuid4()))


def new_login_id() -> LoginId:
    """For an API client; a browser's is made of its cookie."""
    return LoginId(_fresh())


def new_token_id() -> TokenId:
    return TokenId(_fresh())


def new_invitation_id() -> InvitationId:
    return InvitationId(_fresh())


def new_workspace_id() -> WorkspaceId:
    return WorkspaceId(str(uuid.uuid4()))


def new_upload_id() -> UploadId:
    return UploadId(_fresh())


def new_share_id() -> ShareId:
    return ShareId(_fresh())


def _fresh() -> str:
    """22 characters (128 random bits) that are safe in URLs and file names."""
    return secrets.token_urlsafe(16)
