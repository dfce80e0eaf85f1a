"""gerbang.apis.identities: the verified identity that is made from an ID token."""

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.provider_identity import ProviderIdentity
from gerbang.apis.identities import verified_identity

PROVIDER_IDENTITY = ProviderIdentity(
    provider="keycloak",
    issuer="https://id.example",
    subject="1234",
    email="Ada@example.com",
    email_verified=False,
    name=" Ada\n",
    profile={"locale": "id"},
)


def test_a_verified_identity_has_all_values_and_a_cleaned_name() -> None:
    assert verified_identity(PROVIDER_IDENTITY, name="Eve") == VerifiedIdentity(
        provider="keycloak",
        subject="1234",
        email="Ada@example.com",
        email_verified=False,
        name="Ada",
        issuer="https://id.example",
        profile={"locale": "id"},
    )
