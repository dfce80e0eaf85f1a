"""Identities from verified ID tokens, in the form that a sign-in takes."""

from typing import TYPE_CHECKING

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.apis.fields import clean_name

if TYPE_CHECKING:
    from gerbang.accounts.provider_identity import ProviderIdentity


def verified_identity(identity: "ProviderIdentity", *, name: str = "") -> VerifiedIdentity:
    """Return an identity to sign in with, its name as we accept it; *name* is used if the provider has none."""
    return VerifiedIdentity(
        provider=identity.provider,
        subject=identity.subject,
        email=identity.email,
        email_verified=identity.email_verified,
        name=clean_name(identity.name) or name,
        issuer=identity.issuer,
        profile=identity.profile,
    )
