"""The gate where exceptions of the database become errors of webterm.

`sqlalchemy.exc.IntegrityError` passes: the modules of the aggregates know what it means. So do mistakes in a query.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from webterm.errors import InvalidRequest, StoreError, StoreUnavailable, WebtermError

_BROKEN_FILE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AWAY = ("08", "53", "55P03", "57", "58", "25P03")
"""What SQLSTATEs begin with when the server, not the query, is at fault. 55P03: no lock in time; 25P03: long idle."""
_MISCONFIGURED = ("28", "3D")
"""Wrong password or role, no such database."""
_DATA = "22"
_NO_VALUE = "a value is not one that the database can hold"


@contextlib.contextmanager
def connecting(name: str) -> Iterator[None]:
    """Translate what goes wrong before there is a transaction; here an OSError comes from the network or the file."""
    try:
        with translated(name):
            yield
    except (OSError, TimeoutError) as error:
        raise StoreUnavailable(f"{name} does not answer: {_reason(error)}") from error
    except InvalidRequest as error:
        raise StoreError(f"{name} cannot be reached by this URL: {_reason(error.__cause__)}") from error
    except WebtermError:
        raise
    except Exception as error:
        state = getattr(error, "sqlstate", None)
        if state is None:
            raise
        raise _by_state(name, str(state), error) or error from error


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Translate what goes wrong in a transaction with the database that is called ``name`` to people.

    Raises `webterm.errors.StoreUnavailable`, `webterm.errors.StoreError`, and `webterm.errors.InvalidRequest` for
    values that the database cannot hold.
    """
    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.TimeoutError as error:
        raise StoreUnavailable(f"{name} is too busy") from error
    except exc.DBAPIError as error:
        if (known := _known(name, error)) is None:
            raise
        raise known from error


def _known(name: str, error: exc.DBAPIError) -> WebtermError | None:
    cause: BaseException | None = error.orig
    while cause is not None and not hasattr(cause, "sqlite_errorcode") and cause.__cause__ is not None:
        cause = cause.__cause__
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _by_code(name, code & 0xFF, error)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None and (known := _by_state(name, state, error.orig or error)) is not None:
        return known
    if error.connection_invalidated:
        return StoreUnavailable(f"{name} does not answer: {_reason(error.orig)}")
    # What the driver refuses before it asks the server is a ValueError.
    return InvalidRequest(_NO_VALUE) if isinstance(cause, ValueError) else None


def _by_code(name: str, code: int, error: exc.DBAPIError) -> WebtermError | None:
    if code in _BROKEN_FILE:
        return StoreError(f"{name} cannot be read as a database: {_reason(error.orig)}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(f"{name} is too busy: somebody else is writing")
    return None if code == sqlite3.SQLITE_ERROR else StoreUnavailable(f"{name} cannot be used: {_reason(error.orig)}")


def _by_state(name: str, state: str, error: BaseException) -> WebtermError | None:
    if state.startswith(_MISCONFIGURED):
        return StoreError(f"{name} refuses: {_reason(error)}")
    if state.startswith(_DATA):
        return InvalidRequest(_NO_VALUE)
    return StoreUnavailable(f"{name} does not answer: {_reason(error)}") if state.startswith(_AWAY) else None


def _reason(error: BaseException | None) -> str:
    """One line that holds neither a query nor its values."""
    text = str(error) or type(error).__name__
    return text.splitlines()[0].partition(">: ")[2] or text.splitlines()[0]


@asynccontextmanager
async def transaction(engine: AsyncEngine, name: str) -> AsyncIterator[AsyncConnection]:
    """One transaction of ``engine``, committed at the end and rolled back on any exception; with errors of ours."""
    with translated(name):
        async with AsyncExitStack() as stack:
            with connecting(name):
                conn = await stack.enter_async_context(engine.connect())
                await stack.enter_async_context(conn.begin())
            yield conn
