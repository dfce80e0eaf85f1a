"""POST /auth/v1/token: exchange a password, a refresh token or an ID token for a session."""

from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import gotrue
from gerbang.apis.gotrue.requests import PasswordRequest, PhoneProviderDisabled, RefreshRequest, UnsupportedGrantType
from gerbang.container import container
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint, QueryIs
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, UserDisabled

endpoint = Endpoint("/auth/v1/token")
sessions = container.sessions
sign_in = container.supabase_password_sign_in
key_holder = ApiKeyHolder(container.api_keys)
container.warm_up_tokens()
container.warm_up_users(connections=5)


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "password"),
    caller=key_holder,
    request=PasswordRequest,
    response=gotrue.SessionResponse,
    errors=(PhoneProviderDisabled, InvalidCredentials, EmailNotVerified, AccountDisabled, TooManyAttempts),
    overrides=gotrue.PASSWORD_ERRORS,
)
def exchange_password(call: Call[PasswordRequest, KeyKind]) -> gotrue.SessionResponse:
    """Sign in with an e-mail address and a password."""
    credentials = Credentials.by_email(call.body.address(), call.body.password)
    return gotrue.session(sign_in.sign_in(credentials, call.client))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "refresh_token"),
    caller=key_holder,
    request=RefreshRequest,
    response=gotrue.SessionResponse,
    errors=(InvalidToken, SessionEnded, UserDisabled, RefreshTokenReused),
    overrides=gotrue.REFRESH_ERRORS,
)
def exchange_refresh_token(call: Call[RefreshRequest, KeyKind]) -> gotrue.SessionResponse:
    """Exchange a refresh token for the next session."""
    return gotrue.session(sessions.refresh(call.body.refresh_token))


@endpoint.post(gotrue.API, caller=key_holder, errors=(UnsupportedGrantType,))
def other_grant(_call: Call[None, KeyKind]) -> None:
    """Answer 400 to any other grant."""
    raise UnsupportedGrantType


handler = endpoint.handler()
