"""Requests that several kinds of cases send, and what must exist before them."""

from collections.abc import Mapping
from copy import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from gerbang.mail.jobs import SLOT, MailKind
from gerbang.mail.links import LinkRequest
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.sessions.sessions import SignedIn

from tests.deployment import ALICE, BOB, SITE
from tests.gateway_events import http_event, json_event
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY, Event
from tests.unit.mail_deployment import MailDeployment

NEW_PASSWORD: Final = "Battery-staple-43"
CAROL: Final = "carol@example.com"

LINK: Final = LinkRequest(base_url="https://auth.example.com", redirect_to=SITE)
PKCE_LINK: Final = replace(LINK, challenge=CodeChallenge("v" * 43, ChallengeMethod.PLAIN))


def bearer_headers(session: SignedIn, **headers: str) -> dict[str, str]:
    return {"authorization": f"Bearer {session.tokens.access_token}", **headers}


def with_bearer(method: str, app: MailDeployment) -> Event:
    return http_event(method=method, headers=bearer_headers(app.register(ALICE)))


def with_account(body: Mapping[str, str], app: MailDeployment) -> Event:
    app.register(ALICE)
    return json_event(body)


def with_api_key(body: Mapping[str, str], **query: str) -> Event:
    headers = {"content-type": "application/json", "apikey": PUBLISHABLE_KEY}
    return json_event(body, headers=headers, query=query)


def with_account_and_api_key(body: Mapping[str, str], app: MailDeployment) -> Event:
    app.register(ALICE)
    return with_api_key(body)


def with_secret_key(body: Mapping[str, str], app: MailDeployment) -> Event:
    del app
    headers = {"content-type": "application/json", "apikey": SECRET_KEY, "authorization": f"Bearer {SECRET_KEY}"}
    return json_event(body, headers=headers)


def gotrue_request(session: SignedIn, method: str, body: Mapping[str, Any] | None) -> Event:
    headers = bearer_headers(session, apikey=PUBLISHABLE_KEY)
    if body is None:
        return http_event(method=method, headers=headers)
    return json_event(body, method=method, headers=headers | {"content-type": "application/json"})


def gotrue_request_of_alice(method: str, body: Mapping[str, Any] | None, app: MailDeployment) -> Event:
    """A request of Alice. Bob has an account too."""
    app.register(BOB)
    return gotrue_request(app.register(ALICE), method, body)


def google_sign_in(app: MailDeployment) -> Event:
    del app
    return json_event({"id_token": "carol"})


def query_of_mailed_link(app: MailDeployment, email: str, link: LinkRequest, **payload: str) -> dict[str, str]:
    """Have a link mailed; return the parameters of its query."""
    app.deliver(
        replace(app.job(MailKind.SIGN_IN_CODE, email), payload={SLOT: "RECOVERY", **link.to_payload(), **payload})
    )
    [url] = [line for line in app.outbox.last.text.splitlines() if line.startswith("http")]
    return dict(parse_qsl(urlsplit(url).query))


def wrong_token(token: str) -> str:
    """A token that differs from the right one."""
    return f"{token[:-1]}{'1' if token[-1] == '0' else '0'}"


def admin_request(
    method: str,
    user_id: str | None = None,
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Event:
    headers = {"authorization": f"Bearer {SECRET_KEY}", "apikey": SECRET_KEY, "content-type": "application/json"}
    more: dict[str, Any] = {} if user_id is None else {"pathParameters": {"user_id": user_id}}
    if body is None:
        return http_event(method=method, headers=headers, query=query, **more)
    return json_event(body, method=method, headers=headers, **more)
