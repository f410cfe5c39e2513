"""Sign-ins on their way: sealed, bound to a browser by its cookie, and good once."""

from __future__ import annotations

import pytest

from tests.accounts.conftest import Clock
from webterm.accounts.flows import LIFETIME, Flow, Flows, Linking
from webterm.errors import OidcRefused
from webterm.ids import LoginId, UserId

BACK = "https://web.example/api/v1/auth/oidc/google/callback"
LINKING = Linking(user=UserId("u"), proof=LoginId("l"))


@pytest.fixture
def flows(clock: Clock) -> Flows:
    return Flows(bytes(32), clock=clock)


def begun(flows: Flows, linking: Linking | None = None) -> Flow:
    return flows.begin("google", redirect_uri=BACK, next="?terminal=1", linking=linking)


@pytest.mark.parametrize("linking", [None, LINKING, Linking(user=UserId("u"), proof=None)])
def test_what_was_sealed_comes_back(flows: Flows, linking: Linking | None) -> None:
    flow = begun(flows, linking)
    assert flows.finish("google", flows.seal(flow), flow.state) == flow


def test_every_sign_in_has_its_own_secrets(flows: Flows) -> None:
    secrets = {text for flow in (begun(flows), begun(flows)) for text in (flow.state, flow.nonce, flow.verifier)}
    assert len(secrets) == 6
    assert min(map(len, secrets)) >= 43


def test_a_cookie_says_nothing_and_is_small_enough(flows: Flows) -> None:
    flow = flows.begin("google", redirect_uri=BACK * 10, next="x" * 512, linking=LINKING)
    sealed = flows.seal(flow)
    assert len(sealed) < 3500  # browsers keep 4096 bytes with name and attributes
    assert sealed != flows.seal(flow)
    assert flow.verifier not in sealed


def test_once(flows: Flows) -> None:
    flow = begun(flows)
    sealed = flows.seal(flow)
    flows.finish("google", sealed, flow.state)
    with pytest.raises(OidcRefused):
        flows.finish("google", sealed, flow.state)


def test_not_too_late(flows: Flows, clock: Clock) -> None:
    first, second = begun(flows), begun(flows)
    clock.now += LIFETIME - 1
    flows.finish("google", flows.seal(first), first.state)
    clock.now += 1
    with pytest.raises(OidcRefused) as caught:
        flows.finish("google", flows.seal(second), second.state)
    assert caught.value.reason == "stale"


def test_at_the_same_provider(flows: Flows) -> None:
    flow = begun(flows)
    with pytest.raises(OidcRefused):
        flows.finish("other", flows.seal(flow), flow.state)


@pytest.mark.parametrize("state", [None, "", "another", "ü", "\ud800"])
def test_a_wrong_state(flows: Flows, state: str | None) -> None:
    with pytest.raises(OidcRefused):
        flows.finish("google", flows.seal(begun(flows)), state)


def test_the_cookie_of_another_sign_in(flows: Flows) -> None:
    with pytest.raises(OidcRefused):
        flows.finish("google", flows.seal(begun(flows)), begun(flows).state)


@pytest.mark.parametrize("sealed", [None, "", "A", "A" * 8, "A" * 100, "ü" * 40, "!" * 40])
def test_what_is_no_cookie_of_ours(flows: Flows, sealed: str | None) -> None:
    with pytest.raises(OidcRefused):
        flows.finish("google", sealed, "state")


def test_every_changed_byte_is_seen(flows: Flows) -> None:
    flow = begun(flows)
    sealed = flows.seal(flow)
    for place in range(0, len(sealed) - 4, 7):
        changed = "A" if sealed[place] != "A" else "B"
        with pytest.raises(OidcRefused):
            flows.finish("google", sealed[:place] + changed + sealed[place + 1 :], flow.state)
    flows.finish("google", sealed, flow.state)


def test_a_cookie_sealed_elsewhere(flows: Flows, clock: Clock) -> None:
    flow = begun(flows)
    with pytest.raises(OidcRefused):
        flows.finish("google", Flows(b"x" * 32, clock=clock).seal(flow), flow.state)


def test_another_server_with_the_same_key(flows: Flows, clock: Clock) -> None:
    flow = begun(flows)
    assert Flows(bytes(32), clock=clock).finish("google", flows.seal(flow), flow.state) == flow


def test_used_states_are_forgotten_in_time(flows: Flows, clock: Clock) -> None:
    for _ in range(5):
        flow = begun(flows)
        flows.finish("google", flows.seal(flow), flow.state)
        clock.now += LIFETIME
    assert flows.remembered == 1
