"""Opening mailed links."""

from collections.abc import Mapping
from copy import replace
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, MailKind
from gerbang.mail.links import LinkRequest

from tests.deployment import BOB
from tests.gateway_events import http_event
from tests.unit.fault_injection.case import GOTRUE_ERROR, Repeat, RequestCase
from tests.unit.fault_injection.cases.codes import another_code_of_a_sign_up_works
from tests.unit.fault_injection.outcomes import (
    CODE_SPENT_AND_PASSWORD_REMOVED,
    answer_has_session,
    carol_has_account,
    is_accepted,
    nothing_is_spent,
)
from tests.unit.fault_injection.requests import CAROL, LINK, PKCE_LINK, query_of_mailed_link, with_api_key, wrong_token
from tests.unit.handlers import Answer, Event, environment, items
from tests.unit.mail_deployment import MailDeployment


def with_link(link: LinkRequest, app: MailDeployment) -> Event:
    app.register(BOB)
    return http_event(method="GET", headers={}, query=query_of_mailed_link(app, BOB.email, link))


def with_link_of_a_sign_up(app: MailDeployment) -> Event:
    new = {NEW_USER_NAME: "Carol", NEW_USER_METADATA: "{}"}
    return http_event(method="GET", headers={}, query=query_of_mailed_link(app, CAROL, LINK, **new))


def with_token_hash(app: MailDeployment) -> Event:
    app.register(BOB)
    members = query_of_mailed_link(app, BOB.email, LINK)
    return with_api_key({"type": members["type"], "token_hash": members["token"]})


def with_authorization_code(app: MailDeployment) -> Event:
    answer = environment("auth/v1/verify", app)(with_link(PKCE_LINK, app))
    return with_api_key({"auth_code": authorization_code_of(answer), "code_verifier": "v" * 43}, grant_type="pkce")


def authorization_code_of(answer: Answer) -> str:
    location: str = answer["headers"]["location"]
    return dict(parse_qsl(urlsplit(location).query))["code"]


def with_wrong_link(app: MailDeployment) -> Event:
    app.register(BOB)
    query = query_of_mailed_link(app, BOB.email, LINK)
    return http_event(method="GET", headers={}, query=query | {"token": wrong_token(query["token"])})


def link_signs_in(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    session = dict(parse_qsl(urlsplit(answer["headers"]["location"]).fragment))
    return is_accepted(app, session.get("access_token", ""))


def link_gives_code(app: MailDeployment, _event: Event, answer: Answer) -> bool:
    exchanged = environment("auth/v1/token", app)(
        with_api_key({"auth_code": authorization_code_of(answer), "code_verifier": "v" * 43}, grant_type="pkce")
    )
    return answer_has_session(app, _event, exchanged)


def another_link_works(app: MailDeployment, event: Event) -> bool:
    del event
    query = query_of_mailed_link(app, BOB.email, LINK)
    answer = environment("auth/v1/verify", app)(http_event(method="GET", headers={}, query=query))
    return link_signs_in(app, {}, answer)


def flow_is_over(app: MailDeployment, _event: Event) -> bool:
    return not any(str(item["pk"]).startswith("FLOW#") for item in items(app, "OneTimeCodes"))


CASES: Final[Mapping[str, RequestCase]] = {
    "GoTrue link": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_link, LINK),
        status=303,
        has_effect=link_signs_in,
        mail=MailKind.PASSWORD_REMOVED,
        on_repeat=replace(CODE_SPENT_AND_PASSWORD_REMOVED, status=403),
    ),
    "GoTrue link of a client with PKCE": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=partial(with_link, PKCE_LINK),
        status=303,
        has_effect=link_gives_code,
        mail=MailKind.PASSWORD_REMOVED,
        on_repeat=replace(CODE_SPENT_AND_PASSWORD_REMOVED, status=403),
    ),
    "GoTrue link makes an account": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_link_of_a_sign_up,
        status=303,
        has_effect=lambda app, event, answer: carol_has_account(app, event) and link_signs_in(app, event, answer),
        on_repeat=Repeat(status=403, is_done=carol_has_account, recovers=another_code_of_a_sign_up_works),
    ),
    "GoTrue token_hash": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_token_hash,
        has_effect=answer_has_session,
        mail=MailKind.PASSWORD_REMOVED,
        on_repeat=replace(CODE_SPENT_AND_PASSWORD_REMOVED, status=403),
    ),
    "GoTrue pkce grant": RequestCase(
        function="auth/v1/token",
        error_members=GOTRUE_ERROR,
        prepare=with_authorization_code,
        has_effect=answer_has_session,
        on_repeat=Repeat(status=404, is_done=flow_is_over, recovers=another_link_works),
    ),
    "GoTrue wrong link": RequestCase(
        function="auth/v1/verify",
        error_members=GOTRUE_ERROR,
        prepare=with_wrong_link,
        status=403,
        has_effect=nothing_is_spent,
    ),
}
