"""The answers of Atourin's API."""

from typing import TYPE_CHECKING, Final, Literal, NotRequired, TypedDict

from gerbang.core.clock import rfc3339

if TYPE_CHECKING:
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.accounts import User as Account

REGISTERED: Final = "Pendaftaran berhasil, silakan cek email untuk verifikasi"
"""The `info` of a registration, word for word."""


class UserMetadata(TypedDict):
    """What the user says of themselves."""

    name: str


class User(TypedDict):
    """An account as Atourin's clients read it; `id` is a UUID."""

    id: str
    email: str
    user_metadata: UserMetadata


class Session(TypedDict):
    """A session; `expires_in` is in seconds, `expires_at` in seconds since 1970."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    expires_at: int
    refresh_token: str
    user: User
    password_removed: NotRequired[bool]


class Registration(TypedDict):
    """A new account; `created_at` is RFC 3339."""

    id: str
    email: str | None
    created_at: str
    info: str


class SessionResponse(TypedDict):
    """A session and what was done."""

    status: Literal[True]
    code: int
    info: str
    msg: str
    data: Session


class RegistrationResponse(TypedDict):
    """A new account and what was done."""

    code: int
    status: Literal[True]
    msg: str
    info: str
    data: Registration


class CodeSentResponse(TypedDict):
    """A code was requested."""

    info: str
    msg: str


class SignedOutResponse(TypedDict):
    """The session has ended."""

    code: int
    info: str
    msg: str
    status: Literal[True]


def session(signed_in: "SignedIn", info: str) -> SessionResponse:
    """Return the answer with a session; *info* says what was done."""
    tokens = signed_in.tokens
    account = signed_in.user
    data = Session(
        access_token=tokens.access_token,
        token_type="bearer",  # noqa: S106 - a kind of token, not one
        expires_in=int(tokens.expires_in.total_seconds()),
        expires_at=int(tokens.expires_at.timestamp()),
        refresh_token=tokens.refresh_token,
        user=User(id=account.user_id, email=account.email or "", user_metadata=UserMetadata(name=account.name)),
    )
    return SessionResponse(status=True, code=200, info=info, msg="Ok", data=data)


def registered(account: "Account") -> RegistrationResponse:
    """Return the answer with a new account, which is not signed in yet."""
    data = Registration(
        id=account.user_id, email=account.email, created_at=rfc3339(account.created_at), info=REGISTERED
    )
    return RegistrationResponse(code=200, status=True, msg="Ok", info=REGISTERED, data=data)


def code_sent() -> CodeSentResponse:
    """Return the answer to a request for a code, the same whether or not an account has the address."""
    return CodeSentResponse(info="Success send OTP", msg="Ok")


def signed_out() -> SignedOutResponse:
    """Return the answer to a sign-out."""
    return SignedOutResponse(code=200, info="Success logout user", msg="Ok", status=True)
