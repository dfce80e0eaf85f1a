"""gerbang.apis.authorizer: the Lambda authorizer of the account's other APIs, payload format 2.0, simple responses.

A caller who may call is an answer with a context, 403 an answer without, and 401 an exception whose text is the
protocol (docs/decisions/0007-authorizer-401.md).
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from gerbang.accounts.registration import NewAccount
from gerbang.apis import authorizer
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import botlaunch_id
from gerbang.core.log import Severity
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.store import Delete, Key, Plus, Update

from tests.deployment import ALICE, HOME, PASSWORD, Deployment, by_email
from tests.fakes import FakeClock, FaultyStore, MeanwhileStore, RecordingLog
from tests.unit.mail_fakes import MailDeployment, mailing
from tests.unit.torn_store import TornStore


@pytest.fixture
def post(deployment_in_memory: Deployment) -> MailDeployment:
    return mailing(deployment_in_memory)


@pytest.fixture
def alice(post: MailDeployment) -> SignedIn:
    return post.register(ALICE)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What is logged, instead of standard output."""
    recording = RecordingLog()
    monkeypatch.setattr("gerbang.http.endpoint.log_event", recording)
    return recording


def event(token: str | None, organization: str | None, **headers: str) -> dict[str, Any]:
    """A request as the gateway describes it to an authorizer (payload format 2.0 in API Gateway's developer guide)."""
    sent = {
        "accept": "*/*",
        "host": "abcdef1234.execute-api.eu-west-1.amazonaws.com",
        "x-forwarded-for": HOME.address,
        **({} if token is None else {"authorization": f"Bearer {token}"}),
        **({} if organization is None else {"x-organization-id": organization}),
        **headers,
    }
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/$default/GET/invoices",
        "identitySource": [sent.get("authorization", ""), sent.get("x-organization-id", "")],
        "routeKey": "ANY /invoices",
        "rawPath": "/invoices",
        "rawQueryString": "",
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef1234",
            "domainName": "abcdef1234.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abcdef1234",
            "http": {
                "method": "GET",
                "path": "/invoices",
                "protocol": "HTTP/1.1",
                "sourceIp": HOME.address,
                "userAgent": HOME.device,
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /invoices",
            "stage": "$default",
            "time": "15/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1768478400000,
        },
    }


def ask(post: MailDeployment, asked: dict[str, Any]) -> dict[str, Any]:
    return authorizer.handler(post.base.authorizer)(asked, None)


def organization_of(session: SignedIn) -> str:
    assert session.user.organization_id is not None
    return session.user.organization_id


def own(session: SignedIn, **headers: str) -> dict[str, Any]:
    """A request of a member."""
    return event(session.tokens.access_token, organization_of(session), **headers)


def unauthorized(post: MailDeployment, asked: dict[str, Any]) -> None:
    with pytest.raises(authorizer.Unauthorized) as refusal:
        ask(post, asked)
    assert (str(refusal.value), refusal.value.__cause__) == ("Unauthorized", None)
    assert refusal.value.__suppress_context__  # nothing of the reason in the trace that Lambda prints


def test_a_member_may_call_and_the_function_behind_is_told_who_calls(post: MailDeployment, alice: SignedIn) -> None:
    answer = ask(post, own(alice))

    assert answer == {
        "isAuthorized": True,
        "context": {
            "sub": alice.user.user_id,
            "userId": botlaunch_id(alice.user.user_id),
            "emailVerified": False,
            "sessionId": alice.family_id,
            "aal": "aal1",
            "organizationId": organization_of(alice),
            "role": "CLIENT_OWNER",
        },
    }
    assert json.loads(json.dumps(answer)) == answer
    assert {type(value) for value in answer["context"].values()} == {str, bool}  # no lists, no objects


def test_the_function_behind_is_told_whether_the_address_is_verified(post: MailDeployment, alice: SignedIn) -> None:
    code = post.mailed_code(ALICE.email, MailKind.VERIFICATION_CODE)
    post.code_sign_in.sign_in(ALICE.email, code, HOME)

    assert ask(post, own(alice))["context"]["emailVerified"] is True


# A change of password at the same time: the session that made it goes on, others end


def change_password(post: MailDeployment, session: SignedIn) -> None:
    post.password_change.change(
        session.tokens.access_token,
        current=PASSWORD,
        new="Another horse 2",
        client=HOME,
        policy=PasswordPolicy(),
    )


@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_change_of_password_during_the_read_does_not_end_its_own_session(
    post: MailDeployment, alice: SignedIn, old: str
) -> None:
    torn = TornStore(
        post.base.store, old=post.base.tables[old], happens=lambda: change_password(post, alice)
    )  # D11: a batch is only read-committed

    answer = ask(post.on(torn), own(alice))

    assert (answer["isAuthorized"], answer["context"]["sessionId"]) == (True, alice.family_id)
    assert ask(post, own(alice)) == answer


