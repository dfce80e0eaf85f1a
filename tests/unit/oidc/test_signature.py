"""gerbang.accounts.oidc: the form and signature of an ID token."""

import hmac
import json
import socket

import pytest
from cryptography.hazmat.primitives import serialization
from gerbang.accounts.oidc import LONGEST_ID_TOKEN, IdTokenVerifier
from gerbang.accounts.provider_identity import IdTokenFlaw

from tests.unit.id_tokens import (
    KID,
    Claims,
    base64url,
    good_claims,
    integer,
    jwk,
    private_key,
    signed,
    signing_input,
    token_with,
)
from tests.unit.oidc.providers import FakeKeyEndpoint
from tests.unit.oidc.verifying import GOOGLE, flaw_of, verifier_of


class TestForm:
    @pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\ud800.a.b", "a.b.c\n"])
    def test_a_malformed_token_is_rejected_without_fetching_keys(
        self, verifier: IdTokenVerifier, keys: FakeKeyEndpoint, text: str
    ) -> None:
        assert flaw_of(verifier, text) is IdTokenFlaw.MALFORMED
        assert keys.calls == 0

    def test_a_token_with_padding_or_spaces_is_rejected(self, verifier: IdTokenVerifier) -> None:
        """security.md 74: PyJWT alone accepts padding."""
        token = signed()

        for other in (f"{token}=", f"{token}==", f" {token}", f"{token} "):
            assert flaw_of(verifier, other) is IdTokenFlaw.MALFORMED

    def test_a_token_may_be_8_kib_long(self, verifier: IdTokenVerifier) -> None:
        spare = LONGEST_ID_TOKEN - len(token_with(name=""))
        fits, exceeds = token_with(name="a" * (spare * 3 // 4 - 2)), token_with(name="a" * (spare * 3 // 4 + 3))

        assert len(fits) <= LONGEST_ID_TOKEN < len(exceeds)
        assert verifier.verify(fits).name
        assert flaw_of(verifier, exceeds) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("header", [b"[]", b"7", b"null", b"{", b"\xff", b"[" * 4000])
    def test_a_header_must_be_an_object(self, verifier: IdTokenVerifier, header: bytes) -> None:
        assert flaw_of(verifier, f"{base64url(header)}.AAAA.AAAA") is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("payload", [b"[]", b"7", b"null", b'"text"', b"{", b"\xff", b"[" * 4000, b"9" * 5000])
    def test_a_payload_must_be_an_object(self, verifier: IdTokenVerifier, payload: bytes) -> None:
        assert flaw_of(verifier, signed(payload)) is IdTokenFlaw.MALFORMED


class TestSignature:
    """security.md 105: signed with the provider's keys; for Google with RS256 only (RFC 8725, section 3.1)."""

    @pytest.mark.covers("105")
    def test_a_signature_of_another_key_with_the_same_id_is_rejected(self, verifier: IdTokenVerifier) -> None:
        assert flaw_of(verifier, signed(by="mallory")) is IdTokenFlaw.SIGNATURE

    def test_a_changed_claim_breaks_the_signature(self, verifier: IdTokenVerifier) -> None:
        header, _, signature = signed().split(".")
        payload = base64url(json.dumps({**good_claims(), "sub": "1"}).encode())

        assert flaw_of(verifier, f"{header}.{payload}.{signature}") is IdTokenFlaw.SIGNATURE

    def test_the_signature_is_checked_before_any_claim(self, verifier: IdTokenVerifier) -> None:
        """ASVS 9.1.1: an expired token of another issuer is rejected for its signature."""
        token = signed({**good_claims(), "exp": 0, "iss": "https://evil.example"}, by="mallory")

        assert flaw_of(verifier, token) is IdTokenFlaw.SIGNATURE

    @pytest.mark.covers("105")
    @pytest.mark.parametrize(
        "algorithm", ["none", "None", "NONE", "nOnE", "", None, "null", ["RS256"], 0, "rs256"], ids=repr
    )
    def test_alg_none_is_rejected_in_every_spelling(
        self, verifier: IdTokenVerifier, keys: FakeKeyEndpoint, algorithm: object
    ) -> None:
        text = signing_input({"alg": algorithm, "kid": KID, "typ": "JWT"}, json.dumps(good_claims()).encode())

        assert flaw_of(verifier, f"{text}.AA") is IdTokenFlaw.ALGORITHM
        assert flaw_of(verifier, f"{text}.") is IdTokenFlaw.MALFORMED
        assert keys.calls == 0

    def test_the_public_key_is_not_accepted_as_an_hmac_secret(self, verifier: IdTokenVerifier) -> None:
        """Algorithm confusion, CVE-2015-9235, with every encoding of the key."""
        public = private_key("Google").public_key()
        forms = [
            public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
            for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
        ]
        text = signing_input({"alg": "HS256", "kid": KID, "typ": "JWT"}, json.dumps(good_claims()).encode())

        for secret in [*forms, json.dumps(jwk()).encode(), b""]:
            mac = hmac.digest(secret, text.encode(), "sha256")
            assert flaw_of(verifier, f"{text}.{base64url(mac)}") is IdTokenFlaw.ALGORITHM

    @pytest.mark.covers("105")
    @pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "ES256", "EdDSA", "HS512"])
    def test_another_algorithm_in_the_header_is_rejected(self, verifier: IdTokenVerifier, algorithm: str) -> None:
        assert flaw_of(verifier, signed(alg=algorithm)) is IdTokenFlaw.ALGORITHM

    @pytest.mark.covers("110")
    def test_keys_in_a_header_are_ignored_and_never_fetched(self, verifier: IdTokenVerifier) -> None:
        """security.md 110 (RFC 8725, section 3.10): no connection arrives where `jku` and `x5u` point."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
            header: Claims = {"jku": url, "x5u": url, "jwk": jwk(owner="mallory"), "x5c": ["AA=="]}

            assert flaw_of(verifier, signed(by="mallory", **header)) is IdTokenFlaw.SIGNATURE
            assert verifier.verify(signed(**header)).subject
            listener.setblocking(False)  # noqa: FBT003 - the socket API
            with pytest.raises(BlockingIOError):
                listener.accept()

    @pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": False}, {"crit": ["exp"]}, {"crit": []}])
    def test_critical_header_extensions_are_rejected(self, verifier: IdTokenVerifier, header: Claims) -> None:
        """RFC 7515, section 4.1.11."""
        assert flaw_of(verifier, signed(**header)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("token_type", ["secevent+jwt", "at+jwt", "logout+jwt", 1, None])
    def test_other_types_of_tokens_of_the_provider_are_rejected(
        self, verifier: IdTokenVerifier, token_type: object
    ) -> None:
        assert flaw_of(verifier, signed(typ=token_type)) is IdTokenFlaw.TYPE

    def test_the_type_may_be_lower_case(self, verifier: IdTokenVerifier) -> None:
        """RFC 7519, section 5.1. Tokens without a type: `TestOtherProviders`, `signed_with_es256`."""
        assert verifier.verify(signed(typ="jwt")).subject

    @pytest.mark.parametrize("kid", ["", "key-of-april", "KEY-OF-MARCH", "key-of-march\x00"])
    def test_an_unknown_key_id_is_rejected(self, verifier: IdTokenVerifier, kid: str) -> None:
        without_key_id = f"{signing_input({'alg': 'RS256', 'typ': 'JWT'}, b'{}')}.AAAA"

        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.KEY
        assert flaw_of(verifier, without_key_id) is IdTokenFlaw.KEY

    @pytest.mark.parametrize("kid", [None, 7, ["key-of-march"], {"key-of-march": 1}])
    def test_a_key_id_must_be_a_string(self, verifier: IdTokenVerifier, kid: object) -> None:
        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("modulus", [base64url(b"\xff" * 255), "not base64url!"])
    def test_an_rsa_key_of_less_than_2048_bits_is_ignored(self, modulus: str) -> None:
        """RFC 7518, section 3.3."""
        assert flaw_of(verifier_of(GOOGLE, jwk(n=modulus)), signed()) is IdTokenFlaw.KEY

    @pytest.mark.parametrize("bits", [2048, 16384, 65536])
    @pytest.mark.parametrize("exponent", ["Aw", "AQAB", integer(2**64 + 1)])
    def test_a_published_key_of_any_size_is_verified_quickly(self, bits: int, exponent: str) -> None:
        """OpenSSL rejects moduli of more than 16,384 bits, and large exponents of long moduli: at most 4 ms of work."""
        for modulus in (2**bits - 1, 2**bits - 2):
            published = jwk(n=integer(modulus), e=exponent)
            assert flaw_of(verifier_of(GOOGLE, published), signed()) is IdTokenFlaw.SIGNATURE
