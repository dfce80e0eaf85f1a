"""The requests to a deployed stack, and the answer that each must get. No mail is sent."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from gerbang_smoke.http import Answer, Api, NoAnswer

_ON_EVERY_ANSWER: Final = {
    "cache-control": "no-store",
    "content-type": "application/json; charset=utf-8",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
_UNKNOWN_ORGANIZATION: Final = "org_4GvNsV2Rm8pW1kQz7TjYbX"
_TOKEN: Final = "eyJ"  # noqa: S105 - how the base64url of a JSON object, a token's first part, begins
_ORIGIN: Final = "https://app.example.com"


LIVE_AT_LAMBDA: Final = "token at the Lambda authorizer"
LIVE_AT_JWT: Final = "token at the JWT authorizer"
DEAD_AT_LAMBDA: Final = "dead token at the Lambda authorizer"
DEAD_AT_JWT: Final = "dead token at the JWT authorizer"
"""Accepted: a JWT authorizer calls no code, so a sign-out takes effect when the token expires."""
_OTHER_APIS: Final = frozenset({LIVE_AT_LAMBDA, LIVE_AT_JWT, DEAD_AT_LAMBDA, DEAD_AT_JWT})


class Deviation(Exception):
    """An answer is not as expected. The text says what was expected and what was answered, without any token."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request and its answer."""

    name: str
    answer: Answer
    note: str = ""
    """The answer of AWS, in steps that show it."""


