"""gerbang.apis.authorizer: the Lambda authorizer of the account's other APIs, payload format 2.0, simple responses.

An authorized caller is an answer with a context, 403 is an answer without one, and 401 is an exception with the text
"Unauthorized" (docs/decisions/0007-authorizer-401.md).
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
from gerbang.storage.store import Delete, Key, Update

from tests.deployment import ALICE, HOME, PASSWORD, by_email
from tests.fakes import FakeClock, FaultyStore, MeanwhileStore, PassingStore, RecordingLog
from tests.unit.mail_deployment import MailDeployment
from tests.unit.torn_store import TornStore


@pytest.fixture
def app(app_in_memory: MailDeployment) -> MailDeployment:
    return app_in_memory


@pytest.fixture
def alice(app: MailDeployment) -> SignedIn:
    return app.register(ALICE)


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


def ask(app: MailDeployment, request: dict[str, Any]) -> dict[str, Any]:
    return authorizer.handler(app.base.authorizer)(request, None)


def organization_of(session: SignedIn) -> str:
    assert session.user.organization_id is not None
    return session.user.organization_id


def event_of_member(session: SignedIn, **headers: str) -> dict[str, Any]:
    """A request of a member for the own organization."""
    return event(session.tokens.access_token, organization_of(session), **headers)


def assert_unauthorized(app: MailDeployment, request: dict[str, Any]) -> None:
    with pytest.raises(authorizer.Unauthorized) as error:
        ask(app, request)
    assert (str(error.value), error.value.__cause__) == ("Unauthorized", None)
    assert error.value.__suppress_context__  # the trace that Lambda prints does not contain the reason


def test_a_member_is_authorized_and_the_context_describes_the_caller(app: MailDeployment, alice: SignedIn) -> None:
    answer = ask(app, event_of_member(alice))

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


def test_the_context_contains_whether_the_address_is_verified(app: MailDeployment, alice: SignedIn) -> None:
    code = app.mailed_code(ALICE.email, MailKind.VERIFICATION_CODE)
    app.code_sign_in.sign_in(ALICE.email, code, HOME)

    assert ask(app, event_of_member(alice))["context"]["emailVerified"] is True


# A password change at the same time: its own session continues, the others end


def change_password(app: MailDeployment, session: SignedIn) -> None:
    app.password_change.change(
        session.tokens.access_token,
        current=PASSWORD,
        new="Another horse 2",
        client=HOME,
        policy=PasswordPolicy(),
    )


@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_password_change_during_the_read_keeps_its_own_session(
    app: MailDeployment, alice: SignedIn, old: str
) -> None:
    torn = TornStore(
        app.base.store, old=app.base.tables[old], happens=lambda: change_password(app, alice)
    )  # D11: a batch is only read-committed

    answer = ask(app.on(torn), event_of_member(alice))

    assert (answer["isAuthorized"], answer["context"]["sessionId"]) == (True, alice.family_id)
    assert ask(app, event_of_member(alice)) == answer


def test_a_password_change_before_the_generation_is_recorded_keeps_its_own_session(
    app: MailDeployment, alice: SignedIn
) -> None:
    family = app.base.families.key(alice.user.user_id, alice.family_id)
    meanwhile = MeanwhileStore(
        app.base.store,
        before=lambda call: (call.method, call.keys) == ("write", (family,)),
        happens=lambda: change_password(app, alice),
    )

    assert ask(app.on(meanwhile), event_of_member(alice))["isAuthorized"]
    assert ask(app, event_of_member(alice))["isAuthorized"]


@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_password_change_in_another_session_ends_this_one_by_the_next_call(
    app: MailDeployment, alice: SignedIn, old: str
) -> None:
    other = app.base.sign_in.sign_in(by_email(), HOME)
    torn = TornStore(app.base.store, old=app.base.tables[old], happens=lambda: change_password(app, alice))

    if old == "RefreshTokenFamilies":  # the account was read after the change
        assert_unauthorized(app.on(torn), event_of_member(other))
    else:
        assert ask(app.on(torn), event_of_member(other))["isAuthorized"]

    assert_unauthorized(app, event_of_member(other))
    assert ask(app, event_of_member(alice))["isAuthorized"]


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
def test_a_caller_without_a_token_is_unauthorized(app: MailDeployment, alice: SignedIn, authorization: str) -> None:
    assert_unauthorized(app, event(None, organization_of(alice)))
    assert_unauthorized(app, event(None, organization_of(alice), authorization=authorization))


def test_a_refresh_token_is_unauthorized(app: MailDeployment, alice: SignedIn) -> None:
    assert_unauthorized(app, event(alice.tokens.refresh_token, organization_of(alice)))


def test_an_expired_token_is_unauthorized(app: MailDeployment, alice: SignedIn, clock: FakeClock) -> None:
    clock.advance(timedelta(hours=1))

    assert_unauthorized(app, event_of_member(alice))


def sign_out(app: MailDeployment, alice: SignedIn) -> None:
    app.base.sessions.close(alice.tokens.access_token)


def raise_epoch(app: MailDeployment, alice: SignedIn) -> None:
    app.end_sessions(alice.user)


def disable(app: MailDeployment, alice: SignedIn) -> None:
    at = to_epoch(app.base.clock())
    app.base.store.write(Update(app.base.users.key(alice.user.user_id), {"disabled_at": at}))


@pytest.mark.parametrize("end", [sign_out, raise_epoch, disable], ids=["sign-out", "reset", "disabling"])
def test_an_ended_session_is_unauthorized_at_the_next_call(
    app: MailDeployment, alice: SignedIn, end: Callable[[MailDeployment, SignedIn], None]
) -> None:
    ask(app, event_of_member(alice))
    end(app, alice)

    assert_unauthorized(app, event_of_member(alice))


def test_without_a_valid_token_every_organization_is_unauthorized(app: MailDeployment, alice: SignedIn) -> None:
    sign_out(app, alice)

    for organization in (organization_of(alice), "org_nothing", None):
        assert_unauthorized(app, event(alice.tokens.access_token, organization))


# 403


NOT_AUTHORIZED = {"isAuthorized": False}


@pytest.mark.parametrize(
    "organization",
    ["org_", "org_nothing", "ORG_1", "org_1,org_2", "org_1/../org_2", "usr_1", "org_é", "org_" + "x" * 3000],
    ids=lambda organization: repr(organization)[:20],
)
def test_an_organization_of_which_the_caller_is_no_member_is_403(
    app: MailDeployment, alice: SignedIn, organization: str
) -> None:
    assert ask(app, event(alice.tokens.access_token, organization)) == NOT_AUTHORIZED


@pytest.mark.covers("128")
def test_an_organization_of_others_is_answered_like_one_that_does_not_exist(
    app: MailDeployment, alice: SignedIn
) -> None:
    carol = app.register(
        NewAccount(email=EmailAddress("carol@example.com"), password=PASSWORD, name="Carol", founds="Other")
    )

    assert ask(app, event(alice.tokens.access_token, organization_of(carol))) == NOT_AUTHORIZED
    assert ask(app, event(alice.tokens.access_token, "org_7N42dgm5tFLK9N8MT7fHC7")) == NOT_AUTHORIZED


@pytest.mark.covers("133")
def test_two_organizations_in_one_header_are_403(app: MailDeployment, alice: SignedIn) -> None:
    ours = organization_of(alice)

    assert ask(app, event(alice.tokens.access_token, f"{ours},{ours}")) == NOT_AUTHORIZED


@pytest.mark.covers("129", "F38")
def test_a_removed_member_is_403_at_the_next_call(app: MailDeployment, alice: SignedIn) -> None:
    assert ask(app, event_of_member(alice))["isAuthorized"]
    membership = Key(app.base.tables["Organizations"], f"ORG#{organization_of(alice)}", f"MEMBER#{alice.user.user_id}")
    app.base.store.write(Delete(membership))

    assert ask(app, event_of_member(alice)) == NOT_AUTHORIZED


@pytest.mark.covers("129")
def test_a_changed_role_is_in_the_context_at_the_next_call(app: MailDeployment, alice: SignedIn) -> None:
    membership = Key(app.base.tables["Organizations"], f"ORG#{organization_of(alice)}", f"MEMBER#{alice.user.user_id}")
    app.base.store.write(Update(membership, {"role": "CLIENT_MEMBER"}))

    assert ask(app, event_of_member(alice))["context"]["role"] == "CLIENT_MEMBER"


@pytest.mark.covers("115")
def test_a_guest_is_403_for_every_organization(app: MailDeployment, alice: SignedIn) -> None:
    guest = app.guests.admit(HOME)

    assert ask(app, event(guest.tokens.access_token, organization_of(alice))) == NOT_AUTHORIZED


# Without an organization


@pytest.mark.parametrize("header", [None, ""], ids=repr)
def test_without_an_organization_the_context_has_no_role(
    app: MailDeployment, alice: SignedIn, header: str | None
) -> None:
    context = ask(app, event(alice.tokens.access_token, header))["context"]

    assert (context["sub"], context["organizationId"], context["role"]) == (alice.user.user_id, "", "")


def test_a_guest_is_authorized_without_an_organization(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)

    assert ask(app, event(guest.tokens.access_token, None))["context"]["role"] == ""


# Headers


def test_header_names_are_case_insensitive(app: MailDeployment, alice: SignedIn) -> None:
    request = event_of_member(alice)
    request["headers"] = {name.title(): value for name, value in request["headers"].items()}

    assert ask(app, request)["isAuthorized"]


@pytest.mark.parametrize("headers", [None, {}])
def test_a_request_without_headers_is_unauthorized(app: MailDeployment, headers: dict[str, str] | None) -> None:
    request = event(None, None)
    request["headers"] = headers

    assert_unauthorized(app, request)


# Failures and the log


def test_when_the_store_is_down_the_authorizer_raises(
    app: MailDeployment, alice: SignedIn, endpoint_log: RecordingLog
) -> None:
    """The gateway answers 500 then."""
    down = app.on(FaultyStore(app.base.store, at=lambda _: True))

    with pytest.raises(DependencyUnavailable):
        ask(down, event_of_member(alice))
    assert [(note.event, note.severity, note.fields["status"]) for note in endpoint_log.notes] == [
        ("service_unavailable", Severity.ERROR, 503)
    ]


def test_an_error_is_logged_in_one_line_with_its_code_and_status(
    app: MailDeployment, alice: SignedIn, endpoint_log: RecordingLog
) -> None:
    assert_unauthorized(app, event("garbage", None))
    ask(app, event(alice.tokens.access_token, "org_nothing"))
    ask(app, event_of_member(alice))

    logged = [(note.event, note.fields["status"], note.fields["route"]) for note in endpoint_log.notes]
    assert logged == [("bad_jwt", 401, "ANY /invoices"), ("not_a_member", 403, "ANY /invoices")]


def test_the_first_call_also_writes_the_generation(app: MailDeployment, alice: SignedIn) -> None:
    watched = PassingStore(app.base.store)

    for _ in range(3):
        ask(app.on(watched), event_of_member(alice))

    assert sorted(call.method for call in watched.calls) == ["get"] * 3 + ["get_all"] * 3 + ["write"]


# REST APIs


METHOD: str = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/live/GET/invoices"


def rest_api_event(token: str | None, organization: str | None = None) -> dict[str, Any]:
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


def test_a_rest_api_gets_the_same_context_with_a_policy_for_the_method(app: MailDeployment, alice: SignedIn) -> None:
    answer = ask(app, rest_api_event(alice.tokens.access_token, organization_of(alice)))

    assert policy_of(answer) == ("Allow", METHOD)
    assert answer["principalId"] == alice.user.user_id
    assert answer["context"] == ask(app, event_of_member(alice))["context"]
    assert {type(value) for value in answer["context"].values()} == {str, bool}


def test_a_rest_api_answers_401_without_a_session_and_403_for_another_organization(
    app: MailDeployment, alice: SignedIn, endpoint_log: RecordingLog
) -> None:
    assert_unauthorized(app, rest_api_event(None))
    assert_unauthorized(app, rest_api_event("eyJ.eyJ.x"))

    assert policy_of(ask(app, rest_api_event(alice.tokens.access_token, "org_other"))) == ("Deny", METHOD)
    assert {note.fields["client"] for note in endpoint_log.notes} == {HOME.address}
