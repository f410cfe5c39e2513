"""What the server's own log is spared."""

from __future__ import annotations

import logging

import pytest
from aiohttp import ClientConnectionResetError
from aiohttp.http_exceptions import BadHttpMessage

from webterm.web.malformed import server_logger


def test_who_leaves_and_what_is_no_http_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    logger = server_logger()
    with caplog.at_level(logging.INFO):
        for error in (
            ClientConnectionResetError("Cannot write"),
            BadHttpMessage("a secret"),
            ZeroDivisionError("ours"),
        ):
            logger.error("Error handling request", exc_info=error)
    traced = [type(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert traced == [ZeroDivisionError]
    assert "a secret" not in caplog.text
    assert "a malformed request was refused: BadHttpMessage" in caplog.text
