"""gerbang.apis.refusals: every refusal is worded on purpose, in one table, and tells nobody too much."""

import importlib
import json
import pkgutil
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import gerbang
import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.google_sign_in import AccountDisabled, LinkedToAnother
from gerbang.accounts.oidc import IdTokenFlaw, InvalidIdToken
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.registration import EmailTaken, UsernameTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin, by_body, by_path, gotrue, refusals, snapotp
from gerbang.apis.refusals import UNAVAILABLE, UNEXPECTED, WORDINGS, problem_of, wording_of
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.http import edge
from gerbang.http.edge import FieldError, InvalidFields, MethodNotAllowed, Request
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.api_keys import InvalidApiKey
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import NotAPerson, RefreshTokenReused, SessionEnded, SignInOvertaken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import RecordingLog

NEVER_ANSWERED = {
    # Subclasses that only tools meet, or that always reach a client as another refusal.
    "gerbang.passwords.legacy",
}

REQUEST = Request(
    method="POST",
    path="/api/auth/login",
    headers={"authorization": "Bearer secret-token"},
    query={},
    body={"password": "secret-password", "email": "alice@example.com"},
    source_ip="192.0.2.1",
    authorizer={},
    route="POST /api/auth/login",
)


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What was noted, instead of standard output."""
    noted = RecordingLog()
    monkeypatch.setattr(refusals, "log", lambda: noted)
    return noted


def every_refusal() -> dict[str, type[AuthError]]:
    """Every subclass of AuthError in the package, by its full name."""
    for module in pkgutil.walk_packages(gerbang.__path__, "gerbang."):
        if module.name != "gerbang.container":
            importlib.import_module(module.name)
    found: dict[str, type[AuthError]] = {}
    waiting = [AuthError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith("gerbang."):
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return found


def test_every_refusal_has_words_of_its_own() -> None:
    unworded = {
        name
        for name in every_refusal().keys() - WORDINGS.keys()
        if not any(name.startswith(module) for module in NEVER_ANSWERED)
    }

    assert unworded == set()


def test_every_name_in_the_table_is_a_refusal() -> None:
    assert WORDINGS.keys() - every_refusal().keys() == set()


def test_a_refusal_is_never_our_fault_and_has_words_for_every_contract() -> None:
    for wording in WORDINGS.values():
        assert HTTPStatus.BAD_REQUEST <= wording.status < HTTPStatus.INTERNAL_SERVER_ERROR
        assert wording.title
        assert wording.message.strip()
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", wording.code)
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", wording.event)


def test_statuses_are_the_contracts() -> None:
    """The clients' documentation, the tables of errors."""
    expected = {
        "gerbang.accounts.sign_in.InvalidCredentials": (400, "Invalid Credentials"),
        "gerbang.http.edge.InvalidFields": (400, "Validation Error"),
        "gerbang.http.edge.MalformedBody": (400, "Validation Error"),
        "gerbang.http.edge.BodyTooLarge": (413, "Payload Too Large"),
        "gerbang.http.edge.UnsupportedMediaType": (415, "Unsupported Media Type"),
        "gerbang.http.edge.MethodNotAllowed": (405, "Method Not Allowed"),
        "gerbang.http.edge.NoSuchPath": (404, "Not Found"),
        "gerbang.http.edge.MissingBearer": (401, "Unauthorized"),
        "gerbang.sessions.claims.InvalidToken": (401, "Unauthorized"),
        "gerbang.sessions.claims.TokenExpired": (401, "Token Expired"),
        "gerbang.sessions.sessions.SessionEnded": (401, "Unauthorized"),
        "gerbang.sessions.sessions.RefreshTokenReused": (401, "Unauthorized"),
        "gerbang.accounts.organizations.NotAMember": (403, "Forbidden"),
        "gerbang.accounts.registration.EmailTaken": (409, "Conflict"),
        "gerbang.accounts.registration.UsernameTaken": (409, "Conflict"),
        "gerbang.limits.rate_limits.TooManyAttempts": (429, "Too Many Requests"),
    }

    assert {name: (WORDINGS[name].status, WORDINGS[name].title) for name in expected} == expected


