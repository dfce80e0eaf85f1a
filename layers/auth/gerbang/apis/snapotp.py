"""SnapOTP: snake_case, `{success, data}`; errors `{success: false, message, errors?}`."""

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import StringConstraints

from gerbang.apis.fields import Body, Name, Typed, Username, cleaned_name, is_username
from gerbang.apis.refusals import problem_of
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.core.errors import AuthError
from gerbang.http import edge
from gerbang.storage.users import Name as UniqueName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gerbang.accounts.google import GoogleIdentity, GoogleVerifier
    from gerbang.accounts.identity_sign_in import VerifiedIdentity
    from gerbang.accounts.registration import NewAccount, Registered
    from gerbang.accounts.sign_in import Credentials
    from gerbang.passwords.policy import Requirement
    from gerbang.sessions.api_keys import ApiKeys
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.users import User

WRONG_CREDENTIALS: Final = "Invalid username or password"
"""Said of a failed sign-in, whatever failed."""


class LoginRequest(Body):
    """`POST /api/auth/login` with a user name, or an e-mail address in its place."""

    username: Typed
    password: Typed


class RegisterRequest(Body):
    """`POST /api/auth/register` with a user name."""

    username: Username
    email: Typed
    password: Typed
    name: Name


class RefreshRequest(Body):
    """`POST /api/auth/refresh` as SnapOTP's clients would write it."""

    refresh_token: Typed


class GoogleRequest(Body):
    """`POST /api/auth/google`: an ID token, or three fields from a trusted back end."""

    id_token: Typed | None = None
    google_id: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")] | None = None
    email: Typed | None = None
    name: Name | None = None


class ForgotPasswordRequest(Body):
    """`POST /api/auth/forgot-password`."""

    email: Typed


class ResetPasswordRequest(Body):
    """`POST /api/auth/reset-password`."""

    token: Typed
    password: Typed


class ChangePasswordRequest(Body):
    """`POST /api/auth/change-password`."""

    current_password: Typed
    new_password: Typed


class NoProof(AuthError):
    """A Google identity is claimed, and neither Google's signature nor the deployment's secret key vouches for it."""


class IdentityMismatch(AuthError):
    """The fields beside an ID token are not what it says."""


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal for SnapOTP's clients."""
    problem = problem_of(error, request)
    message = WRONG_CREDENTIALS if type(error).__name__ == "InvalidCredentials" else problem.message
    body: dict[str, Any] = {"success": False, "message": message}
    if problem.details:
        body["errors"] = [{"field": detail.field, "message": detail.message} for detail in problem.details]
    return edge.Response(problem.status, body, problem.headers)


get = edge.endpoint("GET", render)
"""Makes a handler of GET in this contract."""

post = edge.endpoint("POST", render)
"""Makes a handler of POST in this contract."""


def credentials(request: edge.Request) -> "Credentials":
    """Return what a sign-in shows: a user name or, where there is an `@`, an e-mail address.

    Raises:
        InvalidCredentials: it is of neither form, so it is nobody's.
    """
    from gerbang.accounts.sign_in import Credentials, InvalidCredentials

    body = request.parse(LoginRequest)
    if "@" in body.username:
        try:
            return Credentials(name=UniqueName.EMAIL, value=canonical(body.username), password=body.password)
        except InvalidEmail:
            raise InvalidCredentials(None) from None
    if not is_username(body.username):
        raise InvalidCredentials(None)
    return Credentials(name=UniqueName.USERNAME, value=body.username.lower(), password=body.password)


def password_requirements() -> "Sequence[Requirement]":
    """Return what the contract asks of a password beyond its length: nothing."""
    return ()


def new_account(request: edge.Request) -> "NewAccount":
    """Return the account that a registration asks for; it founds no organisation."""
    from gerbang.accounts.registration import NewAccount
    from gerbang.apis.languages import locale_of

    body = request.parse(RegisterRequest)
    return NewAccount(
        email=body.email,
        password=body.password,
        name=body.name,
        username=body.username,
        locale=locale_of(request),
    )


