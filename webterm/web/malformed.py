"""What is no HTTP: told in the log without quoting it, because what is quoted may be a secret in a broken header.

And peers that have gone before their answer came, which is nobody's fault: the access log has a line for each request.
"""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger("webterm.web")


class Unquoted(logging.Filter):
    """For the logger of aiohttp's server: a line for a malformed request instead of a trace with the request in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for what is told in another way here."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError):
            return False
        if not isinstance(error, HttpProcessingError):
            return True
        log.info("a malformed request was refused: %s", type(error).__name__)
        return False


def server_logger() -> logging.Logger:
    """What aiohttp's server logs to."""
    logger = logging.getLogger("webterm.http")
    if not any(isinstance(one, Unquoted) for one in logger.filters):
        logger.addFilter(Unquoted())
    return logger
