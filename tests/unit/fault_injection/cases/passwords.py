"""Changing and resetting a password."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gerbang.accounts.reauthentication import FRESH_FOR
from gerbang.mail.jobs import MailKind

from tests.deployment import ALICE, BOB, PASSWORD, SECOND
from tests.gateway_events import json_event
from tests.unit.fault_injection.case import GOTRUE_ERROR, SNAPOTP_ERROR, Repeat, RequestCase
from tests.unit.fault_injection.outcomes import (
    is_queued,
    mail_limit_reached,
    nothing_is_spent,
    password_is_changed,
    password_is_set,
)
from tests.unit.fault_injection.requests import NEW_PASSWORD, bearer_headers, gotrue_request, with_account, wrong_token
from tests.unit.handlers import Event
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import wrong_code


def with_reset_token(app: MailDeployment) -> Event:
    app.register(BOB)
    return json_event({"token": app.mailed_token(), "password": NEW_PASSWORD})


def with_wrong_reset_token(app: MailDeployment) -> Event:
    app.register(BOB)
    return json_event({"token": wrong_token(app.mailed_token()), "password": NEW_PASSWORD})


def change_password(app: MailDeployment) -> Event:
    return json_event(
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers=bearer_headers(app.register_verified(), **{"content-type": "application/json"}),
    )


def change_password_with_wrong_password(app: MailDeployment) -> Event:
    event = change_password(app)
    body = json.loads(event["body"])
    return event | {"body": json.dumps(body | {"current_password": "Wrong horse 1"})}


def set_password(app: MailDeployment) -> Event:
    return gotrue_request(app.register_verified(), "PUT", {"password": NEW_PASSWORD})


def reauthenticate(app: MailDeployment) -> Event:
    return gotrue_request(app.register_verified(), "GET", None)


def set_password_in_old_session(change: Callable[[str], str], app: MailDeployment) -> Event:
    """Set a password in a session that needs a mailed code for it; `change` returns the code to send."""
    session = app.register_verified()
    app.base.clock.advance(FRESH_FOR + SECOND)
    session = app.base.sessions.refresh(session.tokens.refresh_token)
    code = app.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)
    return gotrue_request(session, "PUT", {"password": NEW_PASSWORD, "nonce": change(code)})


def set_password_with_current_password(password: str, app: MailDeployment) -> Event:
    return gotrue_request(app.register_verified(), "PUT", {"password": NEW_PASSWORD, "current_password": password})


PASSWORD_SET: Final = Repeat(
    status=422, is_done=password_is_set, recovers=partial(is_queued, MailKind.PASSWORD_CHANGED)
)
"""The password is the new one already: the owner has been told by mail."""

CASES: Final[Mapping[str, RequestCase]] = {
    "forgot-password": RequestCase(
        function="api/auth/forgot-password",
        error_members=SNAPOTP_ERROR,
        prepare=partial(with_account, {"email": ALICE.email}),
        has_effect=partial(is_queued, MailKind.PASSWORD_RESET),
        on_repeat=mail_limit_reached(MailKind.PASSWORD_RESET),
    ),
    "reset-password": RequestCase(
        function="api/auth/reset-password",
        error_members=SNAPOTP_ERROR,
        prepare=with_reset_token,
        has_effect=password_is_changed,
        mail=MailKind.PASSWORD_CHANGED,
        counted_on_repeat=frozenset({"sign_in_account", "sign_in_address"}),  # like a sign-in with a password
    ),
    "wrong reset token": RequestCase(
        function="api/auth/reset-password",
        error_members=SNAPOTP_ERROR,
        prepare=with_wrong_reset_token,
        status=400,
        has_effect=nothing_is_spent,
    ),
    "change-password": RequestCase(
        function="api/auth/change-password",
        error_members=SNAPOTP_ERROR,
        prepare=change_password,
        has_effect=password_is_changed,
        mail=MailKind.PASSWORD_CHANGED,
    ),
    "wrong current password": RequestCase(
        function="api/auth/change-password",
        error_members=SNAPOTP_ERROR,
        prepare=change_password_with_wrong_password,
        status=400,
        has_effect=nothing_is_spent,
    ),
    "GoTrue password": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=set_password,
        has_effect=password_is_changed,
        mail=MailKind.PASSWORD_CHANGED,
        on_repeat=PASSWORD_SET,
    ),
    "GoTrue reauthenticate": RequestCase(
        function="auth/v1/reauthenticate",
        error_members=GOTRUE_ERROR,
        prepare=reauthenticate,
        has_effect=partial(is_queued, MailKind.REAUTHENTICATION_CODE),
        on_repeat=mail_limit_reached(MailKind.REAUTHENTICATION_CODE),
    ),
    "GoTrue password with a code": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(set_password_in_old_session, str),
        has_effect=password_is_changed,
        mail=MailKind.PASSWORD_CHANGED,
        on_repeat=PASSWORD_SET,
        choices={"secure_password_change": True},
    ),
    "GoTrue password with a wrong code": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(set_password_in_old_session, wrong_code),
        status=422,
        has_effect=nothing_is_spent,
        choices={"secure_password_change": True},
    ),
    "GoTrue password with the current one": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(set_password_with_current_password, PASSWORD),
        has_effect=password_is_changed,
        mail=MailKind.PASSWORD_CHANGED,
        on_repeat=PASSWORD_SET,
        choices={"require_current_password": True},
    ),
    "GoTrue password with a wrong current one": RequestCase(
        function="auth/v1/user",
        error_members=GOTRUE_ERROR,
        prepare=partial(set_password_with_current_password, "Wrong horse 1"),
        status=400,
        has_effect=nothing_is_spent,
        choices={"require_current_password": True},
    ),
}
