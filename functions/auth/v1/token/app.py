"""POST /auth/v1/token: exchange a password, a refresh token or an ID token for a session."""

from gerbang.accounts.id_tokens import ID_TOKEN_ERRORS
from gerbang.accounts.identity_sign_in import IDENTITY_ERRORS
from gerbang.accounts.linked_identities import LINKING_ERRORS
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import gotrue
from gerbang.apis.gotrue import requests, unavailable
from gerbang.apis.identities import verified_identity
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha, ApiKeyAndUser, ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint, QueryIs, QueryIsAndBodySets
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import REFRESH_ERRORS, Authenticated, SignedIn

endpoint = Endpoint("/auth/v1/token")
id_tokens = container.id_tokens
sessions = container.sessions
users = container.users
identity_sign_in = container.identity_sign_in
linked_identities, policy = container.linked_identities, container.sign_up_policy
sign_in = container.supabase_password_sign_in
key_holder = ApiKeyHolder(container.api_keys)
visitor = ApiKeyAndCaptcha(container.api_keys, container.captcha)
user = ApiKeyAndUser(container.api_keys, sessions)
container.warm_up_tokens()
container.warm_up_users(connections=5)


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "password"),
    caller=visitor,
    request=requests.PasswordRequest,
    response=gotrue.SessionResponse,
    errors=(requests.PhoneProviderDisabled, InvalidCredentials, EmailNotVerified, AccountDisabled, TooManyAttempts),
    overrides=gotrue.PASSWORD_ERRORS,
)
def exchange_password(call: Call[requests.PasswordRequest, KeyKind]) -> gotrue.SessionResponse:
    """Sign in with an e-mail address and a password."""
    credentials = Credentials.by_email(call.body.address, call.body.password)
    return _session(sign_in.sign_in(credentials, call.client))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "refresh_token"),
    caller=key_holder,
    request=requests.RefreshRequest,
    response=gotrue.SessionResponse,
    errors=REFRESH_ERRORS,
    overrides=gotrue.REFRESH_ERRORS,
)
def exchange_refresh_token(call: Call[requests.RefreshRequest, KeyKind]) -> gotrue.SessionResponse:
    """Exchange a refresh token for the next session."""
    return _session(sessions.refresh(call.body.refresh_token))


@endpoint.post(
    gotrue.API,
    when=QueryIsAndBodySets("grant_type", "id_token", "link_identity"),
    caller=user,
    request=requests.IdTokenRequest,
    response=gotrue.SessionResponse,
    errors=(*ID_TOKEN_ERRORS, *LINKING_ERRORS),
    overrides=gotrue.LINKING_ERRORS,
)
def link_identity(call: Call[requests.IdTokenRequest, Authenticated]) -> gotrue.SessionResponse:
    """Link the identity of an OpenID provider's ID token to the caller's account."""
    policy.check_linking()
    proven = id_tokens.verify(call.body.shown())
    return _session(linked_identities.link(call.caller, verified_identity(proven), call.client))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "id_token"),
    caller=key_holder,
    request=requests.IdTokenRequest,
    response=gotrue.SessionResponse,
    errors=(*ID_TOKEN_ERRORS, *IDENTITY_ERRORS),
    overrides=gotrue.ID_TOKEN_ERRORS,
)
def exchange_id_token(call: Call[requests.IdTokenRequest, KeyKind]) -> gotrue.SessionResponse:
    """Sign in with the ID token of an OpenID provider; makes the account the first time."""
    proven = id_tokens.verify(call.body.shown())
    return _session(identity_sign_in.sign_in(verified_identity(proven), call.client))


@endpoint.post(gotrue.API, when=QueryIs("grant_type", "web3"), caller=key_holder, errors=(unavailable.Web3Disabled,))
def exchange_wallet_message(_call: Call[None, KeyKind]) -> None:
    """Say that signed messages of wallets are not accepted."""
    raise unavailable.Web3Disabled


@endpoint.post(gotrue.API, caller=key_holder, errors=(requests.UnsupportedGrantType,))
def other_grant(_call: Call[None, KeyKind]) -> None:
    """Answer 400 to any other grant."""
    raise requests.UnsupportedGrantType


def _session(signed_in: SignedIn) -> gotrue.SessionResponse:
    return gotrue.session(signed_in, users.identities_of(signed_in.user))


handler = endpoint.handler()
