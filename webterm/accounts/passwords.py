"""Passwords: what is kept of them, and what a new one has to be like.

Kept is ``wt1$`` and the bcrypt hash of base64(HMAC-SHA256(pepper, NFKC(password))): 44 characters whatever was typed.
So bcrypt's limit of 72 bytes and its dislike of NUL are out of the way, and nobody can guess at the passwords of a
stolen database without the pepper, which is in a file elsewhere.

Hashing is slow on purpose. It has one or two threads of its own, at a low priority: a storm of sign-ins takes no
processor away from people who type.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import os
import threading
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from webterm.errors import InvalidRequest, RateLimited

PEPPER = "password pepper"
"""What the pepper is among this installation's keys (`webterm.accounts.keys`)."""
SCHEME = "wt1$"
COST = 12
"""Of bcrypt: the base-2 logarithm of its rounds. About 0.3 s of one processor."""
LONGEST = 1024
"""Characters of a password. Longer ones are refused before any work is done."""
THREADS = min(2, max(1, (os.cpu_count() or 2) - 1))
"""One processor is left to people who type."""
MOST_WAITING = 256
"""Attempts that may wait for their turn."""
NICENESS = 10
"""Priority of the threads, from 0 (as all others) to 19 (setpriority(2), which on Linux is about one thread)."""
FEWEST_DIFFERENT = 4
SHORT_NAME = 4
"""A name with fewer characters than this is part of too many words to be looked for in a password."""

_TRIED_FIRST = """
000000 0123456789 0987654321 111111 11111111 112233 121212 123123 123123123 123321 1234512345 123456 1234567
12345678 123456789 1234567890 12345678910 123qweasd 1q2w3e 1q2w3e4r 1q2w3e4r5t 1qaz2wsx 1qaz2wsx3edc 654321 666666
987654321 9876543210 abc123 abcd1234 abcdefghij admin123 admin12345 administrator asdfghjkl asdfghjkl1 baseball
changeme changeme123 computer dragon football hello123 iloveyou iloveyou123 letmein letmein123 master monkey
p@ssw0rd p@ssword123 passw0rd password password1 password12 password123 password1234 password12345 passwordpassword
princess qazwsxedc qwerty qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyuiop qwertyuiop123 secret sunshine
superman trustno1 welcome welcome123 welcome1234 zaq12wsx zxcvbnm
"""
COMMON = frozenset(_TRIED_FIRST.split())
"""What is tried first. Compared without regard to case."""

T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords, ``THREADS`` at the same time and in the order of their arrival.

    ``pepper`` is the secret of this installation; without it no kept password can be checked any more. ``fewest`` is
    the number of characters that a new password has at least.
    """

    def __init__(self, pepper: bytes, *, fewest: int = 10, cost: int = COST, most_waiting: int = MOST_WAITING) -> None:
        self._pepper = pepper
        self._fewest = fewest
        self._cost = cost
        self._most_waiting = most_waiting
        self._waiting = 0
        self._turns = asyncio.Semaphore(THREADS)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords", initializer=_step_back)
        # A good hash of nothing that anybody knows: checking against it is the same work as against a real one.
        self._nobody = (bcrypt.gensalt(cost) + b"." * 31).decode()

    async def hash(self, password: str) -> str:
        """What is to be kept of a password.

        Raises `webterm.errors.InvalidRequest` when it is too long, `webterm.errors.RateLimited` when too many wait.
        """
        _check_length(password)
        async with self._turn():
            return await self._work(self._hash, password)

    async def verify(self, password: str, kept: str | None, *, allowed: Callable[[], None] = lambda: None) -> bool:
        """Whether a password is the one of which ``kept`` was kept; with None it is not, after the same work.

        ``allowed`` is called when the turn has come, and what it raises is raised here: what has been tried while this
        attempt waited may have changed whether it may be made. A caller that takes note of the outcome before it
        waits again has done so before the next attempt's ``allowed``. Raises as `hash` does.
        """
        _check_length(password)
        async with self._turn():
            allowed()
            return await self._work(self._verify, password, kept)

    def check_new(self, password: str, *, username: str, email: str | None) -> None:
        """Raises `webterm.errors.InvalidRequest`, which says what is wrong with a new password."""
        _check_length(password)
        told = _normal(password)
        if len(told) < self._fewest:
            raise InvalidRequest(f"password: it needs at least {self._fewest} characters")
        low = told.casefold()
        names = {name for name in _names(username, email) if len(name) >= SHORT_NAME}
        if any(name in low for name in names):
            raise InvalidRequest("password: it may not hold your user name or e-mail address")
        if len(set(low)) < FEWEST_DIFFERENT:
            raise InvalidRequest(f"password: it needs at least {FEWEST_DIFFERENT} different characters")
        if low in COMMON:
            raise InvalidRequest("password: it is one of those that are tried first; choose another")

    async def aclose(self) -> None:
        """Wait until the threads have ended. Twice is harmless."""
        await asyncio.to_thread(self._pool.shutdown)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked() and self._waiting >= self._most_waiting:
            raise RateLimited("too many people are signing in at the moment; try again in a few seconds", 5.0)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def _work(self, work: Callable[..., T], *args: object) -> T:
        # Shielded, because a thread cannot be stopped: its turn lasts until it is done, whoever has gone away.
        done = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await asyncio.wait([done])
            raise

    def _hash(self, password: str) -> str:
        return SCHEME + bcrypt.hashpw(self._prehash(password), bcrypt.gensalt(self._cost)).decode()

    def _verify(self, password: str, kept: str | None) -> bool:
        known = kept is not None and kept.startswith(SCHEME)
        salted = kept.removeprefix(SCHEME) if kept is not None and known else self._nobody
        same = bcrypt.checkpw(self._prehash(password), salted.encode())
        return same and known

    def _prehash(self, password: str) -> bytes:
        typed = _normal(password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._pepper, typed, hashlib.sha256))


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _check_length(password: str) -> None:
    if len(password) > LONGEST:
        raise InvalidRequest(f"password: at most {LONGEST} characters")


def _normal(password: str) -> str:
    """The same characters for all keyboards: some type é as one, some as two (RFC 8265, section 4.2.1, takes NFC)."""
    return unicodedata.normalize("NFKC", password)


def _names(username: str, email: str | None) -> set[str]:
    names = {username} if email is None else {username, email, email.partition("@")[0]}
    return {unicodedata.normalize("NFKC", name).casefold() for name in names}
