"""The answers of SnapOTP's API."""

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.accounts import User as Account


class User(TypedDict):
    """An account as SnapOTP's clients read it; `id` is an integer of 31 bits."""

    id: int | None
    username: str | None
    name: str
    email: str | None
    credit_balance: int
    role_id: int


class Session(TypedDict):
    """A session; `expires_in` is in seconds."""

    token: str
    refresh_token: str
    expires_in: int
    user: User


class Message(TypedDict):
    """What was done."""

    message: str


class SessionResponse(TypedDict):
    """A session."""

    success: Literal[True]
    data: Session


class UserResponse(TypedDict):
    """An account."""

    success: Literal[True]
    data: User


class MessageResponse(TypedDict):
    """What was done."""

    success: Literal[True]
    data: Message


def session(signed_in: "SignedIn") -> SessionResponse:
    """Return the answer with a session."""
    data = Session(
        token=signed_in.tokens.access_token,
        refresh_token=signed_in.tokens.refresh_token,
        expires_in=int(signed_in.tokens.expires_in.total_seconds()),
        user=_user(signed_in.user),
    )
    return SessionResponse(success=True, data=data)


def user(account: "Account") -> UserResponse:
    """Return the answer with an account."""
    return UserResponse(success=True, data=_user(account))


def message(text: str) -> MessageResponse:
    """Return the answer that says what was done."""
    return MessageResponse(success=True, data=Message(message=text))


def _user(account: "Account") -> User:
    return User(
        id=account.number,
        username=account.username,
        name=account.name,
        email=account.email,
        credit_balance=account.credit_balance,
        role_id=account.role_id,
    )
