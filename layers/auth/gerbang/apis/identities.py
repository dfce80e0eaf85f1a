"""Provider identities that an ID token proves, as the APIs hand them on."""

from typing import TYPE_CHECKING

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.apis.fields import clean_name

if TYPE_CHECKING:
    from gerbang.accounts.provider_identity import ProviderIdentity


def verified_identity(proven: "ProviderIdentity", *, name: str = "") -> VerifiedIdentity:
    """Return an identity to sign in with, its name as we accept one; *name* is taken where the provider has none."""
    return VerifiedIdentity(
        provider=proven.provider,
        subject=proven.subject,
        email=proven.email,
        email_verified=proven.email_verified,
        name=clean_name(proven.name) or name,
        issuer=proven.issuer,
        profile=proven.profile,
    )
