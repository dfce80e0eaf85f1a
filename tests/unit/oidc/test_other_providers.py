"""gerbang.accounts.oidc: providers other than Google."""

import pytest
from gerbang.accounts.oidc_provider import Provider
from gerbang.accounts.provider_identity import IdTokenFlaw

from tests.unit.id_tokens import KID, Claims, elliptic_jwk, good_claims, jwk, signed, signed_with_es256, token_with
from tests.unit.oidc.verifying import flaw_of, verifier_of


class TestOtherProviders:
    """Providers other than Google, each with its configuration."""

    KEYCLOAK = Provider(
        name="keycloak",
        issuers=frozenset({"https://id.example/realms/shop"}),
        client_ids=frozenset({"shop-app"}),
        jwks_url="https://id.example/realms/shop/protocol/openid-connect/certs",
        algorithms=("RS256", "ES256"),
    )
    MICROSOFT = Provider(
        name="azure",
        issuers=frozenset({"https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0"}),
        client_ids=frozenset({"6731de76-14a6-49ae-97bc-6eba6914391e"}),
        jwks_url="https://login.microsoftonline.com/common/discovery/v2.0/keys",
        requires_verified_email=False,
    )

    def claims_for(self, provider: Provider) -> Claims:
        return {**good_claims(), "iss": next(iter(provider.issuers)), "aud": next(iter(provider.client_ids))}

    @pytest.mark.parametrize("members", [{}, {"alg": "ES256", "use": "sig"}])
    def test_a_provider_may_sign_with_es256(self, members: Claims) -> None:
        claims = self.claims_for(self.KEYCLOAK)
        verifier = verifier_of(self.KEYCLOAK, jwk(), elliptic_jwk("elliptic", **members))

        assert verifier.verify(signed_with_es256(claims, "elliptic")).subject == claims["sub"]
        assert verifier.verify(signed(claims)).subject == claims["sub"]

    def test_a_key_verifies_only_its_own_algorithm(self) -> None:
        claims = self.claims_for(self.KEYCLOAK)
        verifier = verifier_of(self.KEYCLOAK, jwk(), elliptic_jwk("elliptic"))

        assert flaw_of(verifier, signed(claims, kid="elliptic")) is IdTokenFlaw.ALGORITHM
        assert flaw_of(verifier, signed_with_es256(claims, KID)) is IdTokenFlaw.ALGORITHM

    def test_a_token_of_another_provider_is_rejected(self) -> None:
        verifier = verifier_of(self.KEYCLOAK, jwk())

        assert flaw_of(verifier, signed()) is IdTokenFlaw.ISSUER
        assert flaw_of(verifier, token_with(iss=next(iter(self.KEYCLOAK.issuers)))) is IdTokenFlaw.AUDIENCE

    def test_an_unverified_address_is_accepted_where_none_is_required(self) -> None:
        claims = self.claims_for(self.MICROSOFT)
        verifier = verifier_of(self.MICROSOFT, jwk())
        del claims["email_verified"]

        unverified = verifier.verify(signed(claims))
        assert (unverified.email, unverified.email_verified) == ("Ana@Example.com", False)
        del claims["email"]
        assert verifier.verify(signed(claims)).email == ""

    @pytest.mark.parametrize("address", ["", "ana", "a@" + "b" * 253, "ana\r\n@example.com", 7, None])
    def test_a_malformed_address_is_never_verified(self, address: object) -> None:
        claims = {**self.claims_for(self.MICROSOFT), "email": address, "email_verified": True}

        assert not verifier_of(self.MICROSOFT, jwk()).verify(signed(claims)).email_verified

    def test_an_identity_has_the_provider_and_the_issuer(self) -> None:
        identity = verifier_of(self.KEYCLOAK, jwk()).verify(signed(self.claims_for(self.KEYCLOAK)))

        assert (identity.provider, identity.issuer) == ("keycloak", "https://id.example/realms/shop")
