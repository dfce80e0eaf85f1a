"""What only `make run` has, under `/_local/`: the mailbox, the deployment's keys, a stand-in for Google."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from gerbang_local.events import Request, Response
from gerbang_local.google import MissingFields, StandInIssuer
from gerbang_local.mailbox import Mailbox
from gerbang_local.routes import Route

CERTS_PATH: Final = "/_local/google/certs"

_PAGE: Final = Path(__file__).with_name("mailbox.html")
_OPEN: Final = {"access-control-allow-origin": "*", "cache-control": "no-store"}
_PREFLIGHT: Final = _OPEN | {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "content-type",
}
# A mail's own scripts never run: its frame is sandboxed, and only the page's script has the nonce.
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
        publishable_key: str | None,
        secret_key: str | None,
    ) -> None:
        """Take what there is to show; a key is None where the template has none."""
        self._mailbox: Final = mailbox
        self._issuer: Final = issuer
        self._routes: Final = tuple(routes)
        self._keys: Final = {"publishable_key": publishable_key, "secret_key": secret_key}
        self._answers: Final[Mapping[tuple[str, str], Callable[[Request], Response]]] = {
            ("GET", "/_local/"): self._page,
            ("GET", "/_local/config.json"): self._config,
            ("GET", "/_local/mailbox.json"): self._mails,
            ("GET", CERTS_PATH): self._certs,
            ("POST", "/_local/google/id_token"): self._id_token,
        }

    def answer(self, request: Request) -> Response:
        """Return the response to a request under `/_local/`."""
        answers = {method: answer for (method, path), answer in self._answers.items() if path == request.path}
        if not answers:
            return Response.of_gateway(404, "Not Found")
        if request.method == "OPTIONS":
            return Response(status=204, headers=tuple(_PREFLIGHT.items()))
        answer = answers.get("GET" if request.method == "HEAD" else request.method)
        if answer is None:
            return Response.of_gateway(405, "Method Not Allowed").with_headers({"allow": ", ".join(answers)})
        return answer(request)

    def _config(self, _request: Request) -> Response:
        return Response.of_json(200, self._keys).with_headers(_OPEN)

    def _mails(self, _request: Request) -> Response:
        return Response.of_json(200, [mail.to_json() for mail in self._mailbox.mails()]).with_headers(_OPEN)

    def _page(self, _request: Request) -> Response:
        rows = "".join(f"<li><code>{escape(route.key)}</code> {escape(route.function)}</li>" for route in self._routes)
        nonce = secrets.token_urlsafe()
        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": _POLICY.format(nonce=nonce)}
        page = _PAGE.read_text("utf-8").replace("<!--routes-->", rows).replace("{nonce}", nonce)
        return Response(status=200, headers=tuple(headers.items()), body=page.encode())

    def _certs(self, _request: Request) -> Response:
        caching = {"cache-control": "public, max-age=300", "access-control-allow-origin": "*"}
        return Response.of_json(200, self._issuer.key_set()).with_headers(caching)

    def _id_token(self, request: Request) -> Response:
        try:
            fields = json.loads(request.body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            return _refusal("the body is not a JSON object")
        try:
            return Response.of_json(200, {"id_token": self._issuer.id_token(fields)}).with_headers(_OPEN)
        except MissingFields as missing:
            return _refusal(f"missing: {missing}")


def _refusal(message: str) -> Response:
    answer: dict[str, Any] = {"message": message}
    return Response.of_json(400, answer).with_headers(_OPEN)
