"""Who may call an endpoint. Each kind of caller authenticates a request and returns what the handler needs to know."""

import re
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, FieldError
from gerbang.core.log import LogEvent
from gerbang.http.request import InvalidFields, Request
from gerbang.sessions.api_keys import ApiKeys, InvalidApiKey, KeyKind

if TYPE_CHECKING:
    from gerbang.accounts.authorization import Authorizer
    from gerbang.accounts.authorization import Caller as AuthorizedCaller
    from gerbang.accounts.captcha import Captcha
    from gerbang.sessions.sessions import Authenticated, Sessions

ORGANIZATION_HEADER: Final = "x-organization-id"
"""Names the organization that the caller wants to act in."""

ACCESS_TOKEN_ERRORS: Final = (
    "no_authorization",
    "bad_jwt",
    "token_expired",
    "session_not_found",
    "user_not_found",
    "user_disabled",
)
"""The codes of the errors about access tokens."""


_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""The form of a signed JWT (RFC 7515, section 7.1)."""


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The usual form of a UUID (RFC 9562, section 4)."""


class SecretKeyRequired(AuthError):
    """The bearer is a user's access token or the publishable key. An administrator has the secret key."""

    code = "not_admin"


class UnknownBearer(AuthError):
    """The bearer is neither a key of this deployment nor a token."""

    code = "bad_jwt"


class Caller[C](Protocol):
    """A kind of caller."""

    credentials: ClassVar[tuple[str, ...]]
    """The credentials that a request must carry, as documents name them."""
    errors: ClassVar[tuple[str, ...]]
    """The codes of the errors that `authenticate` raises, besides that of a failed dependency."""

    def authenticate(self, request: Request) -> C:
        """Return the caller of a request, or raise the error that rejects the request."""
        ...


class Anyone:
    """Anyone may call."""

    credentials: ClassVar[tuple[str, ...]] = ()
    errors: ClassVar[tuple[str, ...]] = ()

    def authenticate(self, request: Request) -> None:
        """Let the request through."""


ANYONE: Final = Anyone()
"""Anyone may call."""


class BearerToken:
    """The bearer of a token that the handler verifies itself: sign-out, for example, accepts expired tokens."""

    credentials: ClassVar[tuple[str, ...]] = ("access token",)
    errors: ClassVar[tuple[str, ...]] = ("no_authorization",)

    def authenticate(self, request: Request) -> str:
        """Return the token.

        Raises:
            MissingBearer: there is none.
        """
        return request.bearer()


@dataclass(frozen=True, slots=True)
class RegisteredUser:
    """A user with a registered account, authenticated by an access token."""

    credentials: ClassVar[tuple[str, ...]] = ("access token",)
    errors: ClassVar[tuple[str, ...]] = (*ACCESS_TOKEN_ERRORS, "registered_account_required")
    sessions: "Sessions"

    def authenticate(self, request: Request) -> "Authenticated":
        """Return the account and its session, as they are in the tables.

        Raises:
            MissingBearer, InvalidToken, TokenExpired, SessionEnded: there is no valid token.
            NotAPerson: the token is a guest's.
        """
        return self.sessions.authenticate_person(request.bearer())


@dataclass(frozen=True, slots=True)
class AuthorizedUser:
    """A user with a registered account who also meets the deployment's second-factor policy, by an access token."""

    credentials: ClassVar[tuple[str, ...]] = ("access token",)
    errors: ClassVar[tuple[str, ...]] = (*RegisteredUser.errors, "insufficient_aal")
    authorizer: "Authorizer"

    def authenticate(self, request: Request) -> "Authenticated":
        """Return the account and its session, as they are in the tables.

        Raises:
            MissingBearer, InvalidToken, TokenExpired, SessionEnded: there is no valid token.
            NotAPerson: the token is a guest's.
            InsufficientLevel: the deployment asks for a second factor, and the session has not shown it.
        """
        return self.authorizer.authorize_person(request.bearer())


@dataclass(frozen=True, slots=True)
class OrganizationMember:
    """A member of the organization that the header `x-organization-id` names, by an access token."""

    credentials: ClassVar[tuple[str, ...]] = ("access token", ORGANIZATION_HEADER)
    errors: ClassVar[tuple[str, ...]] = (*ACCESS_TOKEN_ERRORS, "insufficient_aal", "validation_failed", "not_a_member")
    authorizer: "Authorizer"

    def authenticate(self, request: Request) -> "AuthorizedCaller":
        """Return the caller and their role in the organization.

        Raises:
            MissingBearer, InvalidToken, TokenExpired, SessionEnded: there is no valid token.
            InvalidFields: the header is missing.
            InsufficientLevel: the deployment asks for a second factor, and the session has not shown it.
            NotAMember: the caller does not belong to the organization.
        """
        organization_id = request.headers.get(ORGANIZATION_HEADER)
        caller = self.authorizer.authorize(request.bearer(), organization_id)
        if not organization_id:
            raise InvalidFields((FieldError(ORGANIZATION_HEADER, "The header is required"),))
        return caller


