"""The events of `events/`, each given to its handler: what `sam local invoke -e` does, in a second and without SAM."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang_local.declarations import DEFAULT_PATH, Function, endpoints, function_in

from tests.wire.server import ROOT, CallFailed, ServerControl

EVENTS: Final = ROOT / "events"
STATUSES: Final = {
    "api/auth/change-password/no_session": 401,
    "api/auth/forgot-password/unknown_address": 200,
    "api/auth/google/trusted_back_end_without_its_key": 401,
    "api/auth/google/without_proof": 401,
    "api/auth/login/form": 415,
    "api/auth/login/preflight": 204,
    "api/auth/login/unknown_account": 400,
    "api/auth/login/unknown_user_name": 400,
    "api/auth/logout/no_session": 401,
    "api/auth/me/no_session": 401,
    "api/auth/me/no_token": 401,
    "api/auth/mfa/verify/unknown_token": 401,
    "api/auth/mfa/verify/unknown_token_of_snapotp": 401,
    "api/auth/refresh/unknown_token": 401,
    "api/auth/register/new_account": 201,
    "api/auth/register/new_user_name": 201,
    "api/auth/register/weak_password": 400,
    "api/auth/reset-password/unknown_token": 400,
    "api/organization/no_session": 401,
    "auth/login_with_anonymous/guest": 200,
    "auth/login_with_email_password/unknown_account": 400,
    "auth/logout/no_session": 401,
    "auth/mfa/verify/unknown_token": 401,
    "auth/otp/unknown_address": 200,
    "auth/register/new_account": 200,
    "auth/v1/admin/users/one/delete_without_key": 401,
    "auth/v1/admin/users/one/no_key": 401,
    "auth/v1/admin/users/create_without_key": 401,
    "auth/v1/admin/users/no_key": 401,
    "auth/v1/admin/generate_link/no_key": 401,
    "auth/v1/admin/users/one/factors/no_key": 401,
    "auth/v1/admin/users/one/factors/one/no_key": 401,
    "auth/v1/factors/no_key": 401,
    "auth/v1/factors/one/no_key": 401,
    "auth/v1/factors/one/challenge/no_key": 401,
    "auth/v1/factors/one/verify/no_key": 401,
    "auth/v1/factors/recovery-codes/no_key": 401,
    "auth/v1/health/health": 200,
    "auth/v1/invite/no_key": 401,
    "auth/v1/logout/no_key": 401,
    "auth/v1/otp/no_key": 401,
    "auth/v1/reauthenticate/no_key": 401,
    "auth/v1/recover/no_key": 401,
    "auth/v1/resend/no_key": 401,
    "auth/v1/settings/no_key": 401,
    "auth/v1/signup/no_key": 401,
    "auth/v1/token/no_key": 401,
    "auth/v1/user/change_without_key": 401,
    "auth/v1/user/identities/one/no_key": 401,
    "auth/v1/user/no_key": 401,
    "auth/v1/verify/link_without_token": 400,
    "auth/v1/verify/no_key": 401,
    "auth/verify_legacy_password/unknown_account": 400,
    "auth/verify_otp/unknown_code": 400,
    "default/unknown_path": 404,
    "default/unknown_path_of_gotrue": 404,
    "jwks/key_set": 200,
    "jwks/key_set_of_gotrue": 200,
    "openid-configuration/configuration": 404,
    "api/auth/invitations/accept/no_session": 401,
    "api/auth/invitations/accept/unknown_token": 400,
    "api/auth/logout-all/no_session": 401,
    "api/auth/sessions/no_session": 401,
    "api/auth/sessions/one/no_session": 401,
    "api/organization/delete_without_session": 401,
    "api/organization/invitations/invite_without_session": 401,
    "api/organization/invitations/no_session": 401,
    "api/organization/invitations/one/no_session": 401,
    "api/organization/members/no_session": 401,
    "api/organization/members/one/change_without_session": 401,
    "api/organization/members/one/remove_without_session": 401,
    "api/organization/rename_without_session": 401,
    "api/organizations/found_without_session": 401,
    "api/organizations/no_session": 401,
    "auth/v1/user/sessions/no_key": 401,
    "auth/v1/user/sessions/one/no_key": 401,
    "docs/document": 200,
    "docs/page": 200,
}
"""Of the events that are requests: what their functions answer on a deployment that nobody has used."""


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def function_of(name: str) -> Function:
    """The function in whose folder the event is."""
    return function_in(str(Path(name).parent))


def test_every_event_is_tried() -> None:
    names = {str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.rglob("*.json")}

    others = {name for name in names if name.startswith(("authorizer/", "events/", "mailer/", "rotation/"))}
    assert names - others == STATUSES.keys()


@pytest.mark.parametrize("name", STATUSES)
def test_a_request_is_answered_as_its_name_says(control: ServerControl, name: str) -> None:
    answer = control.call("invoke", function_of(name).logical_id, event_of(name))

    assert answer["statusCode"] == STATUSES[name], answer
    if name == "docs/page":
        assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    elif answer["statusCode"] != 204:
        assert isinstance(json.loads(answer["body"]), dict)
        assert answer["headers"]["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("name", STATUSES)
def test_a_request_is_one_that_api_gateway_would_send_to_that_function(name: str) -> None:
    event = event_of(name)
    context = event["requestContext"]

    assert event["version"] == "2.0"
    assert context["http"]["path"] == event["rawPath"]
    assert context["routeKey"] == event["routeKey"]
    assert event["headers"].keys() >= {"host", "x-forwarded-for", "x-amzn-trace-id", "user-agent"}
    assert all(name == name.lower() for name in event["headers"])
    if event["routeKey"] == DEFAULT_PATH:
        assert name.startswith("default/")
        return
    method, _, path = event["routeKey"].partition(" ")
    assert path.format(**event.get("pathParameters", {})) == event["rawPath"]
    assert method in {"ANY", context["http"]["method"]}
    assert path in endpoints()[function_of(name).logical_id].paths
    assert "authorizer" not in context


@pytest.mark.parametrize("name", ["authorizer/unknown_token", "authorizer/no_token"])
def test_the_authorizer_asks_for_401_without_a_good_token(control: ServerControl, name: str) -> None:
    event = event_of(name)
    assert (event["version"], event["type"]) == ("2.0", "REQUEST")

    with pytest.raises(CallFailed, match=r"^Unauthorized: Unauthorized$"):
        control.call("invoke", "AuthorizerFunction", event)


def test_the_mailer_is_done_with_mails_to_nobody(control: ServerControl) -> None:
    answer = control.call("invoke", "MailerFunction", event_of("mailer/unknown_addresses"))

    assert answer == {"batchItemFailures": []}


def test_the_mailer_reports_what_is_no_job_and_nothing_else(control: ServerControl) -> None:
    event = event_of("mailer/one_that_is_no_job")

    answer = control.call("invoke", "MailerFunction", event)

    [_, no_job] = event["Records"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": no_job["messageId"]}]}


def test_rotation_refuses_another_secret(control: ServerControl) -> None:
    with pytest.raises(CallFailed, match=r"^InvalidRotation: another secret$"):
        control.call("invoke", "RotationFunction", event_of("rotation/another_secret"))
