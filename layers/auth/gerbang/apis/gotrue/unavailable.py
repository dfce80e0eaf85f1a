"""Features of Supabase Auth that Gerbang does not have, with the errors that its clients expect instead of a 404."""

from collections.abc import Mapping
from typing import Final

from gerbang.accounts.sign_up_policy import ManualLinkingDisabled
from gerbang.core.errors import AuthError
from gerbang.http.request import NoSuchPath


class PasskeysDisabled(AuthError):
    """Passkeys are not supported."""

    code = "passkey_disabled"


class SamlDisabled(AuthError):
    """Single sign-on by SAML is not supported."""

    code = "saml_provider_disabled"


class PhoneFactorsDisabled(AuthError):
    """Phones are not supported as factors."""

    code = "mfa_phone_enroll_not_enabled"


class SecurityKeysDisabled(AuthError):
    """Security keys are not supported as factors."""

    code = "mfa_webauthn_enroll_not_enabled"


class Web3Disabled(AuthError):
    """Signing in with a wallet is not supported."""

    code = "web3_provider_disabled"


_BASE: Final = "/auth/v1/"

_FEATURES: Final[Mapping[str, type[AuthError]]] = {
    "passkeys": PasskeysDisabled,
    "sso": SamlDisabled,
    "user/identities": ManualLinkingDisabled,
}
"""The errors by the beginning of the path, below the base."""

ERRORS: Final = (*_FEATURES.values(), NoSuchPath)
"""The errors of paths without an endpoint."""


def error_of(path: str) -> AuthError:
    """Return the error of a path without an endpoint."""
    below = f"{path.removeprefix(_BASE)}/" if path.startswith(_BASE) else ""
    return next((error() for feature, error in _FEATURES.items() if below.startswith(f"{feature}/")), NoSuchPath())
