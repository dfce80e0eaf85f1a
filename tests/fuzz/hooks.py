"""Tells schemathesis what the document cannot: credentials, mailed codes, and which errors are about the form."""

import os
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from uuid import uuid4

import httpx
import schemathesis
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import Failure

PASSWORD: Final = "Violet-tram-42"
MAIL_SECONDS: Final = 5.0

CODE_REQUESTS: Final = re.compile(r"/(otp|register|signup|recover|resend)$")
SIGN_INS: Final = re.compile(r"/(login|login_with_email_password|token)$")
CODE_FIELDS: Final[Mapping[str, str]] = {"/auth/verify_otp": "otp", "/auth/v1/verify": "token"}
"""The field with the code, by path."""

GRANTS: Final[Mapping[str, str]] = {
    "refresh_token": "refresh_token",
    "id_token": "id_token",
    "auth_code": "pkce",
}
"""The value of `grant_type` by a field of the body."""

FORM_ERRORS: Final = re.compile("Some fields are missing or invalid|The body is not|The body is larger")
"""Messages about the form of a request. Other errors are about its content, such as a wrong password."""

NOT_IN_SCHEMAS: Final = re.compile(
    "Send code_challenge and|Send either|Send provider, or|Send it without|Send channel with"  # not together
    "|email: Field required|password: Field required"  # for some values of `type`
    "|control characters|one visible character"  # by Unicode's categories
    "|audience is|id: Cannot be changed|password_hash: |Unknown provider|ban_duration: |Must be the next of a page"
)
"""Messages about rules that JSON Schema cannot express. The document states them in words."""

http: Final = httpx.Client(base_url=os.environ["GERBANG_URL"])
keys: Final[Mapping[str, str]] = http.get("/_local/config.json").raise_for_status().json()
issued: Final[set[str]] = set()
"""Headers that `Credentials` has returned."""
mailed: Final[set[str]] = set()
"""Addresses to which a code was mailed."""


@cache
def account() -> Any:
    """Return a session of an account."""
    body = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "name": "Mira"}
    return http.post("/api/auth/register", json=body).raise_for_status().json()["data"]


def new_token() -> str:
    """Return the access token of a new session of the account, because requests may have ended the others."""
    body = {"email": account()["user"]["email"], "password": PASSWORD}
    answer = http.post("/api/auth/login", json=body)
    if answer.is_error:  # a request has changed the password
        account.cache_clear()
        return str(account()["accessToken"])
    return str(answer.json()["data"]["accessToken"])


@schemathesis.auth(refresh_interval=30, cache_by_key=lambda _case, context: context.operation.label, retry_on=[401])
class Credentials:
    """The headers with the credentials that an operation needs."""

    def get(self, _case: Case[Any], context: AuthContext) -> Mapping[str, str]:
        """Return the headers."""
        schemes = {name for each in context.operation.definition.raw.get("security", ()) for name in each}
        headers = {}
        if "apikey" in schemes:
            headers["apikey"] = keys["secret_key" if "secretKey" in schemes else "publishable_key"]
        if "secretKey" in schemes:
            headers["Authorization"] = f"Bearer {keys['secret_key']}"
        elif "accessToken" in schemes:
            headers["Authorization"] = f"Bearer {new_token()}"
        return headers

    def set(self, case: Case[Any], data: Mapping[str, str], _context: AuthContext) -> None:
        """Set the headers, except a token that a link has taken from an answer."""
        issued.update(data.values())
        for name, value in data.items():
            sent = str(case.headers.get(name, ""))
            if sent in issued or not sent.startswith("Bearer eyJ"):
                case.headers[name] = value


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: Any) -> None:
    """Fill in values that a user reads in a mail, or an app in an answer."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.path.startswith("/api/organization") and (case.method, case.path) != ("DELETE", "/api/organization"):
        case.headers["x-organization-id"] = account()["organization"]["id"]
    body = case.body
    if not isinstance(body, dict):
        return
    if case.media_type == "application/x-www-form-urlencoded":  # at most 16 fields are read
        case.body = {name: body[name] for name in ("token", "type") if name in body}
    if case.path == "/auth/v1/token":
        case.query["grant_type"] = next((grant for name, grant in GRANTS.items() if name in body), "password")
    if SIGN_INS.search(case.path) and {"email", "password"} <= body.keys():
        body |= {"email": account()["user"]["email"], "password": PASSWORD}
    if case.path == "/api/auth/google" and body.get("id_token"):
        signed = {"email": f"{uuid4().hex}@example.com", "name": "Mira", "google_id": uuid4().hex}
        case.body = http.post("/_local/google/id_token", json=signed).raise_for_status().json()
    field = CODE_FIELDS.get(case.path)
    if field is not None and body.get("email") in mailed:
        body[field] = code_for(str(body["email"])) or body.get(field)


@schemathesis.hook
def after_call(_context: HookContext, case: Case[Any], response: Response) -> None:
    """Remember the address of a mailed code."""
    if response.status_code < httpx.codes.BAD_REQUEST and CODE_REQUESTS.search(case.path):
        address = case.body.get("email") if isinstance(case.body, dict) else None
        if isinstance(address, str):
            mailed.add(address)


def code_for(address: str) -> str | None:
    """Return the newest code that was mailed to an address, or None if none arrives."""
    until = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < until:
        mails = http.get("/_local/mailbox.json").json()
        texts = [mail["text"] for mail in mails if mail["to"].casefold() == address.casefold()]
        codes = [found[0] for text in texts if (found := re.search(r"^[0-9]{6}$", text, re.MULTILINE))]
        if codes:
            return codes[-1]
        time.sleep(0.05)
    mailed.discard(address)
    return None


@schemathesis.hook
def filter_failure(_context: HookContext, failure: Failure, _case: Case[Any], response: Response) -> bool:
    """Ignore errors about the content of valid requests, such as a wrong password."""
    if failure.title != "Schema-valid request rejected":
        return True
    return bool(FORM_ERRORS.search(response.text)) and not NOT_IN_SCHEMAS.search(response.text)
