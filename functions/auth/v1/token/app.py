"""POST /auth/v1/token: exchange a password, a token or an authorization code for a session."""

from gerbang.accounts.sign_in import Credentials
from gerbang.apis import gotrue
from gerbang.apis.gotrue import grants, requests, unavailable
from gerbang.apis.identities import verified_identity
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndCaptcha, ApiKeyAndUser, ApiKeyHolder
from gerbang.http.conditions import QueryIs, QueryIsAndBodySets
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.sessions import Authenticated, SignedIn

endpoint = Endpoint("/auth/v1/token")
id_tokens, sessions = container.id_tokens, container.sessions
users = container.users
pkce_flows = container.pkce_flows
identity_sign_in = container.supabase_identity_sign_in
linked_identities, policy = container.linked_identities, container.sign_up_policy
sign_in = container.supabase_password_sign_in
key_holder = ApiKeyHolder(container.api_keys)
visitor = ApiKeyAndCaptcha(container.api_keys, container.captcha)
user = ApiKeyAndUser(container.api_keys, sessions)
container.warm_up_tokens()
container.warm_up_users(connections=4)


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "password"),
    caller=visitor,
    request=requests.PasswordRequest,
    response=gotrue.SessionResponse,
    errors=grants.PASSWORD,
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
    errors=grants.REFRESH_TOKEN,
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
    errors=grants.LINKING,
    overrides=gotrue.LINKING_ERRORS,
)
def link_identity(call: Call[requests.IdTokenRequest, Authenticated]) -> gotrue.SessionResponse:
    """Link the identity of an OpenID provider's ID token to the caller's account."""
    policy.check_linking()
    identity = verified_identity(id_tokens.verify(call.body.shown()))
    return _session(linked_identities.link(call.caller, identity, call.client))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "id_token"),
    caller=key_holder,
    request=requests.IdTokenRequest,
    response=gotrue.SessionResponse,
    errors=grants.ID_TOKEN,
    overrides=gotrue.ID_TOKEN_ERRORS,
)
def exchange_id_token(call: Call[requests.IdTokenRequest, KeyKind]) -> gotrue.SessionResponse:
    """Sign in with the ID token of an OpenID provider; makes the account the first time."""
    identity = verified_identity(id_tokens.verify(call.body.shown()))
    return _session(identity_sign_in.sign_in(identity, call.client))


@endpoint.post(
    gotrue.API,
    when=QueryIs("grant_type", "pkce"),
    caller=key_holder,
    request=requests.PkceRequest,
    response=gotrue.SessionResponse,
    errors=grants.PKCE,
    overrides=gotrue.PASSWORD_ERRORS,
)
def exchange_authorization_code(call: Call[requests.PkceRequest, KeyKind]) -> gotrue.SessionResponse:
    """Exchange the code that a mailed link has brought, and the verifier, for a session (PKCE)."""
    return _session(pkce_flows.exchange(call.body.auth_code, call.body.code_verifier, call.client))


@endpoint.post(gotrue.API, caller=key_holder, errors=(requests.UnsupportedGrantType, unavailable.Web3Disabled))
def other_grant(call: Call[None, KeyKind]) -> None:
    """Answer with an error to any other grant."""
    grant_type = call.request.query.get("grant_type")
    raise unavailable.Web3Disabled if grant_type == "web3" else requests.UnsupportedGrantType


def _session(signed_in: SignedIn) -> gotrue.SessionResponse:
    return gotrue.session(signed_in, users.identities_of(signed_in.user))


handler = endpoint.handler()
