"""Enrolling a second factor, and signing in with it."""

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from gerbang.accounts import totp
from gerbang.accounts.second_factor import WrongCode
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User

from tests.deployment import BOB, HOME, MINUTE, PASSWORD
from tests.gateway_events import body_of, json_event
from tests.unit.fault_injection.case import (
    ATOURIN_ERROR,
    BOTLAUNCH_ERROR,
    GOTRUE_ERROR,
    SNAPOTP_ERROR,
    Repeat,
    RequestCase,
)
from tests.unit.fault_injection.outcomes import (
    access_token,
    already_done,
    authenticate,
    caller_of,
    code_is_spent,
    find_bob,
    has_body,
)
from tests.unit.fault_injection.requests import gotrue_request
from tests.unit.handlers import Answer, Event, environment
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import wrong_code


def app_code(app: MailDeployment, user: User) -> str:
    """The code that a user's authenticator app shows now."""
    secret = totp.secret_of(app.base.keys, user.user_id, user.factors[0].factor_id)
    return totp.code_of(secret, totp.step_at(app.base.clock()))


def verify_second_factor(app: MailDeployment, session: SignedIn) -> SignedIn:
    """Verify a user's second factor, and wait until the app shows another code."""
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    factor_id = caller.user.factors[0].factor_id
    challenge_id = app.base.own_factors.challenge(caller, factor_id).challenge_id
    code = app_code(app, caller.user)
    raised = app.base.second_factor.verify(caller, factor_id, challenge_id=challenge_id, code=code, client=HOME)
    app.base.clock.advance(MINUTE)
    return raised


def session_with_new_factor(app: MailDeployment) -> SignedIn:
    session = app.register(BOB)
    app.base.own_factors.enrol(app.base.sessions.authenticate(session.tokens.access_token), name="phone", issuer="Toko")
    return session


def session_with_second_factor(app: MailDeployment) -> SignedIn:
    return verify_second_factor(app, session_with_new_factor(app))


def enrolment(app: MailDeployment) -> Event:
    return gotrue_request(app.register(BOB), "POST", {"factor_type": "totp", "friendly_name": "phone"})


def factor_request(method: str, session: SignedIn, app: MailDeployment, body: Mapping[str, Any] | None = None) -> Event:
    factor_id = app.user(session.user.user_id).factors[0].factor_id
    return gotrue_request(session, method, body) | {"pathParameters": {"factor_id": factor_id}}


def verification(session: SignedIn, app: MailDeployment) -> Event:
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    challenge = app.base.own_factors.challenge(caller, caller.user.factors[0].factor_id)
    body = {"challenge_id": challenge.challenge_id, "code": app_code(app, caller.user)}
    return factor_request("POST", session, app, body)


def verification_in_a_session_of_one_factor(app: MailDeployment) -> Event:
    """A verification that raises one session to two factors, and ends another."""
    user = app.user(session_with_second_factor(app).user.user_id)
    app.base.sessions.open(user, HOME, "password")
    return verification(app.base.sessions.open(user, HOME, "password"), app)


def second_step(field: str, app: MailDeployment) -> Event:
    user = app.user(session_with_second_factor(app).user.user_id)
    token = app.base.first_factors.waiting(user, "password").mfa_token
    return json_event({field: token, "code": app_code(app, user)})


def second_step_with_recovery_code(app: MailDeployment) -> Event:
    caller = app.base.sessions.authenticate(session_with_second_factor(app).tokens.access_token)
    code, *_ = app.base.own_factors.replace_recovery_codes(caller)
    return json_event({"mfa_token": app.base.first_factors.waiting(caller.user, "otp").mfa_token, "code": code})


def password_of_user_with_factor(app: MailDeployment) -> Event:
    session_with_second_factor(app)
    return json_event({"email": BOB.email, "password": PASSWORD})