def test_a_change_of_password_before_the_generation_is_recorded_does_not_end_its_own_session(
    post: MailDeployment, alice: SignedIn
) -> None:
    family = post.base.families.key(alice.user.user_id, alice.family_id)
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: (call.method, call.keys) == ("write", (family,)),
        happens=lambda: change_password(post, alice),
    )

    assert ask(post.on(meanwhile), own(alice))["isAuthorized"]
    assert ask(post, own(alice))["isAuthorized"]


@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_change_of_password_in_another_session_ends_this_one_at_the_next_call_at_the_latest(
    post: MailDeployment, alice: SignedIn, old: str
) -> None:
    other = post.base.sign_in.sign_in(by_email(), HOME)
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=lambda: change_password(post, alice))

    if old == "RefreshTokenFamilies":  # the account was read after the change
        unauthorized(post.on(torn), own(other))
    else:
        assert ask(post.on(torn), own(other))["isAuthorized"]

    unauthorized(post, own(other))
    assert ask(post, own(alice))["isAuthorized"]


# 401: exactly "Unauthorized"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6cGFzc3dvcmQ=",
        "Bearer a b",
        "Bearer garbage",
        "Bearer né",
        "Bearer a,Bearer b",
    ],
)
def test_a_caller_without_a_token_is_unauthorized(post: MailDeployment, alice: SignedIn, authorization: str) -> None:
    unauthorized(post, event(None, organization_of(alice)))
    unauthorized(post, event(None, organization_of(alice), authorization=authorization))


def test_a_refresh_token_is_no_access_token(post: MailDeployment, alice: SignedIn) -> None:
    unauthorized(post, event(alice.tokens.refresh_token, organization_of(alice)))


def test_a_token_past_its_hour_is_unauthorized(post: MailDeployment, alice: SignedIn, clock: FakeClock) -> None:
    clock.advance(timedelta(hours=1))

    unauthorized(post, own(alice))


def signed_out(post: MailDeployment, alice: SignedIn) -> None:
    post.base.sessions.close(alice.tokens.access_token)


def reset(post: MailDeployment, alice: SignedIn) -> None:
    post.base.store.write(Update(post.base.users.key(alice.user.user_id), {"epoch": Plus(1)}))


def disabled(post: MailDeployment, alice: SignedIn) -> None:
    at = to_epoch(post.base.clock())
    post.base.store.write(Update(post.base.users.key(alice.user.user_id), {"disabled_at": at}))


@pytest.mark.parametrize("ending", [signed_out, reset, disabled], ids=["signed out", "reset", "disabled"])
def test_a_session_that_has_ended_is_unauthorized_from_the_next_call_on(
    post: MailDeployment, alice: SignedIn, ending: Callable[[MailDeployment, SignedIn], None]
) -> None:
    ask(post, own(alice))
    ending(post, alice)

    unauthorized(post, own(alice))


def test_a_caller_without_a_good_token_learns_nothing_of_organizations(post: MailDeployment, alice: SignedIn) -> None:
    signed_out(post, alice)

    for organization in (organization_of(alice), "org_nothing", None):
        unauthorized(post, event(alice.tokens.access_token, organization))


# 403


NO = {"isAuthorized": False}


@pytest.mark.parametrize(
    "organization",
    ["org_", "org_nothing", "ORG_1", "org_1,org_2", "org_1/../org_2", "usr_1", "org_é", "org_" + "x" * 3000],
    ids=lambda organization: repr(organization)[:20],
)
def test_an_organization_that_is_not_the_callers_is_403(
    post: MailDeployment, alice: SignedIn, organization: str
) -> None:
    assert ask(post, event(alice.tokens.access_token, organization)) == NO


@pytest.mark.covers("128")
def test_anothers_organization_is_answered_like_one_that_does_not_exist(post: MailDeployment, alice: SignedIn) -> None:
    carol = post.register(
        NewAccount(email=EmailAddress("carol@example.com"), password=PASSWORD, name="Carol", founds="Other")
    )

    assert ask(post, event(alice.tokens.access_token, organization_of(carol))) == NO
    assert ask(post, event(alice.tokens.access_token, "org_7N42dgm5tFLK9N8MT7fHC7")) == NO


@pytest.mark.covers("133")
def test_two_organizations_in_one_header_are_none(post: MailDeployment, alice: SignedIn) -> None:
    ours = organization_of(alice)

    assert ask(post, event(alice.tokens.access_token, f"{ours},{ours}")) == NO


@pytest.mark.covers("129", "F38")
def test_a_member_who_was_removed_is_403_at_the_next_call(post: MailDeployment, alice: SignedIn) -> None:
    assert ask(post, own(alice))["isAuthorized"]
    membership = Key(post.base.tables["Organizations"], f"ORG#{organization_of(alice)}", f"MEMBER#{alice.user.user_id}")
    post.base.store.write(Delete(membership))

    assert ask(post, own(alice)) == NO


@pytest.mark.covers("129")
def test_a_role_that_was_changed_is_passed_on_at_the_next_call(post: MailDeployment, alice: SignedIn) -> None:
    membership = Key(post.base.tables["Organizations"], f"ORG#{organization_of(alice)}", f"MEMBER#{alice.user.user_id}")
    post.base.store.write(Update(membership, {"role": "CLIENT_MEMBER"}))

    assert ask(post, own(alice))["context"]["role"] == "CLIENT_MEMBER"


