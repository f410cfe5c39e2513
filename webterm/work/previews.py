"""Web servers in workspaces, seen from outside: who may see them, for how long, and how they are reached."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from webterm.access import Actor
from webterm.accounts.secret_texts import hash_of, new_secret
from webterm.clients.previewing import Answer, Dial, Headers, PreviewClient, Refusal, Tunnel
from webterm.errors import LimitReached, NoSuchShare, NotSignedIn, ShuttingDown, Unavailable, WebtermError
from webterm.ids import ProofId, UserId, WorkspaceId
from webterm.store.changes import Change
from webterm.tasks import Tasks
from webterm.work.admission import no_such
from webterm.work.endings import Ending, MemberGone, WorkspaceGone
from webterm.work.preview_passes import OnEnd, Pass
from webterm.work.preview_shares import PreviewShares
from webterm.work.workspaces import Workspaces

__all__ = ["Answer", "Headers", "OnEnd", "Pass", "Previews", "Refusal", "Tunnel"]

IsLive = Callable[[ProofId], Awaitable[bool]]

LASTS = 3600.0
"""Seconds after its last use for which a pass is kept: it may stand in logs. Browsers that may have one get another."""
UNPROVEN = 3600.0
"""Seconds for which a pass is good that rests on nothing of ours, because a host application signs people in."""
MOST_PASSES = 100
"""Passes of one person; the one that was used least lately makes room."""
TICKET_LASTS = 30.0
"""Seconds that a ticket lasts."""
MOST_TICKETS = 100
"""Unused tickets of one person at the same time."""
LOOK = 0.5
"""Seconds for which it is believed that a link is still good."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    """It stands for the pass ``secret`` of ``user`` until ``expires``."""

    secret: str
    user: UserId | None
    expires: float


class Previews:
    """All passes, and the way to what they open.

    ``dial`` makes a connection to a port of a workspace. ``is_live`` says whether a proof of identity is
    still good; it may be set later. ``clock`` is in seconds, and never goes back.
    """

    def __init__(
        self,
        workspaces: Workspaces,
        dial: Dial,
        shares: PreviewShares,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shares = shares
        self.is_live: IsLive | None = None
        self._workspaces = workspaces
        self._clock = clock
        self._passes: dict[str, Pass] = {}
        self._linked: dict[str, Pass] = {}  # by the hash of the link
        self._looks: dict[str, float] = {}
        self._tickets: dict[str, _Ticket] = {}
        self._client = PreviewClient(dial)
        self._tasks = Tasks("previews")
        self._open = True
        workspaces.subscribe(self._on_ending)

    async def admit(self, actor: Actor, proof: ProofId | None, workspace: str, port: int) -> Pass:
        """The pass of somebody who is signed in, to a port at which nothing need listen. Needs `Role.READ`.

        Raises as `Workspaces.allowed`, `webterm.errors.NotSignedIn` for a proof that has just ended, and
        `webterm.errors.ShuttingDown`.
        """
        if not self._open:
            raise ShuttingDown("the server stops")
        mark = self._workspaces.mark()
        found = await self._workspaces.allowed(actor, workspace)
        given = self._kept(actor.id, proof, found.id, port) or self._add(actor.id, proof, found.id, port)
        if proof is not None and self.is_live is not None and not await self.is_live(proof):
            self.revoke_proof(proof)
            raise NotSignedIn("you have signed out")
        if self._workspaces.ended(mark, found.id, actor.id):
            self._end([given], no_such(found.id))
            raise no_such(found.id)
        return given

    def held(self, actor: Actor, proof: ProofId | None, workspace: WorkspaceId, port: int) -> Pass | None:
        """The pass that `admit` has given, while it is good; asking for it is a use of it."""
        return self._kept(actor.id, proof, workspace, port)

    async def find(self, secret: str, workspace: str, port: int) -> Pass:
        """The pass, or link, with this secret. Raises `webterm.errors.NoSuchShare` unless it opens this very port."""
        now = self._clock()
        found = self.known(secret, workspace, port) or await self._by_link(hash_of(secret), now)
        if found is None or (found.workspace, found.port) != (workspace, port) or self._is_over(found, now):
            raise NoSuchShare("this link to a preview is wrong, or no longer good")
        found.used = now
        return found

    def known(self, secret: str, workspace: str, port: int) -> Pass | None:
        """The same as far as it takes no look into the store; None does not mean that there is nothing."""
        now = self._clock()
        found = self._passes.get(hash_of(secret))
        if found is None or (found.workspace, found.port) != (workspace, port) or self._is_over(found, now):
            return None
        found.used = now
        return found

    def ticket(self, given: Pass) -> str:
        """What stands for a person's pass in a URL that leads to another origin, once, for `TICKET_LASTS` seconds.

        Raises `webterm.errors.LimitReached` when that person has left too many unused.
        """
        now = self._clock()
        self._tickets = {key: kept for key, kept in self._tickets.items() if kept.expires > now}
        if sum(kept.user == given.user for kept in self._tickets.values()) >= MOST_TICKETS:
            raise LimitReached(f"too many previews are being opened; wait {TICKET_LASTS:g} seconds")
        ticket = new_secret()
        self._tickets[hash_of(ticket)] = _Ticket(given.secret, given.user, now + TICKET_LASTS)
        return ticket

    def redeem(self, ticket: str) -> str:
        """The secret that a ticket stands for. Raises `webterm.errors.NoSuchShare` for a wrong, used or old one."""
        kept = self._tickets.pop(hash_of(ticket), None)
        if kept is None or self._clock() >= kept.expires:
            raise NoSuchShare("this link to a preview is wrong, used or too old")
        return kept.secret

    def asking(
        self, given: Pass, *, method: str, target: str, headers: Headers, body: AsyncIterable[bytes] | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Send a request to what a pass opens; see `webterm.clients.previewing.PreviewClient.asking`.

        Raises `webterm.errors.NoSuchPort`, `webterm.errors.Unavailable` and `webterm.errors.PreviewFailed`.
        """
        client = self._client
        return client.asking(given.workspace, given.port, method=method, target=target, headers=headers, body=body)

    def tunnelling(
        self, given: Pass, *, target: str, headers: Headers
    ) -> AbstractAsyncContextManager[Tunnel | Refusal]:
        """Ask what a pass opens for a WebSocket. Raises as `asking`."""
        return self._client.tunnelling(given.workspace, given.port, target=target, headers=headers)

    def open_in(self, workspace: WorkspaceId) -> bool:
        """Whether something of a workspace is open."""
        return any(each.visits and each.workspace == workspace for each in self._all())

    async def on_change(self, change: Change) -> None:
        """End what rests on a proof that has ended, or on a person who may not be here any more."""
        if change.kind == "ended" and change.proof is not None:
            self.revoke_proof(change.proof)
        elif change.kind == "ended":
            self.revoke_user(change.user)

    def revoke_proof(self, proof: ProofId) -> None:
        """End the passes that rest on a proof."""
        self._end([each for each in self._all() if each.proof == proof], NotSignedIn("you have signed out"))

    def revoke_user(self, user: UserId) -> None:
        """End the passes of a person. Links that the person made are looked at anew within a moment."""
        self._end([each for each in self._all() if each.user == user], NotSignedIn("you have signed out"))

    def shutdown(self) -> None:
        """The server stops: end everything, and let nobody in any more."""
        self._open = False
        self._end(list(self._all()), ShuttingDown("the server stops"))

    async def aclose(self) -> None:
        """Close all connections. Twice is harmless."""
        self.shutdown()
        await self._tasks.aclose()
        await self._client.aclose()

    def _kept(self, user: UserId, proof: ProofId | None, workspace: WorkspaceId, port: int) -> Pass | None:
        now = self._clock()
        wanted = (user, proof, workspace, port)
        for each in self._passes.values():
            if (each.user, each.proof, each.workspace, each.port) == wanted and not self._is_over(each, now):
                each.used = now
                return each
        return None

    def _add(self, user: UserId, proof: ProofId | None, workspace: WorkspaceId, port: int) -> Pass:
        now = self._clock()
        self._end([each for each in self._passes.values() if self._is_over(each, now)], _over())
        own = [each for each in self._passes.values() if each.user == user]
        if len(own) >= MOST_PASSES:
            self._end([min(own, key=lambda each: (each.visits > 0, each.used))], _over())
        expires = float("inf") if proof is not None else now + UNPROVEN
        given = Pass(workspace, port, secret=new_secret(), user=user, proof=proof, used=now, expires=expires)
        self._passes[hash_of(given.secret)] = given
        return given

    async def _by_link(self, hash: str, now: float, recent: float = LOOK) -> Pass | None:  # noqa: A002 - as in the store
        known = self._linked.get(hash)
        if known is not None and now - self._looks[hash] < recent:
            return known
        share = await self.shares.good(hash) if self._open else None
        known = self._linked.get(hash)  # others may have looked meanwhile
        if share is None:
            if known is not None:
                self._end([known], _over())
            return None
        self._looks[hash] = self._clock()
        if known is None:
            self._end([each for each in self._linked.values() if self._is_over(each, now)], _over())
            known = Pass(share.workspace, share.port, secret="", share=hash, used=now, expires=float("inf"))
            self._linked[hash] = known
            self._tasks.run(self._watch(hash, known))
        return known

    async def _watch(self, hash: str, linked: Pass) -> None:  # noqa: A002
        """End what a link has opened when the link ends, wherever that was done."""
        while self._linked.get(hash) is linked:
            await asyncio.sleep(LOOK)
            if linked.visits:
                with contextlib.suppress(Unavailable):  # nobody can say now; the next look will
                    await self._by_link(hash, self._clock(), LOOK / 2)  # so that none is older than a second
            elif self._clock() - linked.used > 2 * LOOK:
                self._end([linked], _over())

    def _is_over(self, given: Pass, now: float) -> bool:
        return now >= given.expires or (not given.visits and now - given.used > LASTS)

    def _all(self) -> list[Pass]:
        return [*self._passes.values(), *self._linked.values()]

    def _end(self, given: list[Pass], error: WebtermError) -> None:
        for each in given:
            if each.share is None:
                self._passes.pop(hash_of(each.secret), None)
            else:
                self._linked.pop(each.share, None)
                self._looks.pop(each.share, None)
            each.end(error)

    def _on_ending(self, ending: Ending) -> None:
        """Rights in workspaces that end do so on what is open. Links are looked at anew within a moment."""
        match ending:
            case WorkspaceGone(workspace):
                self._end([each for each in self._all() if each.workspace == workspace], no_such(workspace))
            case MemberGone(workspace, user):
                gone = [each for each in self._all() if (each.workspace, each.user) == (workspace, user)]
                self._end(gone, no_such(workspace))


def _over() -> NoSuchShare:
    return NoSuchShare("this link to a preview is no longer good")
