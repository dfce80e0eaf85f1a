"""gerbang.accounts.google: Google's ID token, its keys, and what happens when neither can be trusted or had (F43)."""

import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, override

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from gerbang.accounts.google import (
    ASKED_AT_MOST_EVERY,
    ASKED_AT_MOST_EVERY_WITHOUT_KEYS,
    CLOCK_SKEW,
    FRESH_FOR_AT_LEAST,
    FRESH_FOR_AT_MOST,
    FRESH_FOR_DEFAULT,
    LARGEST_KEY_DOCUMENT_BYTES,
    LONGEST_ID_TOKEN,
    FetchedKeys,
    GoogleIdentity,
    GoogleKeysUnavailable,
    GoogleVerifier,
    IdTokenFlaw,
    InvalidIdToken,
    KeyEndpoint,
    freshness,
    read_key_set,
)
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.storage.clients import trust
from gerbang_bench.certificates import self_signed

NOON = datetime(2026, 3, 23, 12, 0, tzinfo=UTC)
WEB = "1234-web.apps.googleusercontent.com"
ANDROID = "1234-android.apps.googleusercontent.com"
SOMEBODY_ELSES = "9876-web.apps.googleusercontent.com"
KID = "key-of-march"
AN_HOUR = timedelta(hours=1)

type Claims = dict[str, Any]


@cache
def private_key(owner: str) -> rsa.RSAPrivateKey:
    """Return one key for each owner, made when first asked for."""
    assert owner
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def integer(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))


def jwk(kid: str = KID, *, owner: str = "Google", **members: Any) -> dict[str, Any]:
    numbers = private_key(owner).public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": integer(numbers.n), "e": "AQAB", **members}


def key_set(*jwks: Any) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


def good_claims() -> Claims:
    at = int(NOON.timestamp())
    return {
        "iss": "https://accounts.google.com",
        "aud": WEB,
        "azp": WEB,
        "sub": "110169484474386276334",
        "email": "Ana@Example.com",
        "email_verified": True,
        "name": "Ana Pérez",
        "picture": "https://lh3.googleusercontent.com/a/photo=s96-c",
        "locale": "es",
        "iat": at - 5,
        "exp": at - 5 + 3600,
    }


def signing_input(header: object, payload: bytes) -> str:
    return f"{base64url(json.dumps(header).encode())}.{base64url(payload)}"


def signed(claims: Claims | bytes | None = None, *, by: str = "Google", **header: Any) -> str:
    """Return a token signed with RS256 as RFC 7515 says, made without the library under test."""
    payload = claims if isinstance(claims, bytes) else json.dumps(good_claims() if claims is None else claims).encode()
    text = signing_input({"alg": "RS256", "kid": KID, "typ": "JWT", **header}, payload)
    signature = private_key(by).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64url(signature)}"


def token_with(**claims: Any) -> str:
    return signed({**good_claims(), **claims})


def token_without(*names: str) -> str:
    return signed({name: value for name, value in good_claims().items() if name not in names})


