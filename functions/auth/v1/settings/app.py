"""GET /auth/v1/settings: what clients may offer their users."""

from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/settings")
policy = container.sign_up_policy
settings = container.settings
providers = [each.name for each in settings.oidc_providers] + (["google"] if settings.google_client_ids else [])


@endpoint.get(gotrue.API, caller=ApiKeyHolder(container.api_keys), response=gotrue.SettingsResponse)
def show_settings(_call: Call[None, KeyKind]) -> gotrue.SettingsResponse:
    """Return which ways to sign in there are, and whether new accounts are accepted."""
    return gotrue.settings(
        guests=policy.takes_guests,
        sign_ups=policy.takes_accounts,
        autoconfirm=policy.autoconfirm,
        providers=providers,
    )


handler = endpoint.handler()
