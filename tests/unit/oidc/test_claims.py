"""gerbang.accounts.oidc: issuer, audience, times, nonce and access token."""

import hashlib
import json
import time
from copy import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.accounts.oidc import CLOCK_SKEW, IdTokenVerifier
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken

from tests.unit.id_tokens import ANDROID, WEB, Claims, good_claims, signed, token_with, token_without
from tests.unit.oidc.providers import FakeKeyEndpoint
from tests.unit.oidc.verifying import GOOGLE, flaw_of

OF_ANOTHER_SERVICE = "9876-web.apps.googleusercontent.com"


class TestPurpose:
    """security.md 106: who issued the token, and for whom."""

    @pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
    def test_both_issuers_of_google_are_accepted(self, verifier: IdTokenVerifier, issuer: str) -> None:
        assert verifier.verify(token_with(iss=issuer)).subject

    @pytest.mark.covers("106")
    @pytest.mark.parametrize(
        "issuer",
        [
            "https://accounts.google.com/",
            "http://accounts.google.com",
            "https://accounts.google.com.evil.example",
            "ACCOUNTS.GOOGLE.COM",
            "https://securetoken.google.com/project",
            "",
            7,
            ["accounts.google.com"],
        ],
    )
    def test_other_issuers_are_rejected(self, verifier: IdTokenVerifier, issuer: object) -> None:
        assert flaw_of(verifier, token_with(iss=issuer)) is IdTokenFlaw.ISSUER

    @pytest.mark.covers("106")
    @pytest.mark.parametrize("audience", [OF_ANOTHER_SERVICE, 7, [7], [WEB, 7], [WEB, OF_ANOTHER_SERVICE], {WEB: 1}])
    def test_another_audience_is_rejected(self, verifier: IdTokenVerifier, audience: object) -> None:
        assert flaw_of(verifier, token_with(aud=audience)) is IdTokenFlaw.AUDIENCE

    @pytest.mark.parametrize("audience", [WEB, ANDROID, [WEB], [WEB, ANDROID]])
    def test_the_audience_may_be_any_configured_client_id(self, verifier: IdTokenVerifier, audience: object) -> None:
        assert verifier.verify(token_with(aud=audience)).subject

    @pytest.mark.parametrize("party", ["1234-another.apps.googleusercontent.com", "", None, [WEB], 7])
    def test_the_authorized_party_is_not_compared(self, verifier: IdTokenVerifier, party: object) -> None:
        """An Android app has an id of its own, which is the `azp` of tokens that it gets for our client."""
        assert verifier.verify(token_with(aud=WEB, azp=party)).subject

    def test_without_client_ids_every_token_is_rejected_without_fetching_keys(self, keys: FakeKeyEndpoint) -> None:
        provider = replace(GOOGLE, client_ids=frozenset())
        verifier = IdTokenVerifier(provider, fetch=keys, now=lambda: datetime.now(UTC))
        verifier.warm()

        assert flaw_of(verifier, signed()) is IdTokenFlaw.AUDIENCE
        assert keys.calls == 0

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp", "iat"])
    def test_the_required_claims_of_openid_connect_must_be_there(self, verifier: IdTokenVerifier, name: str) -> None:
        """security.md 66: PyJWT on its own accepts a token without `exp`."""
        assert flaw_of(verifier, token_without(name)) is IdTokenFlaw.MISSING_CLAIM
        assert flaw_of(verifier, token_with(**{name: None})) is IdTokenFlaw.MISSING_CLAIM


