"""Signing in with an OpenID provider, and linking one's identity there to one's account here.

Whoever an identity is linked to signs in with it. Nobody is given an account for its e-mail address alone: what was
typed when registering proves nothing, and whoever registered with a stranger's address would only have to wait for the
stranger to come and sign in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from webterm.access import Source
from webterm.accounts.flows import Flow, Flows, Linking
from webterm.accounts.names import RESERVED, checked_email, fitting
from webterm.accounts.people import free_name
from webterm.clients.id_tokens import Claims
from webterm.clients.oidc import OidcClient
from webterm.errors import Conflict, InvalidRequest, NameTaken, NoSuchProvider, OidcRefused, RegistrationClosed
from webterm.errors import WebtermError as Error
from webterm.ids import UserId, new_user_id
from webterm.settings import Settings
from webterm.settings_accounts import Provider
from webterm.store import audit, identities, users
from webterm.store.engine import Connection, Store
from webterm.store.identities import Identity
from webterm.store.users import User

__all__ = ["Answer", "Arrival", "Departure", "Identity", "Linking", "Oidc", "User"]


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and what it keeps in a cookie until it comes back."""

    location: str
    sealed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the browser brings back in the query (RFC 6749, sections 4.1.2 and 4.1.2.1; RFC 9207)."""

    state: str | None
    code: str | None
    error: str | None
    issuer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Who came back, and where they were going. ``linked``: an identity was linked, and nobody is to be signed in."""

    user: User
    next: str
    linked: bool


