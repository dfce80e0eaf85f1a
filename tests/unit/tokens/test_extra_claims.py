"""gerbang.sessions.claims_function: claims of the operator in access tokens, and failures of their function."""

import json
from collections.abc import Callable
from copy import replace
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from gerbang.core.log import Severity
from gerbang.sessions.claims import Occasion
from gerbang.sessions.claims_function import LARGEST_CLAIMS, RESERVED, ClaimsFunction, ClaimsUnavailable, OnFailure
from gerbang.sessions.keys import Algorithm
from gerbang.sessions.sessions import SignedIn
from gerbang.sessions.tokens import LONGEST_TOKEN
from gerbang.storage.accounts import User
from gerbang.storage.functions import FunctionFailed

from tests.deployment import ALICE, HOME, Choices, Deployment, by_email
from tests.unit.jwt_parts import claims_of

CLAIMS: Final = {"plan": "gold", "scope": "read:orders write:orders"}


@dataclass
class FakeClaimsFunction:
    """The operator's function. It records events and answers as a test says."""

    answer: Callable[[dict[str, Any]], bytes] = lambda _event: json.dumps({"claims": CLAIMS}).encode()
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __call__(self, event: bytes) -> bytes:
        self.events.append(json.loads(event))
        return self.answer(self.events[-1])

    def answers(self, answer: bytes) -> None:
        self.answer = lambda _event: answer

    def fails(self) -> None:
        def fail(_event: dict[str, Any]) -> bytes:
            raise FunctionFailed("ReadTimeoutError")

        self.answer = fail


@pytest.fixture
def claims_function() -> FakeClaimsFunction:
    return FakeClaimsFunction()


@pytest.fixture(params=[OnFailure.UNAVAILABLE])
def on_failure(request: pytest.FixtureRequest) -> OnFailure:
    setting: OnFailure = request.param
    return setting


@pytest.fixture
def deployment(
    deployment_in_memory: Deployment, claims_function: FakeClaimsFunction, on_failure: OnFailure
) -> Deployment:
    """A deployment with the function."""
    claims = ClaimsFunction(invoke=claims_function, on_failure=on_failure, log_event=deployment_in_memory.log_event)
    return replace(deployment_in_memory, extra_claims=claims)


def access_claims(session: SignedIn) -> dict[str, Any]:
    return claims_of(session.tokens.access_token)


def test_the_function_is_called_at_sign_in_and_refresh_and_its_claims_are_in_the_token(
    deployment: Deployment, claims_function: FakeClaimsFunction
) -> None:
    user = deployment.register()
    claims_function.events.clear()

    session = deployment.sessions.open(user, HOME, "password")
    refreshed = deployment.sessions.refresh(session.tokens.refresh_token)

    for signed_in in (session, refreshed):
        assert {name: access_claims(signed_in)[name] for name in CLAIMS} == CLAIMS
        assert claims_of(signed_in.tokens.refresh_token).keys().isdisjoint(CLAIMS)
        deployment.sessions.authenticate(signed_in.tokens.access_token)
    assert [event["occasion"] for event in claims_function.events] == ["sign_in", "refresh"]
    assert {event["session_id"] for event in claims_function.events} == {session.family_id}


def test_the_event_describes_the_account_without_secrets(
    deployment: Deployment, claims_function: FakeClaimsFunction
) -> None:
    user = deployment.register()

    [event] = claims_function.events
    assert event == {
        "version": 1,
        "occasion": "sign_in",
        "session_id": event["session_id"],
        "account": {
            "id": user.user_id,
            "email": ALICE.email,
            "email_verified": False,
            "username": ALICE.username,
            "name": ALICE.name,
            "role_id": 3,
            "is_anonymous": False,
            "organization_id": user.organization_id,
            "created_at": int(user.created_at.timestamp()),
            "providers": ["email"],
            "app_metadata": {},
            "user_metadata": {},
        },
    }


def test_every_claim_of_a_token_is_reserved(deployment_in_memory: Deployment) -> None:
    """So are the claims that verifiers check (RFC 7519, section 4.1)."""
    session = deployment_in_memory.sessions.open(deployment_in_memory.register(), HOME, "password")

    claims = access_claims(session).keys() | claims_of(session.tokens.refresh_token).keys()

    assert claims | {"nbf"} == RESERVED


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_claim_is_rejected(deployment: Deployment, claims_function: FakeClaimsFunction, name: str) -> None:
    claims_function.answers(json.dumps({"claims": {"plan": "gold", name: "mine"}}).encode())

    with pytest.raises(ClaimsUnavailable, match=f"not its own: {name}"):
        deployment.register()