class TestTime:
    """F20; ASVS 9.2.1. Tokens are made relative to the system's clock, which PyJWT reads; steps are 5 s."""

    @pytest.mark.covers("106")
    def test_a_token_is_valid_until_a_minute_after_its_exp(self, verifier: IdTokenVerifier) -> None:
        now, leeway = time.time(), CLOCK_SKEW.total_seconds()

        assert timedelta(minutes=1) >= CLOCK_SKEW
        assert verifier.verify(token_with(exp=now - leeway + 5)).subject
        assert flaw_of(verifier, token_with(exp=now - leeway)) is IdTokenFlaw.EXPIRED

    @pytest.mark.covers("F20")
    @pytest.mark.parametrize("name", ["iat", "nbf"])
    def test_the_providers_clock_may_be_a_minute_ahead(self, verifier: IdTokenVerifier, name: str) -> None:
        now, leeway = time.time(), CLOCK_SKEW.total_seconds()

        assert verifier.verify(token_with(**{name: now + leeway})).subject
        assert flaw_of(verifier, token_with(**{name: now + leeway + 5})) is IdTokenFlaw.NOT_YET_VALID

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize("wrong", ["soon", [], {}, [1774267200]], ids=repr)
    def test_times_must_be_numbers(self, verifier: IdTokenVerifier, name: str, wrong: object) -> None:
        assert flaw_of(verifier, token_with(**{name: wrong})) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity"])
    def test_infinite_times_are_rejected(self, verifier: IdTokenVerifier, name: str, number: str) -> None:
        payload = json.dumps({**good_claims(), name: 0}).replace(f'"{name}": 0', f'"{name}": {number}').encode()

        assert flaw_of(verifier, signed(payload)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize(
        ("claim", "flaw"),
        [
            ({"exp": -(10**400)}, IdTokenFlaw.EXPIRED),
            ({"exp": True}, IdTokenFlaw.EXPIRED),
            ({"iat": 10**400}, IdTokenFlaw.NOT_YET_VALID),
            ({"nbf": 2**53 + 2}, IdTokenFlaw.NOT_YET_VALID),
        ],
        ids=str,
    )
    def test_very_large_numbers_are_compared_as_times(
        self, verifier: IdTokenVerifier, claim: Claims, flaw: IdTokenFlaw
    ) -> None:
        assert flaw_of(verifier, token_with(**claim)) is flaw

    def test_fractions_of_a_second_are_allowed(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify(token_with(exp=time.time() + 60.5)).subject


class TestNonce:
    """security.md 109; the token has the hex SHA-256 of the nonce that the client sends."""

    def test_a_token_with_the_nonce_is_accepted(self, verifier: IdTokenVerifier) -> None:
        """Known answer: NIST's SHA-256 example for the message "abc"."""
        hashed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

        assert verifier.verify(token_with(nonce=hashed), nonce="abc").subject

    @pytest.mark.covers("109")
    @pytest.mark.parametrize("claim", [None, "", "raw nonce", 7, "é", hashlib.sha256(b"raw nonce").hexdigest().upper()])
    def test_a_token_with_another_nonce_or_none_is_rejected(self, verifier: IdTokenVerifier, claim: object) -> None:
        assert flaw_of(verifier, token_with(nonce=claim), nonce="raw nonce") is IdTokenFlaw.NONCE
        assert flaw_of(verifier, token_without("nonce"), nonce="raw nonce") is IdTokenFlaw.NONCE

    @pytest.mark.parametrize("nonce", ["", "\ud800"], ids=["empty", "half a surrogate pair"])
    def test_an_empty_or_malformed_nonce_is_compared_too(self, verifier: IdTokenVerifier, nonce: str) -> None:
        assert flaw_of(verifier, signed(), nonce=nonce) is IdTokenFlaw.NONCE

    @pytest.mark.covers("109")
    @pytest.mark.parametrize("claim", ["something", hashlib.sha256(b"").hexdigest(), 7, 0, []])
    def test_a_token_with_a_nonce_requires_the_nonce(self, verifier: IdTokenVerifier, claim: object) -> None:
        """Else an attacker with a stolen token would leave the nonce out."""
        assert flaw_of(verifier, token_with(nonce=claim)) is IdTokenFlaw.NONCE

    @pytest.mark.parametrize("claim", [None, ""])
    def test_an_empty_nonce_claim_counts_as_none(self, verifier: IdTokenVerifier, claim: object) -> None:
        assert verifier.verify(token_with(nonce=claim)).subject

    def test_verify_with_any_nonce_ignores_the_nonce(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify_with_any_nonce(token_with(nonce="something")).subject
        assert verifier.verify_with_any_nonce(signed()).subject
        with pytest.raises(InvalidIdToken):
            verifier.verify_with_any_nonce(signed(by="mallory"))

    def test_the_nonce_is_compared_after_the_other_claims(self, verifier: IdTokenVerifier) -> None:
        for claim, flaw in (({"iss": "x"}, "issuer"), ({"exp": 1}, "expired"), ({"aud": "x"}, "audience")):
            assert flaw_of(verifier, token_with(**claim), nonce="raw nonce") == flaw


class TestAccessToken:
    """`at_hash`, OpenID Connect Core 1.0, sections 3.1.3.6 and 3.1.3.8."""

    ACCESS_TOKEN = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    AT_HASH = "77QmUPtjPfzWtF2AnpK9RQ"

    def test_the_access_token_of_the_id_token_is_accepted(self, verifier: IdTokenVerifier) -> None:
        """The tokens of the example in OpenID Connect Core 1.0, appendix A.3."""
        assert verifier.verify(token_with(at_hash=self.AT_HASH), access_token=self.ACCESS_TOKEN).subject

    @pytest.mark.parametrize("claim", ["", "77QmUPtjPfzWtF2AnpK9RQ==", "77qmuptjpfzwtf2anpk9rq", 7, [], "é"])
    def test_another_access_token_is_rejected(self, verifier: IdTokenVerifier, claim: object) -> None:
        assert flaw_of_access_token(verifier, token_with(at_hash=self.AT_HASH), "another") is IdTokenFlaw.ACCESS_TOKEN
        assert flaw_of_access_token(verifier, token_with(at_hash=self.AT_HASH), "\ud800") is IdTokenFlaw.ACCESS_TOKEN
        token = token_with(at_hash=claim)
        assert flaw_of_access_token(verifier, token, self.ACCESS_TOKEN) is IdTokenFlaw.ACCESS_TOKEN

    def test_without_a_hash_or_an_access_token_nothing_is_compared(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify(token_without("at_hash"), access_token="any").subject
        assert verifier.verify(token_with(at_hash=None), access_token="any").subject
        assert verifier.verify(token_with(at_hash=self.AT_HASH)).subject

    def test_the_access_token_is_compared_after_the_nonce(self, verifier: IdTokenVerifier) -> None:
        token = token_with(at_hash=self.AT_HASH, nonce="something")

        assert flaw_of_access_token(verifier, token, "another") is IdTokenFlaw.NONCE


def flaw_of_access_token(verifier: IdTokenVerifier, token: str, access_token: str) -> IdTokenFlaw:
    with pytest.raises(InvalidIdToken) as caught:
        verifier.verify(token, access_token=access_token)
    return caught.value.flaw
