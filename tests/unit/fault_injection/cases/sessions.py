"""Refreshing, listing and ending sessions."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Any, Final

from tests.deployment import ALICE, HOME, HOUR, by_email
from tests.gateway_events import http_event, json_event
from tests.unit.fault_injection.case import ATOURIN_ERROR, BOTLAUNCH_ERROR, GOTRUE_ERROR, SNAPOTP_ERROR, RequestCase
from tests.unit.fault_injection.outcomes import (
    ALREADY_SIGNED_OUT,
    active_sessions,
    all_are_signed_out,
    already_done,
    answer_has_session,
    has_body,
    is_signed_out,
)
from tests.unit.fault_injection.requests import bearer_headers, gotrue_request_of_alice, with_bearer
from tests.unit.handlers import PUBLISHABLE_KEY, Answer, Event
from tests.unit.mail_deployment import MailDeployment


def with_refresh_token(field: str, app: MailDeployment, **more: Any) -> Event:
    return json_event({field: app.register(ALICE).tokens.refresh_token}, **more)


def with_reused_token(app: MailDeployment) -> Event:
    session = app.register(ALICE)
    app.base.sessions.authenticate(app.base.sessions.refresh(session.tokens.refresh_token).tokens.access_token)
    app.base.clock.advance(HOUR)
    return json_event({"refresh_token": session.tokens.refresh_token})


def sign_out(scope: str | None, app: MailDeployment) -> Event:
    session = app.register(ALICE)
    app.base.sign_in.sign_in(by_email(), HOME)
    return http_event(headers=bearer_headers(session, apikey=PUBLISHABLE_KEY), query={"scope": scope} if scope else {})


def end_session(app: MailDeployment, *, parameter: str, **headers: str) -> Event:
    session, other = app.register(ALICE), app.base.sign_in.sign_in(by_email(), HOME)
    event = http_event(method="DELETE", headers=bearer_headers(session, **headers))
    return event | {"pathParameters": {parameter: other.family_id}}


def only_caller_is_signed_in(app: MailDeployment, event: Event, _answer: Answer | None = None) -> bool:
    return active_sessions(app) == 1 and not is_signed_out(app, event)


CASES: Final[Mapping[str, RequestCase]] = {
    "me": RequestCase(
        function="api/auth/me", error_members=SNAPOTP_ERROR, prepare=partial(with_bearer, "GET"), has_effect=has_body
    ),
    "BotLaunch refresh": RequestCase(
        function="api/auth/refresh",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(with_refresh_token, "refreshToken"),
        has_effect=answer_has_session,
    ),
    "SnapOTP refresh": RequestCase(
        function="api/auth/refresh",
        error_members=SNAPOTP_ERROR,
        prepare=partial(with_refresh_token, "refresh_token"),
        has_effect=answer_has_session,
    ),
    "reused refresh token": RequestCase(
        function="api/auth/refresh",
        error_members=SNAPOTP_ERROR,
        prepare=with_reused_token,
        status=401,
        has_effect=has_body,
    ),
    "GoTrue refresh": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=partial(
            with_refresh_token,
            "refresh_token",
            query={"grant_type": "refresh_token"},
            headers={"content-type": "application/json", "apikey": PUBLISHABLE_KEY},
        ),
        has_effect=answer_has_session,
    ),
    "BotLaunch logout": RequestCase(
        function="api/auth/logout",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(with_bearer, "POST"),
        has_effect=is_signed_out,
        on_repeat=ALREADY_SIGNED_OUT,
    ),
    "Atourin logout": RequestCase(
        function="auth/logout",
        error_members=ATOURIN_ERROR,
        prepare=partial(with_bearer, "GET"),
        has_effect=is_signed_out,
        on_repeat=ALREADY_SIGNED_OUT,
    ),
    "BotLaunch logout everywhere": RequestCase(
        function="api/auth/logout-all",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(with_bearer, "POST"),
        has_effect=all_are_signed_out,
        on_repeat=ALREADY_SIGNED_OUT,
    ),
    "GoTrue logout": RequestCase(
        function="auth/v1/logout",
        error_members=GOTRUE_ERROR,
        prepare=partial(sign_out, None),
        status=204,
        has_effect=all_are_signed_out,
        on_repeat=replace(ALREADY_SIGNED_OUT, status=403, recovers=all_are_signed_out),
    ),
    "GoTrue logout here": RequestCase(
        function="auth/v1/logout",
        error_members=GOTRUE_ERROR,
        prepare=partial(sign_out, "local"),
        status=204,
        has_effect=is_signed_out,
        on_repeat=replace(ALREADY_SIGNED_OUT, status=403),
    ),
    "GoTrue logout of others": RequestCase(
        function="auth/v1/logout",
        error_members=GOTRUE_ERROR,
        prepare=partial(sign_out, "others"),
        status=204,
        has_effect=only_caller_is_signed_in,
    ),
    "sessions": RequestCase(
        function="api/auth/sessions",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(with_bearer, "GET"),
        has_effect=has_body,
    ),
    "end a session": RequestCase(
        function="api/auth/sessions/one",
        error_members=BOTLAUNCH_ERROR,
        prepare=partial(end_session, parameter="sessionId"),
        has_effect=only_caller_is_signed_in,
        on_repeat=already_done(404, only_caller_is_signed_in),
    ),
    "GoTrue sessions": RequestCase(
        function="auth/v1/user/sessions",
        error_members=GOTRUE_ERROR,
        prepare=partial(gotrue_request_of_alice, "GET", None),
        has_effect=has_body,
    ),
    "GoTrue ends a session": RequestCase(
        function="auth/v1/user/sessions/one",
        error_members=GOTRUE_ERROR,
        prepare=partial(end_session, parameter="session_id", apikey=PUBLISHABLE_KEY),
        has_effect=only_caller_is_signed_in,
        on_repeat=already_done(404, only_caller_is_signed_in),
    ),
}
