"""gerbang.accounts.oidc: which ID tokens are accepted, with Google's configuration and with other providers'."""

import hashlib
import hmac
import json
import socket
import time
from collections.abc import Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from gerbang.accounts.oidc import (
    CLOCK_SKEW,
    LARGEST_PROFILE_BYTES,
    LONGEST_ID_TOKEN,
    PROFILE_CLAIMS,
    IdTokenVerifier,
)
from gerbang.accounts.oidc_provider import Provider, google
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken, ProviderIdentity
from gerbang.core.errors import AuthError

from tests.unit.id_tokens import (
    ANDROID,
    KID,
    WEB,
    Claims,
    base64url,
    elliptic_jwk,
    good_claims,
    integer,
    jwk,
    key_set,
    private_key,
    signed,
    signed_with_es256,
    signing_input,
    token_with,
    token_without,
)

OF_ANOTHER_SERVICE = "9876-web.apps.googleusercontent.com"
GOOGLE = google(client_ids=frozenset({WEB, ANDROID}), jwks_url="https://www.googleapis.com/oauth2/v3/certs")


@dataclass
class Keys:
    """Takes the place of `KeyEndpoint`; counts its calls."""

    document: bytes = field(default_factory=lambda: key_set(jwk()))
    calls: int = 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.document


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def verifier(keys: Keys) -> IdTokenVerifier:
    return IdTokenVerifier(GOOGLE, fetch=keys, now=lambda: datetime.now(UTC))


def verifier_of(provider: Provider, *jwks: Any) -> IdTokenVerifier:
    return IdTokenVerifier(provider, fetch=Keys(key_set(*jwks)), now=lambda: datetime.now(UTC))


def flaw_of(verifier: IdTokenVerifier, token: str, *, nonce: str | None = None) -> IdTokenFlaw:
    with pytest.raises(InvalidIdToken) as caught:
        verifier.verify(token, nonce=nonce)
    assert not token or token not in f"{caught.value!s} {caught.value!r}"
    assert caught.value.__cause__ is None  # PyJWT's own words may quote the token
    return caught.value.flaw