def registered(made: "Registered") -> edge.Response:
    """Return 201 with the new account's first session."""
    return edge.Response(201, _session(made.signed_in))


def email_of(request: edge.Request) -> str:
    """Return the address, canonical, that a request names."""
    return canonical(request.parse(ForgotPasswordRequest).email)


def refresh_token_of(request: edge.Request) -> str:
    """Return the refresh token that a request wants to trade."""
    return request.parse(RefreshRequest).refresh_token


def refreshed(session: "SignedIn") -> edge.Response:
    """Return 200 with the next session."""
    return signed_in(session)


def google_identity(request: edge.Request, verifier: "GoogleVerifier", api_keys: "ApiKeys") -> "VerifiedIdentity":
    """Return the Google identity that a request proves: by Google's signature, or by the deployment's secret key.

    Raises:
        NoProof: by neither.
        InvalidIdToken: the ID token is not good.
        IdentityMismatch: fields beside it say otherwise.
        InvalidEmail: the address beside it, or Google's own, is none that we could keep.
        InvalidFields: a trusted back end left a field out.
        DependencyUnavailable: Google's keys, or ours, could not be had.
    """
    body = request.parse(GoogleRequest)
    if body.id_token is not None:
        return _as_signed(verifier.verify(body.id_token), body)
    _demand_secret_key(request, api_keys)
    return _as_vouched_for(body)


def _as_signed(verified: "GoogleIdentity", body: GoogleRequest) -> "VerifiedIdentity":
    """Return the identity that Google signed, if the fields beside it say nothing else."""
    from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity

    name = cleaned_name(verified.name)
    agree = (
        body.google_id in {None, verified.subject},
        body.email is None or canonical(body.email) == canonical(verified.email),
        body.name is None or not name or cleaned_name(body.name) == name,  # a credential without a name denies none
    )
    if not all(agree):
        raise IdentityMismatch
    return VerifiedIdentity(
        provider=GOOGLE, subject=verified.subject, email=verified.email, name=name or body.name or ""
    )


def _demand_secret_key(request: edge.Request, api_keys: "ApiKeys") -> None:
    from gerbang.sessions.api_keys import InvalidApiKey, KeyKind

    try:
        kind = api_keys.kind_of(request.headers.get("apikey"))
    except InvalidApiKey as unknown:
        raise NoProof from unknown
    if kind is not KeyKind.SECRET:
        raise NoProof


def _as_vouched_for(body: GoogleRequest) -> "VerifiedIdentity":
    """Return the identity that a trusted back end names, in full."""
    from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity

    if body.google_id is None or body.email is None or body.name is None:
        raise edge.InvalidFields(
            tuple(
                edge.FieldError(name, "Field required")
                for name in ("google_id", "email", "name")
                if getattr(body, name) is None
            )
        )
    return VerifiedIdentity(provider=GOOGLE, subject=body.google_id, email=body.email, name=body.name)


def done(message: str) -> edge.Response:
    """Return 200 with a sentence and nothing else."""
    return edge.ok({"success": True, "data": {"message": message}})


def signed_in(session: "SignedIn") -> edge.Response:
    """Return 200 with a session."""
    return edge.ok(_session(session))


def me(user: "User") -> edge.Response:
    """Return 200 with the account."""
    return edge.ok({"success": True, "data": _user(user)})


def _session(session: "SignedIn") -> dict[str, Any]:
    data = {
        "token": session.tokens.access_token,
        "refresh_token": session.tokens.refresh_token,
        "expires_in": int(session.tokens.expires_in.total_seconds()),
        "user": _user(session.user),
    }
    return {"success": True, "data": data}


def _user(user: "User") -> dict[str, Any]:
    return {
        "id": user.number,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "credit_balance": user.credit_balance,
        "role_id": user.role_id,
    }