def code_of_user_with_factor(app: MailDeployment) -> Event:
    app.verify_email(session_with_second_factor(app).user)
    return json_event({"email": BOB.email, "otp": app.mailed_code()})


def google_sign_in_of_user_with_factor(app: MailDeployment) -> Event:
    app.verify_email(session_with_second_factor(app).user)
    return json_event({"id_token": "bob"})


def second_step_with_wrong_code(app: MailDeployment) -> Event:
    event = second_step("mfaToken", app)
    body = json.loads(event["body"])
    return json_event(body | {"code": wrong_code(body["code"])})


def verification_with_wrong_code(app: MailDeployment) -> Event:
    session = session_with_new_factor(app)
    body = json.loads(verification(session, app)["body"])
    return factor_request("POST", session, app, body | {"code": wrong_code(body["code"])})


def has_factor(app: MailDeployment, event: Event, answer: Answer) -> bool:
    return body_of(answer)["id"] in {factor.factor_id for factor in caller_of(app, event).factors}


def is_raised(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    """Whether the caller's session has two factors, and no active session of the user has one only."""
    caller = authenticate(app, event)
    active = [family for family in app.base.families.list(caller.user.user_id) if family.epoch == caller.user.epoch]
    return caller.family.aal == "aal2" and all(family.aal == "aal2" for family in active)


def has_no_factor(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    caller = authenticate(app, event)
    return caller.user.factors == () and caller.family.aal == "aal1"


def recovery_code_works(app: MailDeployment, event: Event, answer: Answer) -> bool:
    """Whether there are ten codes. The first one signs in, unless it has been replaced by a later request."""
    token = app.base.first_factors.waiting(caller_of(app, event), "password").mfa_token
    with suppress(WrongCode):
        app.base.second_factor.sign_in(token, body_of(answer)["recovery_codes"][0], HOME)
    return len(body_of(answer)["recovery_codes"]) == 10


def session_of_two_factors_works(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    return app.base.sessions.authenticate(access_token(answer)).family.aal == "aal2"


def code_is_used(app: MailDeployment, _event: Event) -> bool:
    """Whether the code that the app shows now was accepted, or a recovery code was."""
    bob = find_bob(app)
    return bob.factors[0].last_step == totp.step_at(app.base.clock()) or len(bob.recovery_codes) == 9


def next_code_works(app: MailDeployment, _event: Event) -> bool:
    app.base.clock.advance(MINUTE)
    bob = find_bob(app)
    token = app.base.first_factors.waiting(bob, "password").mfa_token
    return bool(app.base.second_factor.sign_in(token, app_code(app, bob), HOME))


def mfa_token_works(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    """Whether the app's code completes the sign-in that needs a second factor."""
    body = body_of(answer)
    token = body.get("mfaToken") or body["data"]["mfa_token"] if "mfa_token" not in body else body["mfa_token"]
    app.base.clock.advance(MINUTE)
    return bool(app.base.second_factor.sign_in(token, app_code(app, find_bob(app)), HOME))


def another_code_asks_for_second_factor(app: MailDeployment, _event: Event) -> bool:
    answer = environment("auth/verify_otp", app)(json_event({"email": BOB.email, "otp": app.mailed_code()}))
    return bool(answer["statusCode"] == 403)


FACTOR_CODE_USED: Final = Repeat(status=400, is_done=code_is_used, recovers=next_code_works)
"""A code of an app, or a recovery code, works once: the client uses the next one."""


FACTOR_NAME_TAKEN: Final = Repeat(
    status=422,
    is_done=lambda app, event: bool(caller_of(app, event).factors),
    recovers=lambda app, event: len(caller_of(app, event).factors) == 1,
)
"""The name is taken by the first factor, whose secret the client has not seen. It expires in five minutes."""


CASES: Final[Mapping[str, RequestCase]] = {
    "GoTrue enrols a factor": RequestCase(
        function="auth/v1/factors",
        error_members=GOTRUE_ERROR,
        prepare=enrolment,
        has_effect=has_factor,
        on_repeat=FACTOR_NAME_TAKEN,
    ),
    "GoTrue challenge": RequestCase(
        function="auth/v1/factors/one/challenge",
        error_members=GOTRUE_ERROR,
        prepare=lambda app: factor_request("POST", session_with_second_factor(app), app, {}),
        has_effect=has_body,
    ),
    "GoTrue verifies a factor": RequestCase(
        function="auth/v1/factors/one/verify",
        error_members=GOTRUE_ERROR,
        prepare=lambda app: verification(session_with_new_factor(app), app),
        has_effect=is_raised,
        on_repeat=already_done(422, is_raised),
    ),
    "GoTrue raises a session": RequestCase(
        function="auth/v1/factors/one/verify",
        error_members=GOTRUE_ERROR,
        prepare=verification_in_a_session_of_one_factor,
        has_effect=is_raised,
        on_repeat=already_done(422, is_raised),
    ),
    "GoTrue wrong second factor": RequestCase(
        function="auth/v1/factors/one/verify",
        error_members=GOTRUE_ERROR,
        prepare=verification_with_wrong_code,
        status=422,
        has_effect=lambda app, event, _: caller_of(app, event).factors[0].verified_at is None,
    ),
    "GoTrue unenrols a factor": RequestCase(
        function="auth/v1/factors/one",
        error_members=GOTRUE_ERROR,
        prepare=lambda app: factor_request("DELETE", session_with_second_factor(app), app),
        has_effect=has_no_factor,
        on_repeat=already_done(404, has_no_factor),
    ),
    "GoTrue recovery codes": RequestCase(
        function="auth/v1/factors/recovery-codes",
        error_members=GOTRUE_ERROR,
        prepare=lambda app: gotrue_request(session_with_second_factor(app), "POST", {}),
        has_effect=recovery_code_works,
    ),
    "BotLaunch second factor": RequestCase(
        function="api/auth/mfa/verify",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(second_step, "mfaToken"),
        has_effect=session_of_two_factors_works,
        on_repeat=FACTOR_CODE_USED,
    ),
    "BotLaunch wrong second factor": RequestCase(
        function="api/auth/mfa/verify",
        error_members=BOTLAUNCH_ERROR,
        prepare=second_step_with_wrong_code,
        status=400,
        has_effect=lambda app, event, _: not code_is_used(app, event),
    ),
    "SnapOTP recovery code": RequestCase(
        function="api/auth/mfa/verify",
        error_members=SNAPOTP_ERROR,
        prepare=second_step_with_recovery_code,
        has_effect=session_of_two_factors_works,
        on_repeat=FACTOR_CODE_USED,
    ),
    "Atourin second factor": RequestCase(
        function="auth/mfa/verify",
        error_members=ATOURIN_ERROR,
        prepare=partial(second_step, "mfa_token"),
        has_effect=session_of_two_factors_works,
        on_repeat=FACTOR_CODE_USED,
    ),
    "BotLaunch login that needs a second factor": RequestCase(
        function="api/auth/login",
        error_members=BOTLAUNCH_ERROR,
        prepare=password_of_user_with_factor,
        status=403,
        has_effect=mfa_token_works,
    ),
    "verify_otp that needs a second factor": RequestCase(
        function="auth/verify_otp",
        error_members=ATOURIN_ERROR,
        prepare=code_of_user_with_factor,
        status=403,
        has_effect=mfa_token_works,
        on_repeat=Repeat(status=400, is_done=code_is_spent, recovers=another_code_asks_for_second_factor),
    ),
    "Google that needs a second factor": RequestCase(
        function="api/auth/google",
        error_members=SNAPOTP_ERROR,
        prepare=google_sign_in_of_user_with_factor,
        status=403,
        has_effect=mfa_token_works,
        counted_on_repeat=frozenset({"mail_hour"}),
    ),
}
