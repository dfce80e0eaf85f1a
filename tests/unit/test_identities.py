"""gerbang.apis.identities: what of a proven identity is handed on, and as what."""

from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.provider_identity import ProviderIdentity
from gerbang.apis.identities import verified_identity

PROVEN = ProviderIdentity(
    provider="keycloak",
    issuer="https://id.example",
    subject="1234",
    email="Ada@example.com",
    email_verified=False,
    name=" Ada\n",
    profile={"locale": "id"},
)


def test_everything_is_handed_on_with_the_name_as_we_accept_one() -> None:
    assert verified_identity(PROVEN, name="Eve") == VerifiedIdentity(
        provider="keycloak",
        subject="1234",
        email="Ada@example.com",
        email_verified=False,
        name="Ada",
        issuer="https://id.example",
        profile={"locale": "id"},
    )
