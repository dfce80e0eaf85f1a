"""gerbang.http.callers: who may call endpoints that need a session or a membership."""

from copy import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from gerbang.core.init import LambdaHandler
from gerbang.sessions.sessions import SignedIn

from tests.deployment import ALICE, HOME
from tests.fakes import FakeClock, FaultyStore
from tests.gateway_events import body_of, http_event
from tests.unit.handlers import handler_of
from tests.unit.mail_deployment import MailDeployment

ORGANIZATION: Final = "api/organization"
ACCOUNT: Final = "api/auth/me"


@pytest.fixture
def app(app_in_memory: MailDeployment) -> MailDeployment:
    return app_in_memory


@pytest.fixture
def alice(app: MailDeployment) -> SignedIn:
    return app.register(ALICE)


def ask(handler: LambdaHandler, token: str | None, organization_id: str | None = None) -> tuple[int, dict[str, Any]]:
    """The status and the body of an answer."""
    headers = {"Authorization": f"Bearer {token}", "X-Organization-Id": organization_id}
    sent = {name: value for name, value in headers.items() if value is not None and value != "Bearer None"}
    answer = handler(http_event(method="GET", headers=sent), None)
    return answer["statusCode"], body_of(answer)


def test_a_member_can_read_the_organization(app: MailDeployment, alice: SignedIn) -> None:
    status, body = ask(handler_of(ORGANIZATION, app.base), alice.tokens.access_token, alice.user.organization_id)

    assert (status, body["data"]["id"], body["data"]["role"]) == (200, alice.user.organization_id, "CLIENT_OWNER")


@pytest.mark.parametrize("token", [None, "", "garbage", "a b", "x" * 5000])
def test_without_a_valid_token_the_answer_is_401_in_the_format_of_the_api(
    app: MailDeployment, alice: SignedIn, token: str | None
) -> None:
    organization_status, organization = ask(handler_of(ORGANIZATION, app.base), token, alice.user.organization_id)
    account_status, account = ask(handler_of(ACCOUNT, app.base), token)

    assert (organization_status, organization["statusCode"], organization["error"]) == (401, 401, "Unauthorized")
    assert (account_status, account["success"]) == (401, False)


def test_a_refresh_token_is_401(app: MailDeployment, alice: SignedIn) -> None:
    for folder in (ORGANIZATION, ACCOUNT):
        assert ask(handler_of(folder, app.base), alice.tokens.refresh_token, alice.user.organization_id)[0] == 401


def test_an_expired_token_is_reported_as_expired(app: MailDeployment, alice: SignedIn, clock: FakeClock) -> None:
    clock.advance(timedelta(hours=1))

    status, body = ask(handler_of(ORGANIZATION, app.base), alice.tokens.access_token, alice.user.organization_id)

    assert (status, body["error"]) == (401, "Token Expired")


def test_an_ended_session_is_401(app: MailDeployment, alice: SignedIn) -> None:
    app.base.sessions.close(alice.tokens.access_token)

    for folder in (ORGANIZATION, ACCOUNT):
        assert ask(handler_of(folder, app.base), alice.tokens.access_token, alice.user.organization_id)[0] == 401


@pytest.mark.parametrize("organization_id", [None, ""], ids=repr)
def test_a_missing_organization_header_is_a_validation_error(
    app: MailDeployment, alice: SignedIn, organization_id: str | None
) -> None:
    handler = handler_of(ORGANIZATION, app.base)

    status, body = ask(handler, alice.tokens.access_token, organization_id)

    assert (status, body["error"]) == (400, "Validation Error")
    assert [detail["field"] for detail in body["details"]] == ["x-organization-id"]
    assert ask(handler, None, organization_id)[0] == 401  # the token is checked first


@pytest.mark.covers("128")
def test_an_organization_of_others_is_403_like_one_that_does_not_exist(app: MailDeployment, alice: SignedIn) -> None:
    handler = handler_of(ORGANIZATION, app.base)

    answers = [
        ask(handler, alice.tokens.access_token, organization_id)
        for organization_id in ("org_7N42dgm5tFLK9N8MT7fHC7", "org_", "usr_1", f"{alice.user.organization_id},x")
    ]

    assert [status for status, _ in answers] == [403] * 4
    assert {body["error"] for _, body in answers} == {"Forbidden"}
    assert {body["message"] for _, body in answers} == {answers[0][1]["message"]}


def test_a_guest_is_403_at_the_account_endpoint(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)

    assert ask(handler_of(ACCOUNT, app.base), guest.tokens.access_token)[0] == 403


def test_when_the_store_is_down_the_answer_is_503_in_the_format_of_the_api(
    app: MailDeployment, alice: SignedIn
) -> None:
    """A 500 of the gateway would make clients sign users out."""
    down = replace(app.base, store=FaultyStore(app.base.store, at=lambda _: True))

    organization_status, organization = ask(
        handler_of(ORGANIZATION, down), alice.tokens.access_token, alice.user.organization_id
    )
    account_status, account = ask(handler_of(ACCOUNT, down), alice.tokens.access_token)

    assert (organization_status, organization["statusCode"]) == (503, 503)
    assert (account_status, account["success"]) == (503, False)
