"""The pages under `/_local/`, which only `make run` has: mails, accounts, keys, stand-ins for services of others.

These pages contain secrets, so they answer requests from this machine only, for any HOST. A page of another site in the
developer's browser is on this machine, too. It is recognised by its `Origin` or, after DNS rebinding, its `Host`.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from gerbang_local.events import Request, Response
from gerbang_local.google import MissingFields, StandInIssuer
from gerbang_local.loopback import is_loopback, names_loopback
from gerbang_local.mailbox import Mailbox
from gerbang_local.operators import DYNAMODB_PATH, STACK_PATH, OperatorAccess
from gerbang_local.routes import Route
from gerbang_local.sessions import StoredSessions

CERTS_PATH: Final = "/_local/google/certs"
ISSUER_PATH: Final = "/_local/oidc"
"""The issuer of a second OpenID provider. The stand-in for Google makes its tokens, if given `iss` and `aud`."""

CAPTCHA_PATH: Final = "/_local/captcha"
GOOD_CAPTCHA_TOKEN: Final = "local-captcha-token"  # noqa: S105 - not a secret
"""The only token that the stand-in for the CAPTCHA provider accepts."""

_MAILBOX: Final = Path(__file__).with_name("mailbox.html")
_ACCOUNTS: Final = Path(__file__).with_name("accounts.html")
_STYLE: Final = Path(__file__).with_name("pages.css")
_ID_TOKEN_PATH: Final = "/_local/google/id_token"  # noqa: S105 - a path
_NO_STORE: Final = {"cache-control": "no-store"}
_SAME_ORIGIN: Final = {"cross-origin-resource-policy": "same-origin", "x-content-type-options": "nosniff"}
_PREFLIGHT: Final = {"access-control-allow-methods": "POST, OPTIONS", "access-control-allow-headers": "content-type"}
_FORBIDDEN: Final = Response.of_gateway(
    403, "/_local/ answers this machine only. Open it on the machine that runs `make run`, at http://localhost:PORT/."
)
# Scripts in a mail never run: its frame is sandboxed, and only the page's script has the nonce.
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src data: https:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class Pages:
    """Answers requests under `/_local/`. Safe to use from several threads."""

    prefix: Final = "/_local/"

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        issuer: StandInIssuer,
        routes: Iterable[Route],
        sessions: StoredSessions | None,
        publishable_key: str | None,
        secret_key: str | None,
        operators: OperatorAccess,
    ) -> None:
        """Take what the pages show; keys and sessions are None if the template has none."""
        self._mailbox: Final = mailbox
        self._issuer: Final = issuer
        self._routes: Final = tuple(routes)
        self._sessions: Final = sessions
        self._operators: Final = operators
        self._keys: Final = {"publishable_key": publishable_key, "secret_key": secret_key}
        self._answers: Final[Mapping[tuple[str, str], Callable[[Request], Response]]] = {
            ("GET", "/_local/"): self._mailbox_page,
            ("GET", "/_local/accounts"): self._accounts_page,
            ("GET", "/_local/sessions.json"): self._sessions_of,
            ("GET", "/_local/config.json"): self._config,
            ("GET", "/_local/mailbox.json"): self._mails,
            ("GET", CERTS_PATH): self._certs,
            ("GET", f"{ISSUER_PATH}/.well-known/openid-configuration"): self._discovery,
            ("POST", _ID_TOKEN_PATH): self._id_token,
            ("POST", CAPTCHA_PATH): self._captcha,
            ("GET", STACK_PATH): self._stack,
            ("POST", DYNAMODB_PATH): self._dynamodb,
        }

    def answer(self, request: Request) -> Response:
        """Return the response to a request under `/_local/`; 403 unless it comes from this machine and its pages."""
        if not _is_local(request):
            return _FORBIDDEN
        return self._answer(request).with_headers(_SAME_ORIGIN | _cors(request))

    def _answer(self, request: Request) -> Response:
        answers = {method: answer for (method, path), answer in self._answers.items() if path == request.path}
        if not answers:
            return Response.of_gateway(404, "Not Found")
        if request.method == "OPTIONS":
            return Response(status=204)
        answer = answers.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            return Response.of_gateway(405, "Method Not Allowed").with_headers({"allow": ", ".join(answers)})
        return answer(request)

    def _config(self, _request: Request) -> Response:
        return Response.of_json(200, self._keys).with_headers(_NO_STORE)

    def _mails(self, _request: Request) -> Response:
        return Response.of_json(200, [mail.to_json() for mail in self._mailbox.mails()]).with_headers(_NO_STORE)

    def _sessions_of(self, request: Request) -> Response:
        user_ids = parse_qs(request.raw_query).get("user_id", [])
        if len(user_ids) != 1:
            return _bad_request("the query needs user_id once")
        sessions = [] if self._sessions is None else self._sessions.of(user_ids[0])
        return Response.of_json(200, sessions).with_headers(_NO_STORE)

    def _mailbox_page(self, _request: Request) -> Response:
        rows = "".join(f"<li><code>{escape(route.key)}</code> {escape(route.function)}</li>" for route in self._routes)
        return _page(_MAILBOX.read_text("utf-8").replace("<!--routes-->", rows))

    def _accounts_page(self, _request: Request) -> Response:
        return _page(_ACCOUNTS.read_text("utf-8"))

    def _certs(self, _request: Request) -> Response:
        return Response.of_json(200, self._issuer.key_set()).with_headers({"cache-control": "public, max-age=300"})

    def _discovery(self, request: Request) -> Response:
        """Describe the issuer at the address that was asked (OpenID Connect Discovery 1.0, section 4.2)."""
        here = f"http://{request.header('host')}"
        return Response.of_json(200, {"issuer": f"{here}{ISSUER_PATH}", "jwks_uri": f"{here}{CERTS_PATH}"})

    def _stack(self, request: Request) -> Response:
        return Response.of_json(200, self._operators.describe(f"http://{request.header('host')}"))

    def _dynamodb(self, request: Request) -> Response:
        """Answer as DynamoDB. Web pages cannot call this: the header needs a preflight, which is not allowed."""
        target = request.header("x-amz-target")
        if target is None:
            return _bad_request("the header X-Amz-Target is missing")
        status, media_type, body = self._operators.call(target, request.body)
        return Response(status=status, headers=(("content-type", media_type),), body=body)

    def _captcha(self, request: Request) -> Response:
        """Verify a token as Turnstile and hCaptcha do."""
        tokens = parse_qs(request.body.decode("utf-8", "replace")).get("response")
        if tokens == [GOOD_CAPTCHA_TOKEN]:
            return Response.of_json(200, {"success": True})
        return Response.of_json(200, {"success": False, "error-codes": ["invalid-input-response"]})

    def _id_token(self, request: Request) -> Response:
        try:
            fields = json.loads(request.body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return _bad_request("the body is not a JSON object")
        try:
            return Response.of_json(200, {"id_token": self._issuer.id_token(fields)}).with_headers(_NO_STORE)
        except MissingFields as missing:
            return _bad_request(f"missing: {missing}")


def _page(html: str) -> Response:
    nonce = secrets.token_urlsafe()
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY.format(nonce=nonce)}
    page = html.replace("<!--style-->", _STYLE.read_text("utf-8")).replace("{nonce}", nonce)
    return Response(status=200, headers=tuple(headers.items()), body=page.encode())


def _bad_request(message: str) -> Response:
    answer: dict[str, Any] = {"message": message}
    return Response.of_json(400, answer)


def _is_local(request: Request) -> bool:
    origin = request.header("origin")
    return (
        is_loopback(request.source_ip)
        and names_loopback(request.header("host") or "")
        and (origin is None or names_loopback(origin.partition("://")[2]))
    )


def _cors(request: Request) -> dict[str, str]:
    """Return the headers that allow a front end on another port of this machine to use the stand-in for Google."""
    origin = request.header("origin")
    if origin is None or request.path != _ID_TOKEN_PATH:
        return {}
    headers = {"access-control-allow-origin": origin, "vary": "origin"}
    return headers | _PREFLIGHT if request.method == "OPTIONS" else headers