@pytest.mark.covers("115")
def test_a_guest_belongs_to_no_organization(post: MailDeployment, alice: SignedIn) -> None:
    guest = post.guests.admit(HOME)

    assert ask(post, event(guest.tokens.access_token, organization_of(alice))) == NO


# Without an organization


@pytest.mark.parametrize("header", [None, ""], ids=repr)
def test_a_caller_who_names_no_organization_has_no_role(
    post: MailDeployment, alice: SignedIn, header: str | None
) -> None:
    context = ask(post, event(alice.tokens.access_token, header))["context"]

    assert (context["sub"], context["organizationId"], context["role"]) == (alice.user.user_id, "", "")


def test_a_guest_who_names_no_organization_may_call(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)

    assert ask(post, event(guest.tokens.access_token, None))["context"]["role"] == ""


# What else may be in a request


def test_names_of_headers_are_taken_in_any_case(post: MailDeployment, alice: SignedIn) -> None:
    asked = own(alice)
    asked["headers"] = {name.title(): value for name, value in asked["headers"].items()}

    assert ask(post, asked)["isAuthorized"]


@pytest.mark.parametrize("headers", [None, {}])
def test_a_request_without_headers_is_unauthorized(post: MailDeployment, headers: dict[str, str] | None) -> None:
    asked = event(None, None)
    asked["headers"] = headers

    unauthorized(post, asked)


# Failures, and the log


def test_when_the_store_is_down_it_raises_and_no_caller_gets_through(
    post: MailDeployment, alice: SignedIn, recorded: RecordingLog
) -> None:
    """The gateway then answers 500 by itself."""
    down = FaultyStore(post.base.store, at=lambda _: True)
    there = post.on(down)

    with pytest.raises(DependencyUnavailable):
        ask(there, own(alice))
    assert [(note.event, note.severity, note.fields["status"]) for note in recorded.notes] == [
        ("service_unavailable", Severity.ERROR, 503)
    ]


def test_an_error_is_one_line_with_its_code_and_status(
    post: MailDeployment, alice: SignedIn, recorded: RecordingLog
) -> None:
    unauthorized(post, event("garbage", None))
    ask(post, event(alice.tokens.access_token, "org_nothing"))
    ask(post, own(alice))

    logged = [(note.event, note.fields["status"], note.fields["route"]) for note in recorded.notes]
    assert logged == [("bad_jwt", 401, "ANY /invoices"), ("not_a_member", 403, "ANY /invoices")]


def test_it_takes_two_round_trips_the_first_time_and_one_after(post: MailDeployment, alice: SignedIn) -> None:
    watched = FaultyStore(post.base.store, at=lambda _: False)
    here = post.on(watched)

    for _ in range(3):
        ask(here, own(alice))

    assert sorted(call.method for call in watched.calls) == ["get"] * 3 + ["get_all"] * 3 + ["write"]


# REST APIs


METHOD: str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/live/GET/invoices"


def rest_event(token: str | None, organization: str | None = None) -> dict[str, Any]:
    """A request as a REST API describes it to a `REQUEST` authorizer (API Gateway's developer guide)."""
    headers = {"Accept": "*/*", **({} if token is None else {"Authorization": f"Bearer {token}"})}
    return {
        "type": "REQUEST",
        "methodArn": METHOD,
        "resource": "/invoices",
        "path": "/invoices",
        "httpMethod": "GET",
        "headers": {**headers, **({} if organization is None else {"X-Organization-Id": organization})},
        "queryStringParameters": {},
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef1234",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": HOME.address, "userAgent": HOME.device},
            "stage": "live",
        },
    }


def policy_of(answer: dict[str, Any]) -> tuple[str, str]:
    [statement] = answer["policyDocument"]["Statement"]
    assert statement["Action"] == "execute-api:Invoke"
    return statement["Effect"], statement["Resource"]


def test_a_rest_api_is_told_the_same_with_a_policy_for_the_one_method(post: MailDeployment, alice: SignedIn) -> None:
    answer = ask(post, rest_event(alice.tokens.access_token, organization_of(alice)))

    assert policy_of(answer) == ("Allow", METHOD)
    assert answer["principalId"] == alice.user.user_id
    assert answer["context"] == ask(post, own(alice))["context"]
    assert {type(value) for value in answer["context"].values()} == {str, bool}


def test_a_rest_api_answers_401_without_a_session_and_403_for_another_organization(
    post: MailDeployment, alice: SignedIn, recorded: RecordingLog
) -> None:
    unauthorized(post, rest_event(None))
    unauthorized(post, rest_event("eyJ.eyJ.x"))

    assert policy_of(ask(post, rest_event(alice.tokens.access_token, "org_other"))) == ("Deny", METHOD)
    assert {note.fields["client"] for note in recorded.notes} == {HOME.address}