@dataclass(frozen=True, slots=True)
class ApiKeyHolder:
    """The holder of one of the deployment's API keys, publishable or secret, in the header `apikey`."""

    credentials: ClassVar[tuple[str, ...]] = ("apikey",)
    errors: ClassVar[tuple[str, ...]] = ("invalid_api_key",)
    api_keys: ApiKeys

    def authenticate(self, request: Request) -> KeyKind:
        """Return which key it is.

        Raises:
            InvalidApiKey: there is none, or it is no key of this deployment.
        """
        return self.api_keys.kind_of(request.headers.get("apikey"))


@dataclass(frozen=True, slots=True)
class ApiKeyAndCaptcha:
    """The holder of an API key who has solved a CAPTCHA, where the deployment asks for that."""

    credentials: ClassVar[tuple[str, ...]] = ("apikey",)
    errors: ClassVar[tuple[str, ...]] = ("invalid_api_key", "captcha_failed")
    api_keys: "ApiKeys"
    captcha: "Captcha | None"

    def authenticate(self, request: Request) -> "KeyKind":
        """Return which key it is.

        Raises:
            InvalidApiKey: there is none, or it is no key of this deployment.
            CaptchaFailed: the body has no valid CAPTCHA token, and the key is not the secret one.
        """
        key = self.api_keys.kind_of(request.headers.get("apikey"))
        if self.captcha is not None:
            self.captcha.check(key, captcha_token(request), request.source_ip)
        return key


def captcha_token(request: Request) -> str | None:
    """Return the CAPTCHA token in the body's `gotrue_meta_security`, None if there is none."""
    security = request.body.get("gotrue_meta_security")
    token = security.get("captcha_token") if isinstance(security, dict) else None
    return token if isinstance(token, str) else None


@dataclass(frozen=True, slots=True)
class ApiKeyAndToken:
    """The holder of an API key and the bearer of a token that the handler verifies itself."""

    credentials: ClassVar[tuple[str, ...]] = ("apikey", "access token")
    errors: ClassVar[tuple[str, ...]] = ("invalid_api_key", "no_authorization")
    api_keys: ApiKeys

    def authenticate(self, request: Request) -> str:
        """Return the token.

        Raises:
            InvalidApiKey: there is no API key, or it is no key of this deployment.
            MissingBearer: there is no token.
        """
        self.api_keys.kind_of(request.headers.get("apikey"))
        return request.bearer()


@dataclass(frozen=True, slots=True)
class ApiKeyAndUser:
    """The holder of an API key who is signed in, as a guest or with a registered account, by an access token."""

    credentials: ClassVar[tuple[str, ...]] = ("apikey", "access token")
    errors: ClassVar[tuple[str, ...]] = ("invalid_api_key", *ACCESS_TOKEN_ERRORS)
    api_keys: ApiKeys
    sessions: "Sessions"

    def authenticate(self, request: Request) -> "Authenticated":
        """Return the account and its session, as they are in the tables.

        Raises:
            InvalidApiKey: there is no API key, or it is no key of this deployment.
            MissingBearer, InvalidToken, TokenExpired, SessionEnded: there is no valid token.
        """
        self.api_keys.kind_of(request.headers.get("apikey"))
        return self.sessions.authenticate(request.bearer())


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """An administrator: the holder of an API key whose bearer is the secret key. Every call is logged once.

    Keys are compared as text, and no JWT is verified. (docs/decisions/0029-administrators.md)
    """

    credentials: ClassVar[tuple[str, ...]] = ("apikey", "secret key")
    errors: ClassVar[tuple[str, ...]] = ("invalid_api_key", "no_authorization", "bad_jwt", "not_admin")
    api_keys: ApiKeys
    log_event: LogEvent

    def authenticate(self, request: Request) -> None:
        """Let an administrator through.

        Raises:
            InvalidApiKey: there is no API key, or it is no key of this deployment.
            MissingBearer: there is no bearer.
            SecretKeyRequired: the bearer is the publishable key, or has the form of a token.
            UnknownBearer: the bearer is anything else.
        """
        self.api_keys.kind_of(request.headers.get("apikey"))
        bearer = request.bearer()
        try:
            kind = self.api_keys.kind_of(bearer)
        except InvalidApiKey:
            if _JWT.fullmatch(bearer):
                raise SecretKeyRequired from None
            raise UnknownBearer from None
        if kind is not KeyKind.SECRET:
            raise SecretKeyRequired
        user_id = request.path_parameters.get("user_id", "")
        subject = {"user_id": user_id} if _UUID.fullmatch(user_id) else {}
        self.log_event("admin_called", method=request.method, route=request.route, client=request.source_ip, **subject)
