"""POST /auth/v1/token: exchange a password, a refresh token or an ID token for a session."""

from gerbang.accounts.id_tokens import ProviderDisabled, UnknownProvider
from gerbang.accounts.identity_sign_in import LinkedToAnother, ProviderEmailUnverified
from gerbang.accounts.provider_identity import InvalidIdToken
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import gotrue
from gerbang.apis.gotrue.requests import (
    IdTokenRequest,
    PasswordRequest,
    PhoneProviderDisabled,
    RefreshRequest,
    UnsupportedGrantType,
)
from gerbang.apis.gotrue.unavailable import ManualLinkingDisabled, Web3Disabled
from gerbang.apis.identities import verified_identity
from gerbang.container import container
from gerbang.core.emails import InvalidEmail
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint, QueryIs
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, SignedIn, UserDisabled

endpoint = Endpoint("/auth/v1/token")
id_tokens = container.id_tokens
sessions = container.sessions
users = container.users
identity_sign_in = container.identity_sign_in
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
    credentials = Credentials.by_email(call.body.address, call.body.password)
    return _session(sign_in.sign_in(credentials, call.client))


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
    return _session(sessions.refresh(call.body.refresh_token))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "id_token"),
    caller=key_holder,
    request=IdTokenRequest,
    response=gotrue.SessionResponse,
    errors=(
        UnknownProvider,
        ProviderDisabled,
        InvalidIdToken,
        ManualLinkingDisabled,
        ProviderEmailUnverified,
        InvalidEmail,
        SignUpDisabled,
        LinkedToAnother,
        AccountDisabled,
        TooManyAttempts,
    ),
    overrides=gotrue.ID_TOKEN_ERRORS,
)
def exchange_id_token(call: Call[IdTokenRequest, KeyKind]) -> gotrue.SessionResponse:
    """Sign in with the ID token of an OpenID provider; makes the account the first time."""
    if call.body.link_identity:
        raise ManualLinkingDisabled
    proven = id_tokens.verify(call.body.shown())
    return _session(identity_sign_in.sign_in(verified_identity(proven), call.client))


@endpoint.post(gotrue.API, when=QueryIs("grant_type", "web3"), caller=key_holder, errors=(Web3Disabled,))
def exchange_wallet_message(_call: Call[None, KeyKind]) -> None:
    """Say that signed messages of wallets are not accepted."""
    raise Web3Disabled


@endpoint.post(gotrue.API, caller=key_holder, errors=(UnsupportedGrantType,))
def other_grant(_call: Call[None, KeyKind]) -> None:
    """Answer 400 to any other grant."""
    raise UnsupportedGrantType


def _session(signed_in: SignedIn) -> gotrue.SessionResponse:
    return gotrue.session(signed_in, users.identities_of(signed_in.user))


handler = endpoint.handler()
