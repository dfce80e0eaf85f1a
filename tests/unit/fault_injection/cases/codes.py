"""Requesting and redeeming one-time codes."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Final

from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailKind

from tests.deployment import ALICE, BOB
from tests.gateway_events import json_event
from tests.unit.fault_injection.case import ATOURIN_ERROR, GOTRUE_ERROR, Repeat, RequestCase
from tests.unit.fault_injection.outcomes import (
    CODE_SPENT,
    CODE_SPENT_AND_PASSWORD_REMOVED,
    answer_has_session,
    carol_has_account,
    is_queued,
    mail_limit_reached,
    nothing_is_spent,
)
from tests.unit.fault_injection.requests import CAROL, with_account, with_account_and_api_key, with_api_key
from tests.unit.handlers import Event, environment
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import wrong_code


def with_code(kind: MailKind, app: MailDeployment) -> Event:
    app.register(BOB)
    return json_event({"email": BOB.email, "otp": app.mailed_code(kind=kind)})


def with_code_at_gotrue(app: MailDeployment) -> Event:
    app.register(BOB)
    app.mailed_code(kind=MailKind.RECOVERY_CODE)
    return with_api_key({"type": "email", "email": BOB.email, "token": app.mailed_code()})


def with_code_of_a_sign_up(app: MailDeployment) -> Event:
    payload = {SLOT: "RECOVERY", NEW_USER_NAME: "Carol", NEW_USER_METADATA: "{}"}
    app.deliver(replace(app.job(MailKind.SIGN_IN_CODE, CAROL), payload=payload))
    return with_api_key({"type": "email", "email": CAROL, "token": app.outbox.codes[-1]})


def with_recovery_code_at_gotrue(app: MailDeployment) -> Event:
    app.register_verified()
    code = app.mailed_code(kind=MailKind.RECOVERY_CODE)
    return with_api_key({"type": "recovery", "email": BOB.email, "token": code})


def with_wrong_code(app: MailDeployment) -> Event:
    app.register(BOB)
    return json_event({"email": BOB.email, "otp": wrong_code(app.mailed_code())})


def with_wrong_code_at_gotrue(app: MailDeployment) -> Event:
    app.register(BOB)
    return with_api_key({"type": "email", "email": BOB.email, "token": wrong_code(app.mailed_code())})


def another_code_of_a_sign_up_works(app: MailDeployment, event: Event) -> bool:
    del event
    answer = environment("auth/v1/verify", app)(with_code_of_a_sign_up(app))
    return bool(answer["statusCode"] == 200)


CASES: Final[Mapping[str, RequestCase]] = {
    "otp": RequestCase(
        function="auth/otp",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_account, {"email": ALICE.email}),
        has_effect=partial(is_queued, MailKind.SIGN_IN_CODE),
        on_repeat=mail_limit_reached(MailKind.SIGN_IN_CODE),
    ),
    "GoTrue otp": RequestCase(
        function="auth/v1/otp",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_account_and_api_key, {"email": ALICE.email}),
        has_effect=partial(is_queued, MailKind.SIGN_IN_CODE),
        on_repeat=mail_limit_reached(MailKind.SIGN_IN_CODE),
    ),
    "GoTrue recover": RequestCase(
        function="auth/v1/recover",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_account_and_api_key, {"email": ALICE.email}),
        has_effect=partial(is_queued, MailKind.RECOVERY_CODE),
        on_repeat=mail_limit_reached(MailKind.RECOVERY_CODE),
    ),
    "GoTrue resend": RequestCase(
        function="auth/v1/resend",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_account_and_api_key, {"email": ALICE.email, "type": "signup"}),
        has_effect=partial(is_queued, MailKind.VERIFICATION_CODE),
        on_repeat=mail_limit_reached(MailKind.VERIFICATION_CODE),
    ),
    "verify_otp": RequestCase(
        function="auth/verify_otp",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_code, MailKind.SIGN_IN_CODE),
        has_effect=answer_has_session,
        mail=MailKind.PASSWORD_REMOVED,
        on_repeat=CODE_SPENT_AND_PASSWORD_REMOVED,
    ),
    "verify_otp of a registration": RequestCase(
        function="auth/verify_otp",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_code, MailKind.VERIFICATION_CODE),
        has_effect=answer_has_session,
        on_repeat=CODE_SPENT,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "GoTrue verify": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_code_at_gotrue,
        has_effect=answer_has_session,
        mail=MailKind.PASSWORD_REMOVED,
        on_repeat=replace(CODE_SPENT_AND_PASSWORD_REMOVED, status=403),
    ),
    "GoTrue verify makes an account": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_code_of_a_sign_up,
        has_effect=lambda app, event, answer: carol_has_account(app, event) and answer_has_session(app, event, answer),
        on_repeat=Repeat(status=403, is_done=carol_has_account, recovers=another_code_of_a_sign_up_works),
    ),
    "GoTrue recovery": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_recovery_code_at_gotrue,
        has_effect=answer_has_session,
        on_repeat=replace(CODE_SPENT, status=403),
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
    "wrong code": RequestCase(
        function="auth/verify_otp",
        error_members=ATOURIN_ERROR,
        prepare=with_wrong_code,
        status=400,
        has_effect=nothing_is_spent,
    ),
    "GoTrue wrong code": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_wrong_code_at_gotrue,
        status=403,
        has_effect=nothing_is_spent,
    ),
}
