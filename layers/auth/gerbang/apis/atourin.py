"""Atourin: snake_case, `{data, info, msg, status, code}`; errors the same, `status: false`."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from gerbang.apis.fields import Body, Name, Typed, instant
from gerbang.apis.refusals import problem_of
from gerbang.core.emails import canonical
from gerbang.http import edge
from gerbang.storage.users import Name as UniqueName

if TYPE_CHECKING:
    from gerbang.accounts.code_sign_in import Redeemed
    from gerbang.accounts.registration import NewAccount
    from gerbang.accounts.sign_in import Credentials
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.users import User

REGISTERED: Final = "Pendaftaran berhasil, silakan cek email untuk verifikasi"
"""What a registration is answered with, word for word (contract)."""


class EmailRequest(Body):
    """`POST /auth/otp`."""

    email: Typed


class CodeRequest(Body):
    """`POST /auth/verify_otp`."""

    email: Typed
    otp: Typed


class LoginRequest(Body):
    """`POST /auth/login_with_email_password` and `/auth/verify_legacy_password`."""

    email: Typed
    password: Typed


class RegisterRequest(Body):
    """`POST /auth/register`."""

    name: Name
    email: Typed
    password: Typed


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal for Atourin's clients: `msg` is the status' phrase, `info` says what is wrong."""
    problem = problem_of(error, request)
    details = "; ".join(f"{detail.field}: {detail.message}" for detail in problem.details)
    body = {
        "status": False,
        "code": problem.status,
        "info": details or problem.message,
        "msg": HTTPStatus(problem.status).phrase,
    }
    return edge.Response(problem.status, body, problem.headers)


get = edge.endpoint("GET", render)
"""Makes a handler of GET in this contract."""

post = edge.endpoint("POST", render)
"""Makes a handler of POST in this contract."""


def email_of(request: edge.Request) -> str:
    """Return the address, canonical, that a request names."""
    return canonical(request.parse(EmailRequest).email)


def code_of(request: edge.Request) -> tuple[str, str]:
    """Return the address, canonical, and the code that was mailed to it."""
    body = request.parse(CodeRequest)
    return canonical(body.email), body.otp


def credentials(request: edge.Request) -> "Credentials":
    """Return what a sign-in shows."""
    from gerbang.accounts.sign_in import Credentials

    body = request.parse(LoginRequest)
    return Credentials(name=UniqueName.EMAIL, value=canonical(body.email), password=body.password)


def new_account(request: edge.Request) -> "NewAccount":
    """Return the account that a registration asks for; it founds no organisation."""
    from gerbang.accounts.registration import NewAccount
    from gerbang.apis.languages import locale_of

    body = request.parse(RegisterRequest)
    return NewAccount(email=body.email, password=body.password, name=body.name, locale=locale_of(request))


def code_sent() -> edge.Response:
    """Return 200, whether or not anybody has the address."""
    return edge.ok({"info": "Success send OTP", "msg": "Ok"})


def signed_in(session: "SignedIn", info: str) -> edge.Response:
    """Return 200 with a session; *info* says what was done."""
    return edge.ok(_session(session, info))


def code_redeemed(redeemed: "Redeemed") -> edge.Response:
    """Return 200 with the session that a code opened; says whether a password was removed (contract)."""
    body = _session(redeemed.signed_in, "Success verify OTP")
    if redeemed.password_removed:
        body["data"]["password_removed"] = True
    return edge.ok(body)


def _session(session: "SignedIn", info: str) -> dict[str, Any]:
    tokens = session.tokens
    data = {
        "access_token": tokens.access_token,
        "token_type": "bearer",
        "expires_in": int(tokens.expires_in.total_seconds()),
        "expires_at": int(tokens.expires_at.timestamp()),
        "refresh_token": tokens.refresh_token,
        "user": _user(session.user),
    }
    return {"status": True, "code": 200, "info": info, "msg": "Ok", "data": data}


def registered(user: "User") -> edge.Response:
    """Return 200 with the new account; it is signed in only by a code or its password."""
    data = {
        "id": user.user_id,
        "email": user.email,
        "created_at": instant(user.created_at),
        "info": REGISTERED,
    }
    return edge.ok({"code": 200, "status": True, "msg": "Ok", "info": REGISTERED, "data": data})


def signed_out() -> edge.Response:
    """Return 200: the session is gone."""
    return edge.ok({"code": 200, "info": "Success logout user", "msg": "Ok", "status": True})


def _user(user: "User") -> dict[str, Any]:
    return {"id": user.user_id, "email": user.email or "", "user_metadata": {"name": user.name}}
