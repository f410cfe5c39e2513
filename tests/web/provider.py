"""An OpenID provider of the tests' own: a real HTTP server that signs with real keys, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

DISCOVERY = "/.well-known/openid-configuration"
AUTHORIZE = "/authorize"
TOKEN = "/token"  # a path
KEYS = "/keys"
USERINFO = "/userinfo"
CLIENT = "webterm-test"
SECRET = "s3cret/of the+client"


@dataclass(frozen=True)
class SigningKey:
    """A key pair under a name."""

    kid: str
    algorithm: str
    private: Private

    def sign(self, claims: dict[str, Any], **header: object) -> str:
        """A token of these claims."""
        # Not by jwt.encode: it refuses some of the claims that a provider may send to fool us.
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.private, self.algorithm, headers={"kid": self.kid} | header)

    @property
    def public(self) -> dict[str, Any]:
        """As it stands in a JWK Set."""
        key = self.private.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            entry = RSAAlgorithm.to_jwk(key, as_dict=True)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            entry = ECAlgorithm.to_jwk(key, as_dict=True)
        else:
            entry = OKPAlgorithm.to_jwk(key, as_dict=True)
        return {**entry, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> bytes:
        """The public half as everybody may have it."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


@functools.cache
def rsa_key(kid: str = "rsa-1") -> SigningKey:
    return SigningKey(kid, "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))


@functools.cache
def ec_key(kid: str = "ec-1") -> SigningKey:
    return SigningKey(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))


@functools.cache
def ed_key(kid: str = "ed-1") -> SigningKey:
    return SigningKey(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    redirect_uri: str
    nonce: str | None
    challenge: str
    person: dict[str, Any]


@dataclass(kw_only=True)
class OpenIdProvider:
    """What the provider does; tests change its fields while it runs.

    ``person`` is who is signed in at the provider, as claims. ``edit`` has the last hand on the claims of a token,
    ``sign`` makes the token of them. ``instead`` has handlers in the place of an endpoint's own; ``padded`` endpoints
    answer as they should, with 10 MB of spaces added. ``denies`` sends people back with an error and no code.
    """

    issuer: str = ""
    secret: str = SECRET
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "1001", "email": "ada@example.org", "email_verified": True}
    )
    key: SigningKey = field(default_factory=rsa_key)
    published: list[Any] = field(default_factory=lambda: [rsa_key().public, ec_key().public])
    edit: Callable[[dict[str, Any]], None] = lambda claims: None
    sign: Callable[[dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    instead: dict[str, Handler] = field(default_factory=dict)
    padded: set[str] = field(default_factory=set)
    denies: str | None = None
    asked: Counter[str] = field(default_factory=Counter)
    token_requests: list[web.Request] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _grants: dict[str, Grant] = field(default_factory=dict)

    def description(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self.issuer + AUTHORIZE,
            "token_endpoint": self.issuer + TOKEN,
            "jwks_uri": self.issuer + KEYS,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        } | self.metadata

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Every request comes in here."""
        self.asked[request.path] += 1
        own: dict[str, Handler] = {
            DISCOVERY: self._discovery,
            AUTHORIZE: self._authorize,
            TOKEN: self._token,
            KEYS: self._keys,
            USERINFO: self._userinfo,
        }
        handler = self.instead.get(request.path) or own.get(request.path)
        if request.path in self.padded:
            return await _padded(own[request.path], request)
        return await handler(request) if handler else web.Response(status=404)

    async def _discovery(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.description())

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": self.published})

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """The person says yes at once."""
        query = request.query
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        back = {"state": query["state"]}
        if self.denies is not None:
            back |= {"error": self.denies, "error_description": "<script>no</script>"}
        else:
            code = secrets.token_urlsafe(16)
            self._grants[code] = Grant(
                query["redirect_uri"], query.get("nonce"), query["code_challenge"], dict(self.person)
            )
            back["code"] = code
        if self.metadata.get("authorization_response_iss_parameter_supported"):
            back["iss"] = self.issuer
        return web.Response(status=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        self.token_requests.append(request)
        if not self._proven(request, form.get("client_id"), form.get("client_secret")):
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self._grants.pop(str(form["code"]), None)  # a code is good once
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if grant is None or grant.redirect_uri != form["redirect_uri"] or grant.challenge != challenge:
            return web.json_response({"error": "invalid_grant", "error_description": "no"}, status=400)
        tokens = {"id_token": self._id_token(grant), "access_token": "an-access-token", "token_type": "Bearer"}
        return web.json_response(tokens)

    def _proven(self, request: web.Request, client_id: object, secret: object) -> bool:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            pair = base64.b64decode(encoded).decode().split(":")
            return [unquote_plus(part) for part in pair] == [CLIENT, self.secret]
        return client_id == CLIENT and (secret or "") == self.secret

    def _id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, **grant.person}
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        self.edit(claims)
        return self.sign(claims) if self.sign else self.key.sign(claims)

    async def _userinfo(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["Authorization"] == "Bearer an-access-token"
        return web.json_response(self.userinfo)

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """Take the request and never answer."""
        await self.closing.wait()
        return web.Response()


def unsigned(claims: dict[str, Any]) -> str:
    """A token with the algorithm ``none``."""
    return jwt.encode(claims, "", algorithm="none")


def confused(key: SigningKey, algorithm: str = "HS256") -> Callable[[dict[str, Any]], str]:
    """Tokens whose HMAC takes the public key as secret, made by hand: PyJWT refuses to."""

    def sign(claims: dict[str, Any]) -> str:
        header = {"typ": "JWT", "alg": algorithm, "kid": key.kid}
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
        mac = hmac.digest(key.pem, b".".join(parts), "sha256")
        return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()

    return sign


def nameless(key: SigningKey, claims: dict[str, Any]) -> str:
    """A token that does not say which key it was signed with."""
    return jwt.encode(claims, key.private, algorithm=key.algorithm)


def in_three_parts(header: bytes) -> str:
    """What looks like a token, with this header."""
    return base64.urlsafe_b64encode(header).rstrip(b"=").decode() + ".e30.e30"


async def garbage(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x00\xff<html>" * 10)


async def not_an_object(request: web.Request) -> web.StreamResponse:
    return web.json_response(["issuer"])


async def failing(request: web.Request) -> web.StreamResponse:
    return web.Response(status=502, text="bad gateway")


async def _padded(handler: Handler, request: web.Request) -> web.StreamResponse:
    whole = await handler(request)
    assert isinstance(whole, web.Response)
    assert isinstance(whole.body, bytes)
    response = web.StreamResponse(status=whole.status)
    await response.prepare(request)
    await response.write(whole.body)
    for _ in range(160):
        await response.write(b" " * 65_536)
    return response


async def vanishing(request: web.Request) -> web.StreamResponse:
    """Promise a body and close the connection before it is whole."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"issuer"')
    assert request.transport is not None
    request.transport.close()
    return response


def redirecting(target: str) -> Handler:
    async def redirect(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": target})

    return redirect


@asynccontextmanager
async def open_id_provider() -> AsyncIterator[OpenIdProvider]:
    """A provider that listens on a port of its own."""
    provider = OpenIdProvider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        provider.issuer = f"http://{host}:{port}"
        yield provider
    finally:
        provider.closing.set()
        await runner.cleanup()