@dataclass(slots=True, kw_only=True)
class Walk:
    """One account that registers, signs in at every API, and signs out."""

    api: Api
    publishable_key: str | None
    """What clients send as `apikey`; without it, the step that needs it is left out."""
    lambda_route: Api | None = None
    """A GET route of another API, behind the stack's Lambda authorizer."""
    jwt_route: Api | None = None
    """A GET route of another API, behind a JWT authorizer."""
    email: str = field(default_factory=lambda: f"smoke-{secrets.token_hex(8)}@example.com")
    password: str = field(default_factory=lambda: f"Smoke-{secrets.token_hex(8)}-1", repr=False)
    has_begun: bool = False
    """Whether registration was tried, so that an account may exist."""
    _access: str = field(default="", repr=False)
    _refresh: str = field(default="", repr=False)
    _organization: str = ""

    def steps(self) -> Iterator[Step]:
        """Make the requests one after the other, and yield each with its answer.

        Raises:
            Deviation: an answer is not as expected; the steps after it were not tried.
            NoAnswer: there was no answer.
        """
        for name, take in self._plan():
            try:
                answer = take()
            except (Deviation, NoAnswer) as error:
                raise type(error)(f"{name}: {error}") from error
            yield Step(name, answer, f"AWS answered: {answer.text[:200]}" if name in _OTHER_APIS else "")

    def _plan(self) -> Iterator[tuple[str, Callable[[], Answer]]]:
        yield "register", self._register
        yield "register twice", lambda: self._post("/api/auth/register", self._registration(), HTTPStatus.CONFLICT)
        yield "wrong password", lambda: self._sign_in("/api/auth/login", HTTPStatus.BAD_REQUEST, self.password + "?")
        yield "sign in", self._login
        yield "refresh", self._refresh_session
        yield "me", self._me
        yield "organization", lambda: self._show_organization(HTTPStatus.OK, self._organization)
        yield (
            "organization of another account",
            lambda: self._show_organization(HTTPStatus.FORBIDDEN, _UNKNOWN_ORGANIZATION),
        )
        yield "no token", lambda: self._ask("GET", "/api/organization", HTTPStatus.UNAUTHORIZED, headers_expected={})
        if self.publishable_key is not None:
            yield "refresh as Supabase clients do", self._refresh_at_gotrue
            yield "user as Supabase clients do", self._user_at_gotrue
        yield "sign in at SnapOTP", self._sign_in_at_snapotp
        yield "sign in at Atourin", lambda: self._sign_in("/auth/login_with_email_password", HTTPStatus.OK)
        if self.lambda_route is not None:
            yield LIVE_AT_LAMBDA, lambda: self._call(self.lambda_route, is_accepted=True)
        if self.jwt_route is not None:
            yield LIVE_AT_JWT, lambda: self._call(self.jwt_route, is_accepted=True)
        yield "sign out", lambda: self._ask("POST", "/api/auth/logout", HTTPStatus.OK, authorization=self._bearer())
        yield (
            "revoked access token",
            lambda: self._ask("GET", "/api/auth/me", HTTPStatus.UNAUTHORIZED, authorization=self._bearer()),
        )
        yield (
            "revoked refresh token",
            lambda: self._post("/api/auth/refresh", {"refreshToken": self._refresh}, HTTPStatus.UNAUTHORIZED),
        )
        yield "unknown path", lambda: self._ask("GET", "/api/auth/nothing", HTTPStatus.NOT_FOUND)
        yield "wrong method", lambda: self._ask("GET", "/api/auth/login", HTTPStatus.METHOD_NOT_ALLOWED)
        yield "public keys", self._public_keys
        yield "CORS preflight", self._preflight
        if self.lambda_route is not None:
            yield DEAD_AT_LAMBDA, lambda: self._call(self.lambda_route, is_accepted=False)
        if self.jwt_route is not None:
            yield DEAD_AT_JWT, lambda: self._call(self.jwt_route, is_accepted=True)

    def _registration(self) -> dict[str, str]:
        return {"email": self.email, "password": self.password, "name": "Smoke test"}

    def _register(self) -> Answer:
        self.has_begun = True
        answer = self._post("/api/auth/register", self._registration(), HTTPStatus.CREATED)
        self._organization = str(self._member(answer, "data", "organization", "id"))
        return answer

    def _sign_in(self, path: str, expected: HTTPStatus, password: str | None = None) -> Answer:
        return self._post(path, {"email": self.email, "password": password or self.password}, expected)

    def _login(self) -> Answer:
        answer = self._sign_in("/api/auth/login", HTTPStatus.OK)
        self._keep_tokens(answer, ("data", "accessToken"), ("data", "refreshToken"))
        return answer

    def _refresh_session(self) -> Answer:
        before = self._refresh
        answer = self._post("/api/auth/refresh", {"refreshToken": before}, HTTPStatus.OK)
        self._keep_tokens(answer, ("data", "accessToken"), ("data", "refreshToken"))
        if self._refresh == before:
            raise Deviation("the refresh token was not rotated")
        return answer

    def _refresh_at_gotrue(self) -> Answer:
        answer = self._ask(
            "POST",
            "/auth/v1/token?grant_type=refresh_token",
            HTTPStatus.OK,
            {"refresh_token": self._refresh},
            apikey=self.publishable_key or "",
        )
        self._keep_tokens(answer, ("access_token",), ("refresh_token",))
        return answer

    def _user_at_gotrue(self) -> Answer:
        return self._ask(
            "GET", "/auth/v1/user", HTTPStatus.OK, apikey=self.publishable_key or "", authorization=self._bearer()
        )

    def _sign_in_at_snapotp(self) -> Answer:
        body = {"username": self.email, "password": self.password}
        return self._post("/api/auth/login", body, HTTPStatus.OK)

    def _call(self, route: Api | None, *, is_accepted: bool) -> Answer:
        """Call a route of another API, and check whether its authorizer accepts the token."""
        if route is None:
            raise Deviation("no route was named")
        answer = route.ask("GET", "", authorization=self._bearer())
        received = f"got {answer.status}: {self._excerpt(answer)}"
        if not is_accepted and answer.status != HTTPStatus.UNAUTHORIZED:
            raise Deviation(f"expected 401, {received}")
        if is_accepted and answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Deviation(f"expected the token to be accepted, {received}")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Deviation(f"expected no server error, {received}")
        return answer

    def _me(self) -> Answer:
        answer = self._ask("GET", "/api/auth/me", HTTPStatus.OK, authorization=self._bearer())
        if self._member(answer, "data", "email") != self.email:
            raise Deviation("the answer is about another account")
        return answer

    def _show_organization(self, expected: HTTPStatus, organization_id: str) -> Answer:
        # A 403 of the authorizer has API Gateway's own message and headers.
        headers_expected = _ON_EVERY_ANSWER if expected is HTTPStatus.OK else {}
        return self._ask(
            "GET",
            "/api/organization",
            expected,
            headers_expected=headers_expected,
            authorization=self._bearer(),
            x_organization_id=organization_id,
        )

    def _public_keys(self) -> Answer:
        cached = {**_ON_EVERY_ANSWER, "cache-control": "public, max-age=600"}
        answer = self._ask("GET", "/.well-known/jwks.json", HTTPStatus.OK, headers_expected=cached)
        keys = self._member(answer, "keys")
        if not isinstance(keys, list) or any("d" in key or "k" in key for key in keys):
            raise Deviation("the key set is not a list, or has a private or symmetric key")
        return answer

    def _preflight(self) -> Answer:
        answer = self.api.ask(
            "OPTIONS",
            "/api/auth/login",
            origin=_ORIGIN,
            access_control_request_method="POST",
            access_control_request_headers="content-type",
        )
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            raise Deviation(f"expected 204, got {answer.status}")
        if answer.headers.get("access-control-allow-origin", "*") not in {
            "*",
            _ORIGIN,
        }:  # or no header, if the deployment allows other origins only
            raise Deviation("the answer allows another origin than that of the request")
        return answer

    def _post(self, path: str, body: Mapping[str, Any], expected: HTTPStatus) -> Answer:
        return self._ask("POST", path, expected, body)

    def _ask(
        self,
        method: str,
        path: str,
        expected: HTTPStatus,
        body: Mapping[str, Any] | None = None,
        *,
        headers_expected: Mapping[str, str] = _ON_EVERY_ANSWER,
        **headers: str,
    ) -> Answer:
        answer = self.api.ask(method, path, body, **headers)
        if answer.status != expected:
            raise Deviation(f"expected {expected.value}, got {answer.status}: {self._excerpt(answer)}")
        for name, value in headers_expected.items():
            if answer.headers.get(name) != value:
                raise Deviation(f"expected {name}: {value}, got {answer.headers.get(name, 'none')}")
        return answer

    def _excerpt(self, answer: Answer) -> str:
        return "an answer with tokens, not repeated here" if _TOKEN in answer.text else answer.text[:300]

    def _keep_tokens(self, answer: Answer, access: tuple[str, ...], refresh: tuple[str, ...]) -> None:
        self._access = str(self._member(answer, *access))
        self._refresh = str(self._member(answer, *refresh))

    def _member(self, answer: Answer, *path: str) -> Any:
        found: Any = answer.json
        for name in path:
            if not isinstance(found, dict) or name not in found:
                raise Deviation(f"the answer has no {'.'.join(path)}")
            found = found[name]
        return found

    def _bearer(self) -> str:
        return f"Bearer {self._access}"