@dataclass
class FakeClock:
    """A clock that stands still."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        self.at += span


@dataclass
class Google:
    """Stands where `KeyEndpoint` stands; counts how often it is asked."""

    document: bytes = field(default_factory=lambda: key_set(jwk()))
    fresh_for: timedelta = AN_HOUR
    is_down: bool = False
    times_asked: int = 0
    before_answering: Callable[[], object] = field(default=lambda: None)

    def __call__(self) -> FetchedKeys:
        self.times_asked += 1
        self.before_answering()
        if self.is_down:
            raise GoogleKeysUnavailable("down")
        return FetchedKeys(document=self.document, fresh_for=self.fresh_for)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def verifier(google: Google, clock: FakeClock) -> GoogleVerifier:
    return GoogleVerifier(client_ids=frozenset({WEB, ANDROID}), now=clock, fetch=google)


def flaw_of(verifier: GoogleVerifier, token: str, *, nonce: str | None = None) -> IdTokenFlaw:
    with pytest.raises(InvalidIdToken) as refused:
        verifier.verify(token, nonce=nonce)
    assert token not in f"{refused.value!s} {refused.value!r}" or not token
    return refused.value.flaw


class TestIdentity:
    def test_a_token_that_google_signed_for_us_says_who_somebody_is(self, verifier: GoogleVerifier) -> None:
        assert verifier.verify(signed()) == GoogleIdentity(
            subject="110169484474386276334",
            email="Ana@Example.com",
            name="Ana Pérez",
        )

    def test_what_the_app_did_not_ask_google_for_is_empty(self, verifier: GoogleVerifier) -> None:
        assert verifier.verify(token_without("name", "azp")).name == ""

    @pytest.mark.parametrize("junk", [7, None, ["Ana"], {"first": "Ana"}, "half a pair \ud800"])
    def test_a_name_that_is_not_text_is_as_good_as_missing(self, verifier: GoogleVerifier, junk: object) -> None:
        assert verifier.verify(token_with(name=junk)).name == ""

    def test_an_identity_shows_no_address_when_it_is_printed(self, verifier: GoogleVerifier) -> None:
        assert "Example.com" not in repr(verifier.verify(signed()))

    def test_refusals_are_refusals_and_missing_keys_are_not(self) -> None:
        assert issubclass(InvalidIdToken, AuthError)
        assert issubclass(GoogleKeysUnavailable, DependencyUnavailable)


class TestSignature:
    """security.md 105: the signature, by Google's keys, RS256 only (RFC 8725, section 3.1)."""

    @pytest.mark.covers("105")
    def test_another_key_of_the_same_name_signs_nothing(self, verifier: GoogleVerifier) -> None:
        assert flaw_of(verifier, signed(by="mallory")) is IdTokenFlaw.SIGNATURE

    def test_a_changed_claim_breaks_the_signature(self, verifier: GoogleVerifier) -> None:
        header, _, signature = signed().split(".")
        payload = base64url(json.dumps({**good_claims(), "sub": "1"}).encode())

        assert flaw_of(verifier, f"{header}.{payload}.{signature}") is IdTokenFlaw.SIGNATURE

    def test_the_signature_is_looked_at_before_any_claim(self, verifier: GoogleVerifier) -> None:
        """ASVS 9.1.1: an expired token of a foreign issuer is refused for its signature."""
        token = signed({**good_claims(), "exp": 0, "iss": "https://evil.example"}, by="mallory")

        assert flaw_of(verifier, token) is IdTokenFlaw.SIGNATURE

    @pytest.mark.covers("105")
    @pytest.mark.parametrize(
        "algorithm", ["none", "None", "NONE", "nOnE", "", None, "null", ["RS256"], 0, "rs256"], ids=repr
    )
    def test_no_algorithm_in_any_spelling_is_refused(
        self, verifier: GoogleVerifier, google: Google, algorithm: object
    ) -> None:
        text = signing_input({"alg": algorithm, "kid": KID, "typ": "JWT"}, json.dumps(good_claims()).encode())

        assert flaw_of(verifier, f"{text}.AA") is IdTokenFlaw.ALGORITHM
        assert flaw_of(verifier, f"{text}.") is IdTokenFlaw.MALFORMED
        assert google.times_asked == 0

    def test_the_public_key_is_no_secret_of_hs256(self, verifier: GoogleVerifier) -> None:
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
    def test_other_algorithms_are_refused_even_when_the_signature_is_sound(
        self, verifier: GoogleVerifier, algorithm: str
    ) -> None:
        assert flaw_of(verifier, signed(alg=algorithm)) is IdTokenFlaw.ALGORITHM

    @pytest.mark.covers("110")
    def test_a_key_that_a_header_brings_or_points_at_is_never_looked_at(self, verifier: GoogleVerifier) -> None:
        """RFC 8725, section 3.10: no connection arrives where `jku` and `x5u` point."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
            brought: Claims = {"jku": url, "x5u": url, "jwk": jwk(owner="mallory"), "x5c": ["AA=="]}

            assert flaw_of(verifier, signed(by="mallory", **brought)) is IdTokenFlaw.SIGNATURE
            assert verifier.verify(signed(**brought)).subject
            listener.setblocking(False)  # noqa: FBT003 - the socket API
            with pytest.raises(BlockingIOError):
                listener.accept()

    @pytest.mark.parametrize("header", [{"crit": ["b64"], "b64": False}, {"crit": ["exp"]}, {"crit": []}])
    def test_extensions_that_we_do_not_know_are_refused(self, verifier: GoogleVerifier, header: Claims) -> None:
        """RFC 7515, section 4.1.11."""
        assert flaw_of(verifier, signed(**header)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("token_type", ["secevent+jwt", "at+jwt", "logout+jwt", 1, None])
    def test_what_else_google_signs_is_no_id_token(self, verifier: GoogleVerifier, token_type: object) -> None:
        assert flaw_of(verifier, signed(typ=token_type)) is IdTokenFlaw.TYPE

    @pytest.mark.parametrize("kid", ["", "key-of-april", "KEY-OF-MARCH", "key-of-march\x00"])
    def test_a_token_must_name_a_key_of_google(self, verifier: GoogleVerifier, kid: str) -> None:
        nameless = f"{signing_input({'alg': 'RS256', 'typ': 'JWT'}, b'{}')}.AAAA"

        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.KEY
        assert flaw_of(verifier, nameless) is IdTokenFlaw.KEY

    @pytest.mark.parametrize("kid", [None, 7, ["key-of-march"], {"key-of-march": 1}])
    def test_a_key_is_named_by_text(self, verifier: GoogleVerifier, kid: object) -> None:
        assert flaw_of(verifier, signed(kid=kid)) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\ud800.a.b", "a.b.c\n"])
    def test_text_that_is_no_token_is_refused_without_asking_google(
        self, verifier: GoogleVerifier, google: Google, text: str
    ) -> None:
        assert flaw_of(verifier, text) is IdTokenFlaw.MALFORMED
        assert google.times_asked == 0

    @pytest.mark.covers("74")
    def test_one_token_has_one_spelling(self, verifier: GoogleVerifier) -> None:
        """PyJWT takes a token with `=` appended for the same."""
        token = signed()

        for other in (f"{token}=", f"{token}==", f" {token}", f"{token} "):
            assert flaw_of(verifier, other) is IdTokenFlaw.MALFORMED

    def test_a_token_may_be_8_kib_long_and_no_longer(self, verifier: GoogleVerifier) -> None:
        spare = LONGEST_ID_TOKEN - len(token_with(name=""))
        fits, exceeds = token_with(name="a" * (spare * 3 // 4 - 2)), token_with(name="a" * (spare * 3 // 4 + 3))

        assert len(fits) <= LONGEST_ID_TOKEN < len(exceeds)
        assert verifier.verify(fits).name
        assert flaw_of(verifier, exceeds) is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize("header", [b"[]", b"7", b"null", b"{", b"\xff", b"[" * 4000])
    def test_headers_that_are_no_objects_are_refused(self, verifier: GoogleVerifier, header: bytes) -> None:
        assert flaw_of(verifier, f"{base64url(header)}.AAAA.AAAA") is IdTokenFlaw.MALFORMED

    @pytest.mark.parametrize(
        "payload", [b"[]", b"7", b"null", b'"text"', b"{", b"\xff", b"[" * 4000, b'{"exp": NaN}', b'{"exp": Infinity}']
    )
    def test_payloads_that_are_no_objects_are_refused(self, verifier: GoogleVerifier, payload: bytes) -> None:
        assert flaw_of(verifier, signed(payload)) is IdTokenFlaw.MALFORMED


class TestPurpose:
    """security.md 106: who issued it, and for whom."""

    @pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
    def test_google_spells_itself_in_two_ways(self, verifier: GoogleVerifier, issuer: str) -> None:
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
            None,
            7,
            ["accounts.google.com"],
        ],
    )
    def test_nobody_else_is_google(self, verifier: GoogleVerifier, issuer: object) -> None:
        assert flaw_of(verifier, token_with(iss=issuer)) is IdTokenFlaw.ISSUER

    @pytest.mark.covers("106")
    @pytest.mark.parametrize("audience", [SOMEBODY_ELSES, "", None, 7, [WEB], [WEB, SOMEBODY_ELSES], {WEB: 1}])
    def test_tokens_for_others_are_refused_and_so_are_lists(self, verifier: GoogleVerifier, audience: object) -> None:
        assert flaw_of(verifier, token_with(aud=audience)) is IdTokenFlaw.AUDIENCE

    def test_every_client_of_ours_may_present_tokens(self, verifier: GoogleVerifier) -> None:
        assert verifier.verify(token_with(aud=WEB, azp=ANDROID)).subject
        assert verifier.verify(token_with(aud=ANDROID, azp=ANDROID)).subject

    @pytest.mark.parametrize("party", [SOMEBODY_ELSES, "", None, [WEB]])
    def test_an_app_of_somebody_else_may_not_present_a_token_for_us(
        self, verifier: GoogleVerifier, party: object
    ) -> None:
        assert flaw_of(verifier, token_with(azp=party)) is IdTokenFlaw.AUTHORIZED_PARTY

    def test_without_client_ids_every_token_is_refused_and_google_never_asked(
        self, google: Google, clock: FakeClock
    ) -> None:
        verifier = GoogleVerifier(client_ids=frozenset(), now=clock, fetch=google)

        assert flaw_of(verifier, signed()) is IdTokenFlaw.AUDIENCE
        assert google.times_asked == 0

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "email", "email_verified"])
    def test_claims_that_decide_must_be_there(self, verifier: GoogleVerifier, name: str) -> None:
        flaws = {
            "iss": IdTokenFlaw.ISSUER,
            "aud": IdTokenFlaw.AUDIENCE,
            "sub": IdTokenFlaw.SUBJECT,
            "email": IdTokenFlaw.ADDRESS,
            "email_verified": IdTokenFlaw.ADDRESS_UNVERIFIED,
        }

        assert flaw_of(verifier, token_without(name)) is flaws[name]


class TestTime:
    @pytest.mark.covers("106")
    def test_a_token_lives_until_its_exp_and_no_second_longer(self, verifier: GoogleVerifier, clock: FakeClock) -> None:
        token = signed()
        clock.advance(timedelta(seconds=3594))
        assert verifier.verify(token).subject

        clock.advance(timedelta(seconds=1))

        assert flaw_of(verifier, token) is IdTokenFlaw.EXPIRED

    @pytest.mark.covers("F20")
    @pytest.mark.parametrize("name", ["iat", "nbf"])
    def test_googles_clock_may_be_a_minute_ahead_of_ours(self, verifier: GoogleVerifier, name: str) -> None:
        """ASVS 9.2.1."""
        latest = NOON.timestamp() + CLOCK_SKEW.total_seconds()

        assert timedelta(minutes=1) >= CLOCK_SKEW
        assert verifier.verify(token_with(**{name: latest})).subject
        assert flaw_of(verifier, token_with(**{name: latest + 1})) is IdTokenFlaw.NOT_YET_VALID

    @pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
    @pytest.mark.parametrize(
        "junk",
        [None, True, "1774267200", [], {}, 10**400, -(10**400), 2**53 + 2],
        ids=["null", "true", "text", "list", "object", "huge", "minus huge", "past a float's precision"],
    )
    def test_instants_must_be_numbers(self, verifier: GoogleVerifier, name: str, junk: object) -> None:
        assert flaw_of(verifier, token_with(**{name: junk})) is IdTokenFlaw.MALFORMED

    def test_a_number_too_large_for_a_float_is_no_instant(self, verifier: GoogleVerifier) -> None:
        payload = json.dumps({**good_claims(), "exp": 0}).replace('"exp": 0', '"exp": 1e999').encode()

        assert flaw_of(verifier, signed(payload)) is IdTokenFlaw.MALFORMED

    @pytest.mark.covers("66")
    @pytest.mark.parametrize("name", ["exp", "iat"])
    def test_exp_and_iat_must_be_there(self, verifier: GoogleVerifier, name: str) -> None:
        """PyJWT on its own takes a token without exp."""
        assert flaw_of(verifier, token_without(name)) is IdTokenFlaw.MALFORMED

    def test_fractions_of_a_second_are_instants_too(self, verifier: GoogleVerifier) -> None:
        assert verifier.verify(token_with(exp=NOON.timestamp() + 0.5)).subject


class TestSubjectAndAddress:
    """security.md 107, 108."""

    @pytest.mark.parametrize("subject", ["1", "1" * 255, "AItOawmwtWwcT0k51BayewNvutrJUqsvl6qs7A4"])
    def test_a_subject_is_up_to_255_ascii_characters(self, verifier: GoogleVerifier, subject: str) -> None:
        assert verifier.verify(token_with(sub=subject)).subject == subject

    @pytest.mark.covers("107")
    @pytest.mark.parametrize("subject", ["", " ", "1" * 256, "é", "1\n2", "\x00", 110169484474386276334, None, ["1"]])
    def test_nothing_else_is_a_subject(self, verifier: GoogleVerifier, subject: object) -> None:
        assert flaw_of(verifier, token_with(sub=subject)) is IdTokenFlaw.SUBJECT

    @pytest.mark.parametrize(
        "address", ["", "ana", "a@" + "b" * 253, "ana\r\n@example.com", "a\ud800@example.com", 7, None, ["a@b.c"]]
    )
    def test_an_address_must_be_text_that_could_be_one(self, verifier: GoogleVerifier, address: object) -> None:
        assert flaw_of(verifier, token_with(email=address)) is IdTokenFlaw.ADDRESS

    @pytest.mark.parametrize("verified", [True, "true"])
    def test_google_vouches_for_an_address_with_true_or_the_text_true(
        self, verifier: GoogleVerifier, verified: object
    ) -> None:
        assert verifier.verify(token_with(email_verified=verified)).email == "Ana@Example.com"

    @pytest.mark.covers("108")
    @pytest.mark.parametrize(
        "verified", [False, "false", None, 1, 1.0, "1", "True", "TRUE", "yes", [True], {}], ids=repr
    )
    def test_nothing_else_vouches_for_an_address(self, verifier: GoogleVerifier, verified: object) -> None:
        assert flaw_of(verifier, token_with(email_verified=verified)) is IdTokenFlaw.ADDRESS_UNVERIFIED


class TestNonce:
    """security.md 109; the token carries the hex SHA-256 of what the caller holds."""

    def test_a_token_made_for_the_nonce_is_accepted(self, verifier: GoogleVerifier) -> None:
        hashed = hashlib.sha256(b"raw nonce").hexdigest()

        assert verifier.verify(token_with(nonce=hashed), nonce="raw nonce").subject

    def test_the_hash_is_sha_256_in_lower_case_hex(self, verifier: GoogleVerifier) -> None:
        """Known answer: NIST's SHA-256 example for the message "abc"."""
        hashed = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

        assert verifier.verify(token_with(nonce=hashed), nonce="abc").subject

    @pytest.mark.covers("109")
    @pytest.mark.parametrize("claim", [None, "", "raw nonce", 7, "é", hashlib.sha256(b"raw nonce").hexdigest().upper()])
    def test_a_token_made_for_another_nonce_or_none_is_refused(self, verifier: GoogleVerifier, claim: object) -> None:
        assert flaw_of(verifier, token_with(nonce=claim), nonce="raw nonce") is IdTokenFlaw.NONCE
        assert flaw_of(verifier, token_without("nonce"), nonce="raw nonce") is IdTokenFlaw.NONCE

    def test_an_empty_nonce_is_a_nonce(self, verifier: GoogleVerifier) -> None:
        assert flaw_of(verifier, signed(), nonce="") is IdTokenFlaw.NONCE

    def test_whoever_has_no_nonce_takes_a_token_that_has_one(self, verifier: GoogleVerifier) -> None:
        assert verifier.verify(token_with(nonce="something")).subject

    def test_a_nonce_of_half_a_surrogate_pair_is_just_a_wrong_one(self, verifier: GoogleVerifier) -> None:
        assert flaw_of(verifier, signed(), nonce="\ud800") is IdTokenFlaw.NONCE