class TestIdentity:
    """security.md 107, 108."""

    def test_a_token_that_google_signed_for_us_identifies_the_user(self, verifier: IdTokenVerifier) -> None:
        identity = verifier.verify(signed())

        assert identity == ProviderIdentity(
            provider="google",
            issuer="https://accounts.google.com",
            subject="110169484474386276334",
            email="Ana@Example.com",
            email_verified=True,
            name="Ana Pérez",
            profile={"picture": "https://lh3.googleusercontent.com/a/photo=s96-c", "locale": "es"},
        )
        assert "Example.com" not in repr(identity)
        assert "Ana" not in repr(identity)
        assert "photo" not in repr(identity)

    def test_the_name_may_be_missing(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify(token_without("name", "azp")).name == ""

    @pytest.mark.parametrize("junk", [7, None, ["Ana"], {"first": "Ana"}, "half a pair \ud800"])
    def test_a_name_that_is_not_text_counts_as_missing(self, verifier: IdTokenVerifier, junk: object) -> None:
        assert verifier.verify(token_with(name=junk)).name == ""

    @pytest.mark.parametrize("subject", ["1", "1" * 255, "AItOawmwtWwcT0k51BayewNvutrJUqsvl6qs7A4"])
    def test_a_subject_is_up_to_255_ascii_characters(self, verifier: IdTokenVerifier, subject: str) -> None:
        assert verifier.verify(token_with(sub=subject)).subject == subject

    @pytest.mark.parametrize("subject", ["", " ", "1" * 256, "é", "1\n2", "\x00", 110169484474386276334, ["1"]])
    def test_nothing_else_is_a_subject(self, verifier: IdTokenVerifier, subject: object) -> None:
        assert flaw_of(verifier, token_with(sub=subject)) is IdTokenFlaw.SUBJECT

    @pytest.mark.parametrize(
        "address", ["", "ana", "a@" + "b" * 253, "ana\r\n@example.com", "a\ud800@example.com", 7, None, ["a@b.c"]]
    )
    def test_an_address_must_be_text_that_can_be_one(self, verifier: IdTokenVerifier, address: object) -> None:
        assert flaw_of(verifier, token_with(email=address)) is IdTokenFlaw.ADDRESS
        assert flaw_of(verifier, token_without("email")) is IdTokenFlaw.ADDRESS

    @pytest.mark.parametrize("verified", [True, "true"])
    def test_an_address_is_verified_by_true_or_the_text_true(self, verifier: IdTokenVerifier, verified: object) -> None:
        assert verifier.verify(token_with(email_verified=verified)).email_verified

    @pytest.mark.parametrize(
        "verified", [False, "false", None, 1, 1.0, "1", "True", "TRUE", "yes", [True], {}], ids=repr
    )
    def test_nothing_else_verifies_an_address(self, verifier: IdTokenVerifier, verified: object) -> None:
        assert flaw_of(verifier, token_with(email_verified=verified)) is IdTokenFlaw.ADDRESS_UNVERIFIED
        assert flaw_of(verifier, token_without("email_verified")) is IdTokenFlaw.ADDRESS_UNVERIFIED

    def test_a_bad_token_is_an_error_of_the_request(self) -> None:
        assert issubclass(InvalidIdToken, AuthError)


class TestSignature:
    """security.md 105: the signature, by the provider's keys, RS256 only at Google (RFC 8725, section 3.1)."""

    @pytest.mark.covers("105")
    def test_a_key_of_the_same_name_but_another_owner_is_rejected(self, verifier: IdTokenVerifier) -> None:
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
    def test_alg_none_is_rejected_in_any_spelling(
        self, verifier: IdTokenVerifier, keys: Keys, algorithm: object
    ) -> None:
        text = signing_input({"alg": algorithm, "kid": KID, "typ": "JWT"}, json.dumps(good_claims()).encode())

        assert flaw_of(verifier, f"{text}.AA") is IdTokenFlaw.ALGORITHM
        assert flaw_of(verifier, f"{text}.") is IdTokenFlaw.MALFORMED
        assert keys.calls == 0

    def test_the_public_key_is_no_secret_of_hs256(self, verifier: IdTokenVerifier) -> None:
        """Algorithm confusion, CVE-2015-9235, with the key in each form that an attacker can have it in."""
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
    def test_other_algorithms_are_rejected_even_when_the_signature_is_good(
        self, verifier: IdTokenVerifier, algorithm: str
    ) -> None:
        assert flaw_of(verifier, signed(alg=algorithm)) is IdTokenFlaw.ALGORITHM

    @pytest.mark.covers("110")
    def test_a_key_that_a_header_contains_or_points_at_is_never_used(self, verifier: IdTokenVerifier) -> None:
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
    def test_unknown_critical_extensions_are_rejected(self, verifier: IdTokenVerifier, header: Claims) -> None:
        """RFC 7515, section 4.1.11."""
        assert flaw_of(verifier, signed(**header)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("token_type", ["secevent+jwt", "at+jwt", "logout+jwt", 1, None])
    def test_other_signed_texts_of_the_provider_are_no_id_tokens(
        self, verifier: IdTokenVerifier, token_type: object
    ) -> None:
        assert flaw_of(verifier, signed(typ=token_type)) is IdTokenFlaw.TYPE

    def test_the_type_may_be_in_lower_case(self, verifier: IdTokenVerifier) -> None:
        """RFC 7519, section 5.1. Tokens without a type: `TestOtherProviders`, `signed_with_es256`."""
        assert verifier.verify(signed(typ="jwt")).subject

    @pytest.mark.parametrize("kid", ["", "key-of-april", "KEY-OF-MARCH", "key-of-march\x00"])
    def test_a_token_must_name_a_key_of_the_provider(self, verifier: IdTokenVerifier, kid: str) -> None:
        nameless = f"{signing_input({'alg': 'RS256', 'typ': 'JWT'}, b'{}')}.AAAA"

        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.KEY
        assert flaw_of(verifier, nameless) is IdTokenFlaw.KEY

    @pytest.mark.parametrize("kid", [None, 7, ["key-of-march"], {"key-of-march": 1}])
    def test_a_key_is_named_by_text(self, verifier: IdTokenVerifier, kid: object) -> None:
        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.MALFORMED


class TestForm:
    @pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\ud800.a.b", "a.b.c\n"])
    def test_text_that_is_no_token_is_rejected_without_fetching_keys(
        self, verifier: IdTokenVerifier, keys: Keys, text: str
    ) -> None:
        assert flaw_of(verifier, text) is IdTokenFlaw.MALFORMED
        assert keys.calls == 0

    def test_one_token_has_one_spelling(self, verifier: IdTokenVerifier) -> None:
        """security.md 74: PyJWT alone accepts padding."""
        token = signed()

        for other in (f"{token}=", f"{token}==", f" {token}", f"{token} "):
            assert flaw_of(verifier, other) is IdTokenFlaw.MALFORMED

    def test_a_token_may_be_8_kib_long_and_no_longer(self, verifier: IdTokenVerifier) -> None:
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


class TestPurpose:
    """security.md 106: who issued the token, and for whom."""

    @pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
    def test_google_has_two_spellings(self, verifier: IdTokenVerifier, issuer: str) -> None:
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
    def test_every_audience_must_be_ours(self, verifier: IdTokenVerifier, audience: object) -> None:
        assert flaw_of(verifier, token_with(aud=audience)) is IdTokenFlaw.AUDIENCE

    @pytest.mark.parametrize("audience", [WEB, ANDROID, [WEB], [WEB, ANDROID]])
    def test_tokens_for_any_of_our_clients_are_accepted(self, verifier: IdTokenVerifier, audience: object) -> None:
        assert verifier.verify(token_with(aud=audience)).subject

    @pytest.mark.parametrize("party", ["1234-another.apps.googleusercontent.com", "", None, [WEB], 7])
    def test_the_authorized_party_is_not_compared(self, verifier: IdTokenVerifier, party: object) -> None:
        """An Android app has an id of its own, which is the `azp` of tokens that it gets for our client."""
        assert verifier.verify(token_with(aud=WEB, azp=party)).subject

    def test_without_client_ids_every_token_is_rejected_and_no_key_fetched(self, keys: Keys) -> None:
        provider = replace(GOOGLE, client_ids=frozenset())
        verifier = IdTokenVerifier(provider, fetch=keys, now=lambda: datetime.now(UTC))
        verifier.warm()

        assert flaw_of(verifier, signed()) is IdTokenFlaw.AUDIENCE
        assert keys.calls == 0

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp", "iat"])
    def test_the_claims_that_openid_connect_requires_must_be_there(self, verifier: IdTokenVerifier, name: str) -> None:
        """security.md 66: PyJWT on its own accepts a token without `exp`."""
        assert flaw_of(verifier, token_without(name)) is IdTokenFlaw.MISSING_CLAIM
        assert flaw_of(verifier, token_with(**{name: None})) is IdTokenFlaw.MISSING_CLAIM


class TestTime:
    """F20; ASVS 9.2.1. Tokens are made relative to the system's clock, which PyJWT reads; steps are 5 s."""

    @pytest.mark.covers("106")
    def test_a_token_is_valid_until_its_exp_and_a_minute_of_leeway(self, verifier: IdTokenVerifier) -> None:
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
    @pytest.mark.parametrize("junk", ["soon", [], {}, [1774267200]], ids=repr)
    def test_times_must_be_numbers(self, verifier: IdTokenVerifier, name: str, junk: object) -> None:
        assert flaw_of(verifier, token_with(**{name: junk})) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity"])
    def test_numbers_that_are_no_time_are_rejected(self, verifier: IdTokenVerifier, name: str, number: str) -> None:
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
    def test_huge_and_odd_numbers_are_compared_as_they_are(
        self, verifier: IdTokenVerifier, claim: Claims, flaw: IdTokenFlaw
    ) -> None:
        assert flaw_of(verifier, token_with(**claim)) is flaw

    def test_fractions_of_a_second_are_allowed(self, verifier: IdTokenVerifier) -> None:
        assert verifier.verify(token_with(exp=time.time() + 60.5)).subject


class TestProfile:
    def test_the_known_claims_of_a_profile_are_kept(self, verifier: IdTokenVerifier) -> None:
        profile = {name: f"Ana's {name}" for name in PROFILE_CLAIMS}

        assert verifier.verify(token_with(**profile, gender="f", groups=["admins"])).profile == profile

    @pytest.mark.parametrize("junk", [7, None, "", ["es"], {"es": 1}, "es\n", "half a pair \ud800"], ids=ascii)
    def test_a_claim_that_is_not_printable_text_is_left_out(self, verifier: IdTokenVerifier, junk: object) -> None:
        assert verifier.verify(token_with(locale=junk, given_name="Ana")).profile == {
            "picture": good_claims()["picture"],
            "given_name": "Ana",
        }

    @pytest.mark.parametrize("character", ["a", "é", '"', "\U0001f600"])
    def test_a_claim_that_would_make_the_profile_too_large_is_left_out(
        self, verifier: IdTokenVerifier, character: str
    ) -> None:
        """Counted as they are stored: in UTF-8, with JSON's escapes and quotation marks."""
        size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
        fits = character * ((LARGEST_PROFILE_BYTES - 2 - len('"Ana"')) // size)

        def profile_with(picture: str) -> Mapping[str, str]:
            claims = {**good_claims(), "picture": picture, "given_name": "Ana", "locale": "es"}
            return verifier.verify(signed(json.dumps(claims, ensure_ascii=False).encode())).profile

        assert profile_with(fits) == {"picture": fits, "given_name": "Ana"}
        assert profile_with(fits + character * 6) == {"given_name": "Ana", "locale": "es"}


class TestNonce:
    """security.md 109; the token carries the hex SHA-256 of what the caller sends."""

    def test_a_token_made_for_the_nonce_is_accepted(self, verifier: IdTokenVerifier) -> None:
        """Known answer: NIST's SHA-256 example for the message "abc"."""
        hashed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

        assert verifier.verify(token_with(nonce=hashed), nonce="abc").subject

    @pytest.mark.covers("109")
    @pytest.mark.parametrize("claim", [None, "", "raw nonce", 7, "é", hashlib.sha256(b"raw nonce").hexdigest().upper()])
    def test_a_token_made_for_another_nonce_or_none_is_rejected(self, verifier: IdTokenVerifier, claim: object) -> None:
        assert flaw_of(verifier, token_with(nonce=claim), nonce="raw nonce") is IdTokenFlaw.NONCE
        assert flaw_of(verifier, token_without("nonce"), nonce="raw nonce") is IdTokenFlaw.NONCE

    @pytest.mark.parametrize("nonce", ["", "\ud800"], ids=["empty", "half a surrogate pair"])
    def test_an_odd_nonce_is_compared_like_any_other(self, verifier: IdTokenVerifier, nonce: str) -> None:
        assert flaw_of(verifier, signed(), nonce=nonce) is IdTokenFlaw.NONCE

    @pytest.mark.covers("109")
    @pytest.mark.parametrize("claim", ["something", hashlib.sha256(b"").hexdigest(), 7, 0, []])
    def test_a_token_with_a_nonce_is_rejected_without_one(self, verifier: IdTokenVerifier, claim: object) -> None:
        """Or else whoever intercepts it leaves the nonce out."""
        assert flaw_of(verifier, token_with(nonce=claim)) is IdTokenFlaw.NONCE

    @pytest.mark.parametrize("claim", [None, ""])
    def test_an_empty_nonce_is_none(self, verifier: IdTokenVerifier, claim: object) -> None:
        assert verifier.verify(token_with(nonce=claim)).subject

    def test_where_no_nonce_can_be_sent_a_token_may_have_any(self, verifier: IdTokenVerifier) -> None:
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

    def test_the_access_token_that_was_issued_with_the_id_token_is_accepted(self, verifier: IdTokenVerifier) -> None:
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


class TestOtherProviders:
    """Other providers are configuration."""

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

    def test_a_key_verifies_its_own_algorithm_only(self) -> None:
        claims = self.claims_for(self.KEYCLOAK)
        verifier = verifier_of(self.KEYCLOAK, jwk(), elliptic_jwk("elliptic"))

        assert flaw_of(verifier, signed(claims, kid="elliptic")) is IdTokenFlaw.ALGORITHM
        assert flaw_of(verifier, signed_with_es256(claims, KID)) is IdTokenFlaw.ALGORITHM

    @pytest.mark.parametrize("modulus", [base64url(b"\xff" * 255), "not base64url!"])
    def test_an_rsa_key_of_less_than_2048_bits_verifies_nothing(self, modulus: str) -> None:
        """RFC 7518, section 3.3."""
        assert flaw_of(verifier_of(GOOGLE, jwk(n=modulus)), signed()) is IdTokenFlaw.KEY

    @pytest.mark.parametrize("bits", [2048, 16384, 65536])
    @pytest.mark.parametrize("exponent", ["Aw", "AQAB", integer(2**64 + 1)])
    def test_a_published_key_of_any_size_is_only_a_wrong_one(self, bits: int, exponent: str) -> None:
        """OpenSSL itself refuses moduli past 16,384 bits, and with long ones large exponents: at most 4 ms of work."""
        for modulus in (2**bits - 1, 2**bits - 2):
            published = jwk(n=integer(modulus), e=exponent)
            assert flaw_of(verifier_of(GOOGLE, published), signed()) is IdTokenFlaw.SIGNATURE

    def test_a_token_of_one_provider_is_none_of_another(self) -> None:
        verifier = verifier_of(self.KEYCLOAK, jwk())

        assert flaw_of(verifier, signed()) is IdTokenFlaw.ISSUER
        assert flaw_of(verifier, token_with(iss=next(iter(self.KEYCLOAK.issuers)))) is IdTokenFlaw.AUDIENCE

    def test_a_provider_that_verifies_no_addresses_is_accepted_where_none_is_required(self) -> None:
        claims = self.claims_for(self.MICROSOFT)
        verifier = verifier_of(self.MICROSOFT, jwk())
        del claims["email_verified"]

        unverified = verifier.verify(signed(claims))
        assert (unverified.email, unverified.email_verified) == ("Ana@Example.com", False)
        del claims["email"]
        assert verifier.verify(signed(claims)).email == ""

    @pytest.mark.parametrize("address", ["", "ana", "a@" + "b" * 253, "ana\r\n@example.com", 7, None])
    def test_a_provider_vouches_for_no_address_that_cannot_be_one(self, address: object) -> None:
        claims = {**self.claims_for(self.MICROSOFT), "email": address, "email_verified": True}

        assert not verifier_of(self.MICROSOFT, jwk()).verify(signed(claims)).email_verified

    def test_an_identity_names_the_provider_and_the_issuer(self) -> None:
        identity = verifier_of(self.KEYCLOAK, jwk()).verify(signed(self.claims_for(self.KEYCLOAK)))

        assert (identity.provider, identity.issuer) == ("keycloak", "https://id.example/realms/shop")

    @pytest.mark.parametrize(
        "url",
        [
            "http://www.googleapis.com/oauth2/v3/certs",
            "http://127.0.0.1.evil.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://10.0.0.1/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "data:application/json,{}",
            "https://",
            "https:///certs",
            "",
        ],
    )
    def test_keys_come_over_https_or_from_this_machine(self, url: str) -> None:
        """security.md 110."""
        with pytest.raises(ValueError, match="google's keys must be https"):
            google(client_ids=frozenset(), jwks_url=url)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:3000/keys", "http://[::1]:3000/keys", "http://localhost/", "https://keys.example/"]
    )
    def test_this_machine_may_use_plain_http(self, url: str) -> None:
        assert google(client_ids=frozenset(), jwks_url=url).jwks_url == url