class Oidc:
    """Everybody who has an identity at a provider. ``key`` is for the cookies of sign-ins on their way."""

    def __init__(
        self,
        store: Store,
        client: OidcClient,
        settings: Settings,
        key: bytes,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._client = client
        self._settings = settings
        self._flows = Flows(key, clock=clock)
        self._clock = clock

    def providers(self) -> dict[str, str]:
        """The providers' short names, and what people know them by."""
        return {name: provider.name or name for name, provider in self._settings.oidc.providers.items()}

    async def depart(
        self,
        provider: str,
        *,
        redirect_uri: str,
        next: str = "",  # noqa: A002 - as the parameter is called
        linking: Linking | None = None,
    ) -> Departure:
        """Begin a sign-in, or with ``linking`` the linking of an identity.

        Raises `webterm.errors.NoSuchProvider`, and `webterm.errors.Unavailable` when the provider does not answer.
        """
        client = self._client.provider(provider)
        flow = self._flows.begin(provider, redirect_uri=redirect_uri, next=next, linking=linking)
        location = await client.location(
            redirect_uri=redirect_uri, state=flow.state, nonce=flow.nonce, verifier=flow.verifier
        )
        return Departure(location, self._flows.seal(flow))

    async def arrive(
        self, provider: str, sealed: str | None, answer: Answer, *, asking: Linking | None, address: str
    ) -> Arrival:
        """Who comes back from the provider. ``asking`` is who is signed in in this browser, if anybody is.

        Raises `webterm.errors.OidcRefused` with a reason, `webterm.errors.RegistrationClosed`,
        `webterm.errors.NoSuchProvider`, and `webterm.errors.Unavailable` when the provider does not answer.
        """
        self._client.provider(provider)
        flow = self._flows.finish(provider, sealed, answer.state)
        try:
            claims = await self._claims(flow, answer, asking)
            async with self._store.writing() as conn:
                return await self._enter(conn, flow, claims, address)
        except Error as error:
            await self._note_failure(flow, error, address)
            raise

    async def identities(self, user: UserId) -> list[Identity]:
        """The identities that are linked to a person's account."""
        async with self._store.reading() as conn:
            return await identities.of_user(conn, user)

    async def unlink(self, user: UserId, provider: str, by: Source) -> None:
        """Forget who a person is at a provider. Logins that were made with it go on.

        Raises `webterm.errors.NoSuchProvider` when nothing is linked there, and `webterm.errors.Conflict` when it is
        the only way in which the person can sign in.
        """
        async with self._store.writing() as conn:
            person = await users.by_id(conn, user)
            linked = {identity.provider for identity in await identities.of_user(conn, user)}
            if person is None or provider not in linked:
                raise NoSuchProvider("no identity of this provider is linked to your account")
            usable = linked & self._settings.oidc.providers.keys()
            if usable == {provider} and person.password is None and not person.owner:
                raise Conflict("this is the only way in which you can sign in; set a password first")
            await identities.remove(conn, user, provider)
            await audit.append(conn, by, "identity.unlink", user, now=self._clock(), detail=provider)

    async def _claims(self, flow: Flow, answer: Answer, asking: Linking | None) -> Claims:
        """What the provider says about whoever comes back with this answer."""
        if flow.linking is not None and flow.linking != asking:
            raise OidcRefused("other_login", "somebody else is signed in here than who began to link an identity")
        client = self._client.provider(flow.provider)
        await client.check_issuer(answer.issuer)
        if answer.code is None or answer.error is not None:
            reason = "denied" if answer.error == "access_denied" else "provider"
            raise OidcRefused(reason, "the sign-in provider did not let this person in")
        claims = await client.redeem(
            code=answer.code, redirect_uri=flow.redirect_uri, nonce=flow.nonce, verifier=flow.verifier
        )
        _check_domain(client.provider, _verified_email(claims))
        return claims

    async def _enter(self, conn: Connection, flow: Flow, claims: Claims, address: str) -> Arrival:
        known = await identities.by_subject(conn, flow.provider, _subject(claims))
        if flow.linking is not None:
            user = await self._link(conn, flow, known, claims, flow.linking.user, address)
        elif known is not None:
            user = _found(await users.by_id(conn, known.user))
        else:
            user = await self._newcomer(conn, flow.provider, claims, address)
        if user.disabled:
            raise OidcRefused("disabled", "this account is disabled")
        if flow.linking is None:
            await self._note(conn, user, "login.oidc", flow.provider, address)
        return Arrival(user=user, next=flow.next, linked=flow.linking is not None)

    async def _link(
        self, conn: Connection, flow: Flow, known: Identity | None, claims: Claims, wanted: UserId, address: str
    ) -> User:
        """Link an identity to the account of who asks for it. Doing so twice is harmless."""
        user = _found(await users.by_id(conn, wanted))
        if known is None:
            await self._add(conn, user, flow.provider, claims, address)
        elif known.user != wanted:
            raise OidcRefused("taken", "this identity belongs to another account here")
        return user

    async def _newcomer(self, conn: Connection, provider: str, claims: Claims, address: str) -> User:
        """The account of somebody whose identity is not linked yet: the one with their address, or a new one."""
        email = _verified_email(claims)
        if email is None:
            raise OidcRefused("unverified", "the sign-in provider does not vouch for this person's e-mail address")
        user = await users.by_name(conn, email)
        if user is None:
            user = await self._register(conn, provider, email, address)
        elif not await _proven(conn, user, email):
            raise OidcRefused(
                "link_first",
                "there is an account with this e-mail address; sign in with its password and link this provider there",
            )
        await self._add(conn, user, provider, claims, address)
        return user

    async def _register(self, conn: Connection, provider: str, email: str, address: str) -> User:
        if not self._settings.oidc.providers[provider].register:
            raise RegistrationClosed("there is no account for this person here, and none is made")
        user = await users.add(
            conn,
            id=new_user_id(),
            username=await free_name(conn, _username(email)),
            email=email,
            password=None,
            role="user",
            tier=self._settings.accounts.default_tier,
            owner=False,
            now=self._clock(),
        )
        await self._note(conn, user, "user.register", f"provider {provider}", address)
        return user

    async def _add(self, conn: Connection, user: User, provider: str, claims: Claims, address: str) -> None:
        identity = Identity(
            provider=provider,
            subject=_subject(claims),
            user=user.id,
            email=_verified_email(claims),
            created=self._clock(),
        )
        try:
            await identities.add(conn, identity)
        except NameTaken:
            raise OidcRefused(
                "another", "this account has another identity at this provider; unlink that first"
            ) from None
        await self._note(conn, user, "identity.link", provider, address)

    async def _note(self, conn: Connection, user: User, action: str, detail: str, address: str) -> None:
        source = Source(user=user.id, name=user.username, address=address)
        await audit.append(conn, source, action, user.id, now=self._clock(), detail=detail)

    async def _note_failure(self, flow: Flow, error: Error, address: str) -> None:
        """Only sign-ins that were begun here come so far: nobody fills the log by calling the callback."""
        source = Source(user=flow.linking.user if flow.linking else None, name="", address=address)
        detail = f"{flow.provider}: {reason(error)}"
        async with self._store.writing() as conn:
            action = "identity.failed" if flow.linking else "login.failed"
            await audit.append(conn, source, action, now=self._clock(), detail=detail)


def reason(error: Error) -> str:
    """A short word for why a sign-in did not work: one of ours, never a text of the provider's."""
    return error.reason if isinstance(error, OidcRefused) else error.code


def _subject(claims: Claims) -> str:
    """A person's name at a provider, for good. With the issuer: the settings may give a short name to another one."""
    return f"{claims.issuer} {claims.subject}"


def _verified_email(claims: Claims) -> str | None:
    if claims.email is None or not claims.email_verified:
        return None
    try:
        return checked_email(claims.email)
    except InvalidRequest:
        return None


def _check_domain(provider: Provider, email: str | None) -> None:
    """Where only some domains may come in, whoever has left one of them stays outside, known or not."""
    if not provider.domains:
        return
    if email is None:
        raise OidcRefused("unverified", "the sign-in provider does not vouch for this person's e-mail address")
    domain = _ascii(email.rpartition("@")[2])
    if domain not in {name.lower() for name in provider.domains}:
        raise OidcRefused("domain", "only e-mail addresses of certain domains may sign in here")


def _ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode().lower()
    except UnicodeError:
        return ""


def _found(user: User | None) -> User:
    if user is None:
        raise OidcRefused("stale", "this account has just been removed")
    return user


async def _proven(conn: Connection, user: User, email: str) -> bool:
    """Whether an account with this address belongs to whoever owns the address.

    Proven is an address that another provider has vouched for when it was linked. An account without a password was
    made by a provider, or by an admin who typed the address. Neither is enough for an admin's account: one careless
    provider of several would do to take it.
    """
    if user.owner or user.role != "user" or user.email is None or user.email.lower() != email.lower():
        return False
    linked = await identities.of_user(conn, user.id)
    return user.password is None or any(identity.email == user.email for identity in linked)


def _username(email: str) -> str:
    """A user name made of an address. What is left of some is a name that nobody may give himself."""
    wanted = fitting(email.partition("@")[0])
    return "user" if wanted.casefold() in RESERVED else wanted