class TestKeysHeld:
    """F43; ASVS 16.5.2 (security.md 111)."""

    def test_google_is_asked_once_for_as_long_as_its_answer_is_fresh(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.fresh_for = timedelta(minutes=30)
        verifier.verify(signed())
        clock.advance(timedelta(minutes=29, seconds=59))
        verifier.verify(signed())
        assert google.times_asked == 1

        clock.advance(timedelta(seconds=1))
        verifier.verify(signed())

        assert google.times_asked == 2

    def test_new_keys_are_fetched_when_a_token_names_one(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        verifier.verify(signed())
        clock.advance(ASKED_AT_MOST_EVERY)
        google.document = key_set(jwk(), jwk("key-of-april", owner="Google in April"))

        assert verifier.verify(signed(kid="key-of-april", by="Google in April")).subject
        assert verifier.verify(signed()).subject
        assert google.times_asked == 2

    def test_a_key_that_google_withdrew_is_gone_with_the_next_answer(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.fresh_for = timedelta(minutes=30)
        verifier.verify(signed())
        google.document = key_set(jwk("key-of-april", owner="Google in April"))
        clock.advance(timedelta(minutes=30))

        assert flaw_of(verifier, signed()) is IdTokenFlaw.KEY

    @pytest.mark.covers("F43")
    def test_a_thousand_made_up_keys_cost_one_fetch_a_minute(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        verifier.verify(signed())
        tokens = [signed(kid=f"made up {n}", by="mallory") for n in range(20)]

        for n in range(1000):
            clock.advance(timedelta(seconds=0.3))
            assert flaw_of(verifier, tokens[n % 20]) is IdTokenFlaw.KEY
            assert verifier.verify(signed()).subject if n % 100 == 0 else True

        assert google.times_asked == 1 + 5  # in 300 s

    @pytest.mark.covers("F43", "111")
    def test_stale_keys_serve_while_google_is_down_for_a_day(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        verifier.verify(signed())
        google.is_down = True
        clock.advance(AN_HOUR + timedelta(hours=24) - timedelta(seconds=1))
        now = int(clock().timestamp())
        token = token_with(iat=now, exp=now + 60)
        assert verifier.verify(token).subject

        clock.advance(timedelta(seconds=1))

        with pytest.raises(GoogleKeysUnavailable):
            verifier.verify(token)

    def test_while_google_is_down_stale_keys_serve_without_asking_at_every_sign_in(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.fresh_for = timedelta(minutes=1)
        verifier.verify(signed())
        google.is_down = True

        for _ in range(100):
            clock.advance(timedelta(seconds=3))
            verifier.verify(signed())

        assert google.times_asked == 1 + 5  # in 300 s

    @pytest.mark.covers("F43", "111")
    def test_a_key_that_is_not_held_is_not_refused_but_unavailable_while_google_is_down(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        """It may be Google's newest: nothing was decided, the client may come again."""
        verifier.verify(signed())
        google.is_down = True
        clock.advance(ASKED_AT_MOST_EVERY)

        for _ in range(2):
            with pytest.raises(GoogleKeysUnavailable):
                verifier.verify(signed(kid="key-of-april"))
        assert verifier.verify(signed()).subject
        assert google.times_asked == 2

    def test_once_google_answers_again_a_made_up_key_is_refused_for_good(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.is_down = True
        with pytest.raises(GoogleKeysUnavailable):
            verifier.verify(signed(kid="made up"))
        google.is_down = False
        clock.advance(ASKED_AT_MOST_EVERY)

        assert flaw_of(verifier, signed(kid="made up")) is IdTokenFlaw.KEY

    def test_without_any_key_google_is_asked_again_after_seconds_and_not_before(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.is_down = True
        for _ in range(50):
            with pytest.raises(GoogleKeysUnavailable):
                verifier.verify(signed())
        assert google.times_asked == 1

        google.is_down = False
        clock.advance(ASKED_AT_MOST_EVERY_WITHOUT_KEYS)

        assert verifier.verify(signed()).subject

    def test_junk_does_not_displace_the_keys_that_are_held(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.fresh_for = timedelta(minutes=1)
        verifier.verify(signed())
        google.document = b"<html>captive portal</html>"
        clock.advance(timedelta(minutes=5))

        assert verifier.verify(signed()).subject
        assert google.times_asked == 2

    def test_a_clock_set_back_does_not_stop_the_asking(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        google.is_down = True
        with pytest.raises(GoogleKeysUnavailable):
            verifier.verify(signed())
        google.is_down = False
        clock.advance(-AN_HOUR)

        assert verifier.verify(token_with(iat=0)).subject

    def test_keys_fetched_ahead_are_not_asked_for_again(self, verifier: GoogleVerifier, google: Google) -> None:
        verifier.warm()

        verifier.verify(signed())

        assert google.times_asked == 1

    @pytest.mark.covers("F23")
    def test_when_fetching_ahead_fails_the_first_sign_in_asks_by_itself(
        self, verifier: GoogleVerifier, google: Google
    ) -> None:
        google.is_down = True
        with pytest.raises(GoogleKeysUnavailable):
            verifier.warm()
        google.is_down = False

        verifier.verify(signed())

        assert google.times_asked == 2

    def test_without_client_ids_nothing_is_fetched_ahead(self, google: Google, clock: FakeClock) -> None:
        GoogleVerifier(client_ids=frozenset(), now=clock, fetch=google).warm()

        assert google.times_asked == 0

    def test_of_twenty_simultaneous_first_sign_ins_one_asks(self, verifier: GoogleVerifier, google: Google) -> None:
        google.before_answering = lambda: time.sleep(0.05)

        with ThreadPoolExecutor(20) as threads:
            identities = list(threads.map(verifier.verify, [signed()] * 20))

        assert len({identity.subject for identity in identities}) == 1
        assert google.times_asked == 1

    def test_of_twenty_simultaneous_first_sign_ins_one_asks_in_vain(
        self, verifier: GoogleVerifier, google: Google
    ) -> None:
        google.is_down = True
        google.before_answering = lambda: time.sleep(0.05)

        def try_to_sign_in(_: int) -> None:
            with pytest.raises(GoogleKeysUnavailable):
                verifier.verify(signed())

        with ThreadPoolExecutor(20) as threads:
            list(threads.map(try_to_sign_in, range(20)))

        assert google.times_asked == 1

    def test_who_can_be_served_does_not_wait_for_the_one_who_asks(
        self, verifier: GoogleVerifier, google: Google, clock: FakeClock
    ) -> None:
        verifier.verify(signed())
        asking, answer = Event(), Event()

        def wait() -> None:
            asking.set()
            answer.wait(30)

        google.before_answering = wait
        clock.advance(AN_HOUR)
        token = token_with(exp=int(clock().timestamp()) + 60)
        asker = Thread(target=verifier.verify, args=(token,))
        asker.start()
        try:
            assert asking.wait(30)

            assert verifier.verify(token).subject
            assert asker.is_alive()
        finally:
            answer.set()
            asker.join(30)
        assert google.times_asked == 2


class TestFreshness:
    @pytest.mark.parametrize(
        ("cache_control", "age", "expected"),
        [
            ("public, max-age=22483, must-revalidate, no-transform", "", timedelta(seconds=22483)),
            ("public, max-age=22483, must-revalidate", "483", timedelta(seconds=22000)),
            ('MAX-AGE="7200"', "", timedelta(hours=2)),
            ("max-age=7200", "junk", timedelta(hours=2)),
            ("max-age=600, s-maxage=5", "", timedelta(minutes=10)),
            ("max-age=0", "", FRESH_FOR_AT_LEAST),
            ("max-age=300", "9999999999", FRESH_FOR_AT_LEAST),
            ("max-age=9999999999", "", FRESH_FOR_AT_MOST),
            ("no-store, max-age=7200", "", FRESH_FOR_AT_LEAST),
            ("no-cache", "", FRESH_FOR_AT_LEAST),
            ("", "", FRESH_FOR_DEFAULT),
            ("public", "", FRESH_FOR_DEFAULT),
            ("max-age=-1", "", FRESH_FOR_DEFAULT),
            ("max-age=99999999999999999999", "", FRESH_FOR_DEFAULT),
            ("max-age=\u0663\u0660", "", FRESH_FOR_DEFAULT),
            (",=,,=5,max-age", "", FRESH_FOR_DEFAULT),
        ],
    )
    def test_keys_are_fresh_for_as_long_as_the_answer_says_within_bounds(
        self, cache_control: str, age: str, expected: timedelta
    ) -> None:
        assert freshness(cache_control, age=age) == expected


class TestKeySet:
    def test_the_example_of_rfc_7517_holds_one_key_for_us(self) -> None:
        """Appendix A.1, written by others: an EC key for encryption is passed over, the RSA key is read."""
        modulus = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
            "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
            "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
            "nqDKgw"
        )
        elliptic = {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        }
        theirs = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}

        keys = read_key_set(key_set(elliptic, theirs))

        assert list(keys) == ["2011-04-29"]
        assert keys["2011-04-29"].key_size == 2048
        assert keys["2011-04-29"].public_numbers().e == 65537

    @pytest.mark.parametrize(
        "changed",
        [
            {"kty": "EC"},
            {"kty": None},
            {"use": "enc"},
            {"use": None},
            {"alg": "RS512"},
            {"alg": "HS256"},
            {"kid": ""},
            {"kid": 7},
            {"kid": None},
            {"n": ""},
            {"n": 7},
            {"n": "not base64url!"},
            {"n": "A"},
            {"n": integer(2**2048 - 2)},
            {"n": integer(2**8193 + 1)},
            {"e": "AQ"},
            {"e": "Aw"},
            {"e": "AQAA"},
            {"e": integer(2**64 + 1)},
            {"e": None},
        ],
    )
    def test_a_key_that_is_not_for_rs256_is_passed_over(self, changed: Claims) -> None:
        odd_one = {**jwk(), **changed}

        assert list(read_key_set(key_set(odd_one, jwk("good one")))) == ["good one"]
        with pytest.raises(GoogleKeysUnavailable):
            read_key_set(key_set(odd_one))

    def test_a_key_of_less_than_2048_bits_is_passed_over(self) -> None:
        with pytest.raises(GoogleKeysUnavailable):
            read_key_set(key_set(jwk(n=integer(2**2046 + 1))))

    def test_use_and_alg_may_be_left_out(self) -> None:
        bare = {name: value for name, value in jwk().items() if name not in {"use", "alg"}}

        assert list(read_key_set(key_set(bare))) == [KID]

    def test_two_keys_of_one_name_make_the_set_junk(self) -> None:
        with pytest.raises(GoogleKeysUnavailable):
            read_key_set(key_set(jwk(), jwk(owner="mallory")))

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"7",
            b"{}",
            b'{"keys": null}',
            b'{"keys": {}}',
            b'{"keys": "text"}',
            b'{"keys": []}',
            b'{"keys": [null, 7, "text", []]}',
            b"[" * LARGEST_KEY_DOCUMENT_BYTES,
            b'{"keys": ' + b"9" * 5000 + b"}",
            b'{"key-of-march": "-----BEGIN CERTIFICATE-----"}',
        ],
    )
    def test_what_is_no_key_set_is_no_answer(self, document: bytes) -> None:
        with pytest.raises(GoogleKeysUnavailable):
            read_key_set(document)


type Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Generator[tuple[str, list[str]]]:
    """Serve one answer on this machine; yield host and port, and the paths that are asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients that hang up are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


@contextmanager
def dripping(sent_every_20_ms: bytes) -> Generator[str]:
    """Accept connections and send the same bytes for ever; nothing at all if there are none. Yield host and port."""
    over = Event()

    def serve(listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while not over.wait(0.02):
                try:
                    connection.sendall(sent_every_20_ms)
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(30)


class TestKeyEndpoint:
    """security.md 110: a fixed address, bounded time and space, no redirects."""

    def test_the_answer_is_handed_on_with_its_freshness(self) -> None:
        answer = (200, {"Cache-Control": "public, max-age=7200", "Age": "200"}, key_set(jwk()))
        with serving(answer) as (host, paths):
            fetched = KeyEndpoint(url=f"http://{host}/oauth2/v3/certs?alt=json")()

        assert fetched == FetchedKeys(document=key_set(jwk()), fresh_for=timedelta(seconds=7000))
        assert paths == ["/oauth2/v3/certs?alt=json"]

    def test_a_token_is_verified_with_keys_fetched_over_the_wire(self, clock: FakeClock) -> None:
        with serving((200, {}, key_set(jwk()))) as (host, paths):
            verifier = GoogleVerifier(client_ids=frozenset({WEB}), now=clock, fetch=KeyEndpoint(url=f"http://{host}"))

            assert verifier.verify(signed()).subject
            assert verifier.verify(signed()).subject

        assert paths == ["/"]

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, status: int) -> None:
        """ASVS 15.3.2."""
        with (
            serving((200, {}, key_set(jwk()))) as (elsewhere, paths_elsewhere),
            serving((status, {"Location": f"http://{elsewhere}/"}, b"")) as (host, _),
            pytest.raises(GoogleKeysUnavailable, match=str(status)),
        ):
            KeyEndpoint(url=f"http://{host}/")()

        assert paths_elsewhere == []

    @pytest.mark.parametrize("status", [204, 206, 400, 403, 404, 429, 500, 503])
    def test_errors_are_no_keys(self, status: int) -> None:
        with serving((status, {}, key_set(jwk()))) as (host, _), pytest.raises(GoogleKeysUnavailable):
            KeyEndpoint(url=f"http://{host}/")()

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("headers", [{}, {"Content-Length": "100000000"}])
    def test_no_more_than_64_kib_are_read(self, headers: dict[str, str]) -> None:
        body = key_set(jwk()) + b" " * LARGEST_KEY_DOCUMENT_BYTES
        with serving((200, headers, body)) as (host, _), pytest.raises(GoogleKeysUnavailable, match="too much"):
            KeyEndpoint(url=f"http://{host}/")()

    def test_exactly_64_kib_are_read(self) -> None:
        body = key_set(jwk()).ljust(LARGEST_KEY_DOCUMENT_BYTES)
        with serving((200, {}, body)) as (host, _):
            assert read_key_set(KeyEndpoint(url=f"http://{host}/")().document)

    def test_nobody_at_the_address_is_unavailable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        with pytest.raises(GoogleKeysUnavailable, match="ConnectionRefusedError"):
            KeyEndpoint(url=f"http://127.0.0.1:{port}/")()

    def test_an_address_that_never_answers_holds_nobody_for_longer_than_its_time(self) -> None:
        with dripping(b"") as host:
            started_at = time.monotonic()
            with pytest.raises(GoogleKeysUnavailable, match="TimeoutError"):
                KeyEndpoint(url=f"http://{host}/", patience=timedelta(seconds=0.2))()

        assert time.monotonic() - started_at < 2

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("bytes_sent", [b"H", b"HTTP/1.1 200 OK\r\nX-Drip: 1\r\n"])
    def test_an_answer_that_drips_in_is_given_up_on_in_time(self, bytes_sent: bytes) -> None:
        with dripping(bytes_sent) as host:
            started_at = time.monotonic()
            with pytest.raises(GoogleKeysUnavailable):
                KeyEndpoint(url=f"http://{host}/", deadline=timedelta(seconds=0.4))()

        assert time.monotonic() - started_at < 2

    @pytest.mark.covers("F29")
    def test_by_default_a_sign_in_waits_seconds_at_most(self) -> None:
        """503 within 8 s, whatever hangs; API Gateway itself would give up after 30."""
        assert KeyEndpoint().patience <= timedelta(seconds=2)
        assert KeyEndpoint().deadline <= timedelta(seconds=4)

    @pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH_9.6\r\n" * 3, b"HTTP/1.1 two hundred\r\n\r\n"])
    def test_an_address_that_speaks_something_else_is_unavailable(self, junk: bytes) -> None:
        with dripping(junk) as host, pytest.raises(GoogleKeysUnavailable):
            KeyEndpoint(url=f"http://{host}/", deadline=timedelta(seconds=2))()

    def test_a_certificate_that_nobody_vouches_for_is_unavailable(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path)[1])
        with serving((200, {}, key_set(jwk())), tls=context) as (host, paths):
            with pytest.raises(GoogleKeysUnavailable, match="SSLCertVerificationError"):
                KeyEndpoint(url=f"https://{host}/")()

            assert paths == []

    def test_a_certificate_of_another_name_is_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, chain = self_signed(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        with serving((200, {}, key_set(jwk())), tls=context) as (host, paths):
            assert KeyEndpoint(url=f"https://{host}/", trust=trust)().document == key_set(jwk())
            with pytest.raises(GoogleKeysUnavailable, match="SSLCertVerificationError"):
                KeyEndpoint(url=f"https://{host}/".replace("127.0.0.1", "localhost"), trust=trust)()

            assert len(paths) == 1

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
        with pytest.raises(ValueError, match="https"):
            KeyEndpoint(url=url)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:3000/keys", "http://[::1]:3000/keys", "http://localhost/", "https://keys.example/"]
    )
    def test_this_machine_may_speak_plain_http(self, url: str) -> None:
        assert KeyEndpoint(url=url).url == url


def test_importing_the_module_imports_neither_pyjwt_nor_cryptography() -> None:
    """Its refusals are looked up by functions that never see Google's credential; those must not pay for it."""
    script = (
        "import sys, gerbang.accounts.google; print(*sorted({'jwt', 'cryptography', 'urllib3'} & sys.modules.keys()))"
    )

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert printed.split() == []