def test_a_narrower_refusal_is_worded_as_the_wider_one() -> None:
    class NewKind(SessionEnded):
        """Not in the table."""

    assert wording_of(NewKind("family", "user")) == WORDINGS["gerbang.sessions.sessions.SessionEnded"]
    assert wording_of(RefreshTokenReused("family", "user")) == WORDINGS["gerbang.sessions.sessions.RefreshTokenReused"]


def test_reuse_of_a_refresh_token_reads_like_any_ended_session_and_is_logged_as_what_it_is() -> None:
    """A thief is not told that he was found out."""
    ended, reused = wording_of(SessionEnded("f", "u")), wording_of(RefreshTokenReused("f", "u"))

    assert (ended.status, ended.title, ended.message) == (reused.status, reused.title, reused.message)
    assert reused.event == "refresh_token_reused"


@pytest.mark.parametrize(
    ("error", "wording"),
    [
        (DependencyUnavailable("DynamoDB"), UNAVAILABLE),
        (RuntimeError("a bug"), UNEXPECTED),
        (AuthError("unworded"), UNEXPECTED),
        (KeyError("x"), UNEXPECTED),
    ],
    ids=repr,
)
def test_what_is_no_refusal_is_unavailable_or_unexpected(error: Exception, wording: refusals.Wording) -> None:
    assert wording_of(error) == wording
    assert (UNAVAILABLE.status, UNEXPECTED.status) == (503, 500)


# Headers


def test_the_right_header_goes_with_each_status() -> None:
    assert problem_of(InvalidToken("x"), REQUEST).headers == {"www-authenticate": "Bearer"}
    assert problem_of(TokenExpired(), REQUEST).headers == {"www-authenticate": "Bearer"}
    assert problem_of(MethodNotAllowed("GET"), REQUEST).headers == {"allow": "GET"}
    assert problem_of(DependencyUnavailable("x"), REQUEST).headers == {"retry-after": "1"}
    assert problem_of(InvalidCredentials(None), REQUEST).headers == {}
    assert problem_of(RuntimeError("x"), REQUEST).headers == {}


@pytest.mark.covers("25")
@pytest.mark.parametrize(
    ("wait", "header"),
    [
        (timedelta(seconds=90), "90"),
        (timedelta(seconds=89, microseconds=1), "90"),
        (timedelta(microseconds=1), "1"),
        (timedelta(0), "1"),
        (-timedelta(seconds=5), "1"),
        (timedelta(hours=1), "3600"),
    ],
    ids=str,
)
def test_whoever_has_tried_too_often_is_told_how_many_whole_seconds_to_wait(wait: timedelta, header: str) -> None:
    assert problem_of(TooManyAttempts("address", wait), REQUEST).headers == {"retry-after": header}


# Details


def test_fields_that_are_wrong_are_named() -> None:
    errors = (FieldError("email", "Field required"), FieldError("name", "too long"))

    assert problem_of(InvalidFields(errors), REQUEST).details == errors
    assert problem_of(InvalidEmail("domain"), REQUEST).details == (
        FieldError("email", "The e-mail address is not valid"),
    )
    assert problem_of(InvalidToken("x"), REQUEST).details == ()


@pytest.mark.covers("10")
def test_a_password_is_refused_with_the_reason() -> None:
    with pytest.raises(UnacceptablePassword) as caught:
        PasswordPolicy().check("Password1")

    (detail,) = problem_of(caught.value, REQUEST).details
    assert detail.field == "password"
    assert "common" in detail.message


# The log: security.md 166, 167


def test_a_refusal_is_noted_with_its_evidence(log: RecordingLog) -> None:
    problem_of(RefreshTokenReused("family-1", "user-1"), REQUEST)
    problem_of(TooManyAttempts("address", timedelta(seconds=9)), REQUEST)

    reused, limited = log.notes
    assert (reused.event, reused.severity) == ("refresh_token_reused", Severity.WARNING)
    assert reused.fields == {
        "reason": "RefreshTokenReused",
        "status": 401,
        "route": "POST /api/auth/login",
        "client": "192.0.2.1",
        "session_id": "family-1",
        "user_id": "user-1",
        "why": "family-1",
    }
    assert limited.event == "rate_limited"
    assert limited.fields["limit"] == "address"


