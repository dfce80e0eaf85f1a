"""The operator's claims in access tokens: gerbang.sessions.claims_function, and what sessions do when it fails."""

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

PLAN: Final = {"plan": "gold", "scope": "read:orders write:orders"}


@dataclass
class Function:
    """The operator's function: remembers what it was asked, and answers what a test has chosen."""

    answer: Callable[[dict[str, Any]], bytes] = lambda _event: json.dumps({"claims": PLAN}).encode()
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __call__(self, event: bytes) -> bytes:
        self.asked.append(json.loads(event))
        return self.answer(self.asked[-1])

    def answers(self, answer: bytes) -> None:
        self.answer = lambda _event: answer

    def fails(self) -> None:
        def fail(_event: dict[str, Any]) -> bytes:
            raise FunctionFailed("ReadTimeoutError")

        self.answer = fail


@pytest.fixture
def function() -> Function:
    return Function()


@pytest.fixture(params=[OnFailure.UNAVAILABLE])
def on_failure(request: pytest.FixtureRequest) -> OnFailure:
    chosen: OnFailure = request.param
    return chosen


@pytest.fixture
def asking(deployment_in_memory: Deployment, function: Function, on_failure: OnFailure) -> Deployment:
    """A deployment that asks the function."""
    claims = ClaimsFunction(invoke=function, on_failure=on_failure, log_event=deployment_in_memory.log_event)
    return replace(deployment_in_memory, extra_claims=claims)


def access_claims(session: SignedIn) -> dict[str, Any]:
    return claims_of(session.tokens.access_token)


def test_the_function_is_asked_at_sign_in_and_refresh_and_its_claims_are_signed(
    asking: Deployment, function: Function
) -> None:
    user = asking.register()
    function.asked.clear()

    session = asking.sessions.open(user, HOME, "password")
    refreshed = asking.sessions.refresh(session.tokens.refresh_token)

    for signed_in in (session, refreshed):
        assert {name: access_claims(signed_in)[name] for name in PLAN} == PLAN
        assert claims_of(signed_in.tokens.refresh_token).keys().isdisjoint(PLAN)
        asking.sessions.authenticate(signed_in.tokens.access_token)
    assert [asked["occasion"] for asked in function.asked] == ["sign_in", "refresh"]
    assert {asked["session_id"] for asked in function.asked} == {session.family_id}


def test_the_function_learns_who_the_account_is_and_no_secret_of_it(asking: Deployment, function: Function) -> None:
    user = asking.register()

    [asked] = function.asked
    assert asked == {
        "version": 1,
        "occasion": "sign_in",
        "session_id": asked["session_id"],
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


def test_every_claim_that_a_token_has_is_reserved(deployment_in_memory: Deployment) -> None:
    """And those that readers would judge a token by (RFC 7519, section 4.1)."""
    session = deployment_in_memory.sessions.open(deployment_in_memory.register(), HOME, "password")

    had = access_claims(session).keys() | claims_of(session.tokens.refresh_token).keys()

    assert had | {"nbf"} == RESERVED


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_claim_that_the_token_has_cannot_be_overwritten(asking: Deployment, function: Function, name: str) -> None:
    function.answers(json.dumps({"claims": {"plan": "gold", name: "mine"}}).encode())

    with pytest.raises(ClaimsUnavailable, match=f"not its own: {name}"):
        asking.register()


def test_even_a_claim_that_slipped_through_overwrites_nothing(deployment_in_memory: Deployment) -> None:
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
def test_an_answer_without_claims_that_may_be_signed_is_a_failure(
    asking: Deployment, function: Function, answer: bytes, reason: str
) -> None:
    function.answers(answer)

    with pytest.raises(ClaimsUnavailable, match=reason):
        asking.register()


def test_as_many_claims_as_are_allowed_fit_into_a_token_with_the_largest_metadata(
    asking: Deployment, function: Function
) -> None:
    """Two bytes of UTF-8 become six letters of JSON: the longest token of all, and it can be read."""
    function.answers(json.dumps({"claims": {"x": "y" * (LARGEST_CLAIMS - len('{"x":""}'))}}).encode())
    asking = replace(asking, choices=Choices(algorithm=Algorithm.RS256))
    full = replace(asking.register(), app_metadata={"note": "\u00e9" * 1015}, user_metadata={"note": "x" * 8000})

    session = asking.sessions.begin(full, HOME, "password")[0]

    token = session.tokens.access_token
    assert LONGEST_TOKEN * 0.9 < len(token) <= LONGEST_TOKEN
    asking.tokens.read_access(token, at=asking.clock())


# Failure


def test_while_the_function_fails_nobody_signs_in_and_nothing_is_written(
    asking: Deployment, function: Function
) -> None:
    """503, and afterwards the same password signs in: no attempt is counted, no session left over."""
    user = asking.register()
    sessions_before = asking.families.list(user.user_id)
    function.fails()

    for _ in range(Choices().account_and_address.attempts + 1):
        with pytest.raises(ClaimsUnavailable):
            asking.sign_in.sign_in(by_email(), HOME)

    assert asking.families.list(user.user_id) == sessions_before
    function.answers(b'{"claims": {}}')
    asking.sign_in.sign_in(by_email(), HOME)


def test_while_the_function_fails_no_account_is_made(asking: Deployment, function: Function) -> None:
    function.fails()
    with pytest.raises(ClaimsUnavailable):
        asking.register()

    function.answers(b'{"claims": {}}')
    asking.register()


def test_a_refresh_that_fails_spends_no_token(asking: Deployment, function: Function) -> None:
    session = asking.sessions.open(asking.register(), HOME, "password")
    before = asking.families.list(session.user.user_id)
    function.fails()
    for _ in range(5):
        with pytest.raises(ClaimsUnavailable):
            asking.sessions.refresh(session.tokens.refresh_token)

    assert asking.families.list(session.user.user_id) == before
    function.answers(b'{"claims": {}}')
    assert asking.sessions.refresh(session.tokens.refresh_token).family_id == session.family_id


@pytest.mark.parametrize("on_failure", OnFailure, indirect=True)
def test_the_log_says_why_and_names_the_account_by_its_id(
    asking: Deployment, function: Function, on_failure: OnFailure
) -> None:
    user = asking.register()
    function.fails()

    if on_failure is OnFailure.UNAVAILABLE:
        with pytest.raises(ClaimsUnavailable):
            asking.sessions.open(user, HOME, "password")
    else:
        asking.sessions.open(user, HOME, "password")

    [note] = [note for note in asking.recorded.notes if note.event == "claims_failed"]
    assert (note.severity, note.fields) == (Severity.WARNING, {"user_id": user.user_id, "reason": "ReadTimeoutError"})


@pytest.mark.parametrize("on_failure", [OnFailure.WITHOUT], indirect=True)
@pytest.mark.parametrize("answer", [None, b"null", b'{"claims": {"plan": "gold", "role": "service_role"}}'])
def test_by_setting_a_token_goes_without_the_claims_of_a_function_that_fails(
    asking: Deployment, function: Function, answer: bytes | None
) -> None:
    """All of them, also if one alone is not its own."""
    if answer is None:
        function.fails()
    else:
        function.answers(answer)

    session = asking.sessions.open(asking.register(), HOME, "password")

    assert access_claims(session).keys() <= RESERVED
    assert access_claims(session)["role"] == "authenticated"