def test_a_reserved_claim_never_overwrites_a_claim_of_the_token(deployment_in_memory: Deployment) -> None:
    user = deployment_in_memory.register()

    def everything(_user: User, _session_id: str, _occasion: Occasion) -> dict[str, object]:
        return dict.fromkeys(RESERVED, "mine")

    session = replace(deployment_in_memory.sessions, extra_claims=everything).open(user, HOME, "password")

    assert {name for name, value in access_claims(session).items() if value == "mine"} == {"nbf", "auth_time"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b'{"claims": {"n": NaN}}', "no JSON"),
        (b'{"claims": {"n": Infinity}}', "no JSON"),
        (b'{"claims": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "no JSON"),
        (b'{"claims": {"n": ' + b"9" * 5_000 + b"}}", "no JSON"),
        (b"null", "no object"),
        (b"[]", "no object"),
        (b'"claims"', "no object"),
        (b"{}", "no object"),
        (b'{"claims": null}', "no object"),
        (b'{"claims": [["plan", "gold"]]}', "no object"),
        (b'{"plan": "gold"}', "no object"),
        (json.dumps({"claims": {"x": "y" * LARGEST_CLAIMS}}).encode(), "more than 1024"),
        (json.dumps({"claims": {"x": "\u00e9" * 200}}).encode(), "more than 1024"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_invalid_answer_of_the_function_is_a_failure(
    deployment: Deployment, claims_function: FakeClaimsFunction, answer: bytes, reason: str
) -> None:
    claims_function.answers(answer)

    with pytest.raises(ClaimsUnavailable, match=reason):
        deployment.register()


def test_the_largest_claims_and_metadata_fit_into_a_token(
    deployment: Deployment, claims_function: FakeClaimsFunction
) -> None:
    """Two bytes of UTF-8 become six characters of JSON, which makes the longest possible token."""
    claims_function.answers(json.dumps({"claims": {"x": "y" * (LARGEST_CLAIMS - len('{"x":""}'))}}).encode())
    deployment = replace(deployment, choices=Choices(algorithm=Algorithm.RS256))
    full = replace(deployment.register(), app_metadata={"note": "\u00e9" * 1015}, user_metadata={"note": "x" * 8000})

    session = deployment.sessions.begin(full, HOME, "password")[0]

    token = session.tokens.access_token
    assert LONGEST_TOKEN * 0.9 < len(token) <= LONGEST_TOKEN
    deployment.tokens.read_access(token, at=deployment.clock())


# Failures


def test_a_failure_prevents_the_sign_in_and_writes_nothing(
    deployment: Deployment, claims_function: FakeClaimsFunction
) -> None:
    """No attempt is counted and no session is stored, so the password signs in afterwards."""
    user = deployment.register()
    sessions_before = deployment.families.list(user.user_id)
    claims_function.fails()

    for _ in range(Choices().account_and_address.attempts + 1):
        with pytest.raises(ClaimsUnavailable):
            deployment.sign_in.sign_in(by_email(), HOME)

    assert deployment.families.list(user.user_id) == sessions_before
    claims_function.answers(b'{"claims": {}}')
    deployment.sign_in.sign_in(by_email(), HOME)


def test_a_failure_prevents_a_registration(deployment: Deployment, claims_function: FakeClaimsFunction) -> None:
    claims_function.fails()
    with pytest.raises(ClaimsUnavailable):
        deployment.register()

    claims_function.answers(b'{"claims": {}}')
    deployment.register()


def test_a_failure_during_a_refresh_does_not_spend_the_token(
    deployment: Deployment, claims_function: FakeClaimsFunction
) -> None:
    session = deployment.sessions.open(deployment.register(), HOME, "password")
    before = deployment.families.list(session.user.user_id)
    claims_function.fails()
    for _ in range(5):
        with pytest.raises(ClaimsUnavailable):
            deployment.sessions.refresh(session.tokens.refresh_token)

    assert deployment.families.list(session.user.user_id) == before
    claims_function.answers(b'{"claims": {}}')
    assert deployment.sessions.refresh(session.tokens.refresh_token).family_id == session.family_id


@pytest.mark.parametrize("on_failure", OnFailure, indirect=True)
def test_a_failure_is_logged_with_its_reason_and_the_user_id(
    deployment: Deployment, claims_function: FakeClaimsFunction, on_failure: OnFailure
) -> None:
    user = deployment.register()
    claims_function.fails()

    if on_failure is OnFailure.UNAVAILABLE:
        with pytest.raises(ClaimsUnavailable):
            deployment.sessions.open(user, HOME, "password")
    else:
        deployment.sessions.open(user, HOME, "password")

    [note] = [note for note in deployment.recorded.notes if note.event == "claims_failed"]
    assert (note.severity, note.fields) == (Severity.WARNING, {"user_id": user.user_id, "reason": "ReadTimeoutError"})


@pytest.mark.parametrize("on_failure", [OnFailure.WITHOUT], indirect=True)
@pytest.mark.parametrize("answer", [None, b"null", b'{"claims": {"plan": "gold", "role": "service_role"}}'])
def test_with_the_setting_without_a_failure_leaves_the_claims_out(
    deployment: Deployment, claims_function: FakeClaimsFunction, answer: bytes | None
) -> None:
    """If one claim is reserved, all claims are left out."""
    if answer is None:
        claims_function.fails()
    else:
        claims_function.answers(answer)

    session = deployment.sessions.open(deployment.register(), HOME, "password")

    assert access_claims(session).keys() <= RESERVED
    assert access_claims(session)["role"] == "authenticated"