FAMILY_ID = "0a7e7a2c-1111-4000-8000-000000000001"
USER_ID = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

AS_RAISED: Final[list[tuple[AuthError, dict[str, str]]]] = [
    (edge.MalformedBody("not an object"), {"why": "not an object"}),
    (InvalidFields((FieldError("email", "x"), FieldError("name", "x"))), {"why": "email, name"}),
    (edge.BodyTooLarge(), {}),
    (edge.UnsupportedMediaType(), {}),
    (MethodNotAllowed("POST"), {"why": "POST"}),
    (edge.NoSuchPath(), {}),
    (edge.MissingBearer(), {}),
    (InvalidEmail("domain"), {"why": "domain"}),
    (UnacceptablePassword("length", "Too short", "password"), {"rule": "length", "why": "length"}),
    (InvalidToken("unknown key"), {"why": "unknown key"}),
    (TokenExpired(), {}),
    (SessionEnded(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (RefreshTokenReused(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (SignInOvertaken(USER_ID), {"why": USER_ID}),
    (NotAPerson(USER_ID), {"why": USER_ID}),
    (InvalidCredentials(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (InvalidCredentials(None), {"why": "unknown"}),
    (WrongPassword(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (EmailNotVerified(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (InvalidCode("no tries left"), {"why": "no tries left"}),
    (InvalidResetToken("outlived"), {"why": "outlived"}),
    (InvalidIdToken(IdTokenFlaw.SIGNATURE), {"why": IdTokenFlaw.SIGNATURE.value}),
    (LinkedToAnother(), {}),
    (AccountDisabled(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (snapotp.IdentityMismatch(), {}),
    (snapotp.NoProof(), {}),
    (InvalidApiKey("unknown"), {"why": "unknown"}),
    (gotrue.UnsupportedGrant(), {}),
    (EmailTaken(), {}),
    (UsernameTaken(), {}),
    (NotAMember("org_4fTq9"), {"why": "org_4fTq9"}),
    (TooManyAttempts("address", timedelta(seconds=9)), {"limit": "address", "why": "address"}),
]
"""Every refusal as the code raises it, and what of it is evidence."""


def test_every_refusal_is_looked_at_below() -> None:
    assert {f"{type(error).__module__}.{type(error).__qualname__}" for error, _ in AS_RAISED} == WORDINGS.keys()


@pytest.mark.covers("166")
@pytest.mark.parametrize(("error", "evidence"), AS_RAISED, ids=[repr(error) for error, _ in AS_RAISED])
def test_each_refusal_is_noted_with_its_evidence_and_nothing_else(
    log: RecordingLog, error: AuthError, evidence: dict[str, str]
) -> None:
    problem = problem_of(error, REQUEST)

    (note,) = log.notes
    assert (note.event, note.severity) == (problem.wording.event, Severity.WARNING)
    assert note.fields == {
        "reason": type(error).__name__,
        "status": problem.status,
        "route": "POST /api/auth/login",
        "client": "192.0.2.1",
        **evidence,
    }


def test_our_failures_are_noted_as_such(log: RecordingLog) -> None:
    problem_of(DependencyUnavailable("ThrottlingException"), REQUEST)
    problem_of(RuntimeError("a bug"), REQUEST)

    assert [(note.event, note.severity) for note in log.notes] == [
        ("dependency_unavailable", Severity.ERROR),
        ("unexpected_failure", Severity.ERROR),
    ]


@pytest.mark.covers("167")
def test_neither_log_nor_answer_holds_what_was_sent(log: RecordingLog) -> None:
    for error in (
        InvalidCredentials(None),
        InvalidEmail("domain"),
        edge.MalformedBody("not an object"),
        InvalidFields((FieldError("email", "Field required"),)),
        DependencyUnavailable("arn:aws:dynamodb:eu-west-1:1:table/secret-table"),
        RuntimeError("secret-trace"),
    ):
        problem = problem_of(error, REQUEST)
        assert not re.search("secret|alice|arn:", f"{problem.message} {problem.details} {problem.headers}")

    assert not re.search("secret|alice|arn:", repr(log.notes))


def test_a_path_is_not_logged_but_the_route_it_matched(log: RecordingLog) -> None:
    """Whoever puts a token into a path does not put it into the log."""
    odd = replace(REQUEST, path="/auth/eyJsecret", route="$default")

    problem_of(edge.NoSuchPath(), odd)

    assert "eyJ" not in repr(log.notes)
    assert log.notes[0].fields["route"] == "$default"


type Read = Callable[[Request], object]

READERS: Final[dict[str, tuple[edge.Renderer, Read]]] = {
    "/api/auth/login": (by_body.render, lambda request: by_body.contract_of(request).credentials(request)),
    "/api/auth/register": (by_body.render, lambda request: by_body.contract_of(request).new_account(request)),
    "/api/auth/refresh": (by_body.render, lambda request: by_body.contract_of(request).refresh_token_of(request)),
    "/api/auth/forgot-password": (snapotp.render, snapotp.email_of),
    "/auth/login_with_email_password": (atourin.render, atourin.credentials),
    "/auth/otp": (atourin.render, atourin.email_of),
    "/auth/verify_otp": (atourin.render, atourin.code_of),
    "/auth/register": (atourin.render, atourin.new_account),
    "/auth/v1/token": (gotrue.render, gotrue.refresh_token_of),
}
"""What reads a request, and words what it refuses, at each path that takes a body."""

TEXTS = st.one_of(
    st.emails(),
    st.text(max_size=30).map(lambda text: f"{text}alice@example.com"),
    st.text(max_size=30).map(lambda text: f"alice@example.com{text}"),
)
"""Addresses, and what is not quite one."""

MEMBERS = st.sampled_from(["email", "username", "password", "name", "refreshToken", "refresh_token", "id_token", "otp"])


def as_event(path: str, route: str, text: str, sent: dict[str, str]) -> dict[str, object]:
    """A request that has an address wherever one can be put."""
    return {
        "rawPath": path,
        "rawQueryString": text,
        "routeKey": route,
        "headers": {"authorization": f"Bearer {text}", "apikey": text, "x-organization-id": text, "user-agent": text},
        "queryStringParameters": {"grant_type": text},
        "body": json.dumps(sent),
        "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "192.0.2.1"}, "requestId": "r-1"},
    }


@pytest.mark.covers("167")
@pytest.mark.parametrize("path", READERS)
@given(text=TEXTS, sent=st.dictionaries(MEMBERS | TEXTS, TEXTS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_no_address_of_mail_is_logged(
    log: RecordingLog, path: str, text: str, sent: dict[str, str]
) -> None:
    render, read = READERS[path]
    log.notes.clear()

    @edge.endpoint("POST", render)
    def handler(request: Request) -> edge.Response:
        read(request)
        request.bearer()
        return edge.ok({})

    handler(as_event(path, f"ANY {path}", text, sent), None)

    assert "@" not in repr(log.notes)
    assert not any(note.severity is Severity.ERROR for note in log.notes)


@pytest.mark.covers("167")
@given(before=st.sampled_from(["/", "/auth/", "/auth/v1/", "/api/auth/"]), text=TEXTS, after=st.text(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_path_no_address_of_mail_is_logged(log: RecordingLog, before: str, text: str, after: str) -> None:
    """Links are shortened, mistyped and pasted; what was in them is not to be kept."""
    log.notes.clear()

    @edge.endpoint(edge.ANY, by_path.render)
    def handler(_request: Request) -> edge.Response:
        raise edge.NoSuchPath

    answer = handler(as_event(f"{before}{text}{after}", "$default", text, {}), None)

    (note,) = log.notes
    assert answer["statusCode"] == HTTPStatus.NOT_FOUND
    assert (note.event, note.fields["reason"], note.fields["route"]) == ("request_refused", "NoSuchPath", "$default")
    assert "@" not in repr(note)


def test_evidence_of_any_length_stays_short_in_the_log(log: RecordingLog) -> None:
    problem_of(InvalidFields(tuple(FieldError(f"field{number}", "x") for number in range(500))), REQUEST)

    assert len(str(log.notes[0].fields["why"])) == refusals.LONGEST_REASON
