"""gerbang.sessions.tokens: tokens of the wrong kind, forged tokens and malformed ones (security.md 63 to 69, 74)."""

import hmac
import json
from base64 import urlsafe_b64encode
from copy import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gerbang.core.clock import to_epoch
from gerbang.sessions.claims import InvalidToken, TokenPair
from gerbang.sessions.keys import Algorithm, Purpose
from gerbang.sessions.tokens import LONGEST_TOKEN, REFRESH_AUDIENCE, Tokens
from gerbang.storage.accounts import User
from gerbang.storage.families import Family
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from tests.conftest import deployed_on, in_memory
from tests.deployment import AUDIENCE, ISSUER, Deployment
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.unit.jwt_parts import claims_of, encoded, header_of
from tests.unit.tokens.forging import Forge, assert_rejected, with_header

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


# Access and refresh tokens: security.md 67


@pytest.mark.covers("67")
def test_access_and_refresh_tokens_are_not_interchangeable(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    for read in (tokens.read_access, tokens.read_access_even_if_expired):
        with pytest.raises(InvalidToken):
            read(pair.refresh_token, at=clock())
    with pytest.raises(InvalidToken):
        tokens.read_refresh(pair.access_token, at=clock())


@pytest.mark.parametrize("use", ["refresh", "id", "", None, 1, ["access"]])
def test_a_signed_token_must_have_the_right_token_use(tokens: Tokens, forge: Forge, clock: FakeClock, use: Any) -> None:
    for read in (tokens.read_access, tokens.read_access_even_if_expired):
        with pytest.raises(InvalidToken):
            read(forge.access({"token_use": use}), at=clock())
    with pytest.raises(InvalidToken):
        tokens.read_refresh(forge.refresh({"token_use": use if use != "refresh" else "access"}), at=clock())


@pytest.mark.covers("67")
def test_claims_signed_with_the_key_of_the_other_kind_are_rejected(
    tokens: Tokens, forge: Forge, clock: FakeClock
) -> None:
    as_refresh = {"aud": REFRESH_AUDIENCE, "token_use": "refresh", "auth_time": to_epoch(clock())}
    assert (
        tokens.read_refresh(forge.access_signed_for_refresh(as_refresh), at=clock()).generation == 3
    )  # so the forger works

    assert_rejected(tokens, forge.access_signed_for_refresh({}), clock)
    assert_rejected(tokens, forge.access(as_refresh), clock)


# Signatures: security.md 63 to 65


@pytest.mark.covers("64")
@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE", "", "null", None, 0, "none "], ids=repr)
@pytest.mark.parametrize("end", [".", ".AA", ""])
def test_a_token_without_a_signature_is_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, spelling: Any, end: str
) -> None:
    for token in (pair.access_token, pair.refresh_token):
        payload = token.split(".")[1]
        assert_rejected(tokens, f"{encoded(header_of(token) | {'alg': spelling})}.{payload}{end}", clock)


@pytest.mark.parametrize(
    "algorithm", ["HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES256K", "EdDSA", "hs256"]
)
def test_a_changed_algorithm_in_the_header_is_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, algorithm: str
) -> None:
    for token in (pair.access_token, pair.refresh_token):
        if header_of(token)["alg"] != algorithm:
            assert_rejected(tokens, with_header(token, {"alg": algorithm}), clock)


@pytest.mark.covers("64")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_rejected_even_with_our_own_key(
    deployment: Deployment, tokens: Tokens, pair: TokenPair, clock: FakeClock, algorithm: str
) -> None:
    """One algorithm, not a family of them."""
    key = deployment.keys.current()
    for token, purpose in ((pair.access_token, Purpose.ACCESS_TOKEN), (pair.refresh_token, Purpose.REFRESH_TOKEN)):
        assert_rejected(
            tokens, with_header(token, {"alg": algorithm}, key=key.derive(purpose), algorithm=algorithm), clock
        )


@pytest.mark.covers("63")
@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        pytest.param("HS256", b"another key, which has 32 bytes.", id="HS256"),
        pytest.param("HS256", b"\0" * 32, id="HS256, a key of zeros"),
        pytest.param("RS256", RSA_KEY, id="RS256"),
        pytest.param("ES256", EC_KEY, id="ES256"),
    ],
)
def test_a_signature_of_another_key_is_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, algorithm: str, key: Any
) -> None:
    for token in (pair.access_token, pair.refresh_token):
        assert_rejected(tokens, with_header(token, {"alg": algorithm}, key=key, algorithm=algorithm), clock)


def test_the_public_key_is_not_accepted_as_an_hmac_secret(
    deployment: Deployment, tokens: Tokens, pair: TokenPair, clock: FakeClock
) -> None:
    """RFC 8725, 2.1: algorithm confusion, with every encoding of the published key."""
    for jwk in tokens.public_keys():
        public: Any = jwt.PyJWK(jwk).key
        texts = [
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
            json.dumps(jwk).encode(),
        ]
        for text in texts:
            header = encoded({"alg": "HS256", "kid": jwk["kid"], "typ": "JWT"})
            signing_input = f"{header}.{pair.access_token.split('.')[1]}"
            mac = hmac.digest(text, signing_input.encode(), "sha256")  # PyJWT rejects such a key
            signature = urlsafe_b64encode(mac).decode().rstrip("=")
            assert_rejected(tokens, f"{signing_input}.{signature}", clock)
    assert len(tokens.public_keys()) == (deployment.choices.algorithm is not Algorithm.HS256)


@pytest.mark.covers("65")
@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t"])
def test_keys_in_a_header_are_ignored(
    deployment: Deployment, tokens: Tokens, pair: TokenPair, clock: FakeClock, name: str
) -> None:
    """RFC 8725, 3.10."""
    keys: dict[str, Any] = {
        "jwk": ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True),
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/cert.pem",
        "x5c": ["MIIB"],
        "x5t": "AAAA",
    }
    for kid in (deployment.keys.current().kid, "attacker"):
        header = {name: keys[name], "alg": "ES256", "kid": kid}
        assert_rejected(tokens, with_header(pair.access_token, header, key=EC_KEY, algorithm="ES256"), clock)


@pytest.mark.parametrize(
    "kid",
    [None, "", 0, True, 7, [], {}, ["a"], "../../dev/null", "' OR 1=1 --", "\0", "x" * 3000, "AAAAAAAAAAAA"],
    ids=lambda kid: repr(kid)[:20],
)
def test_an_unknown_key_id_is_rejected(tokens: Tokens, pair: TokenPair, clock: FakeClock, kid: Any) -> None:
    for token in (pair.access_token, pair.refresh_token):
        assert_rejected(tokens, with_header(token, {"kid": kid}), clock)


def test_a_token_without_a_key_id_is_rejected(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    for token in (pair.access_token, pair.refresh_token):
        _, payload, signature = token.split(".")
        assert_rejected(
            tokens, f"{encoded({'alg': header_of(token)['alg'], 'typ': 'JWT'})}.{payload}.{signature}", clock
        )


@pytest.mark.parametrize("change", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": False}], ids=str)
def test_critical_header_extensions_are_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, change: dict[str, Any]
) -> None:
    assert_rejected(tokens, with_header(pair.access_token, change), clock)


@pytest.mark.covers("63", "87")
def test_changing_any_claim_breaks_the_signature(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    """So the ids in a token cannot be changed."""
    for token in (pair.access_token, pair.refresh_token):
        header, _, signature = token.split(".")
        for name, value in claims_of(token).items():
            changed = claims_of(token) | {name: value + 1 if isinstance(value, int) else f"{value}x"}
            assert_rejected(tokens, f"{header}.{encoded(changed)}.{signature}", clock)


# Wrong claims in a signed token: security.md 66, 68, 69


ACCESS_CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti", "session_id", "gen", "token_use"]
REFRESH_CLAIMS = [*ACCESS_CLAIMS, "auth_time"]


@pytest.mark.covers("66", "68", "69")
@pytest.mark.parametrize("name", ACCESS_CLAIMS)
def test_an_access_token_without_a_required_claim_is_rejected(
    tokens: Tokens, forge: Forge, clock: FakeClock, name: str
) -> None:
    for read in (tokens.read_access, tokens.read_access_even_if_expired):
        with pytest.raises(InvalidToken):
            read(forge.access(without=name), at=clock())


@pytest.mark.parametrize("name", REFRESH_CLAIMS)
def test_a_refresh_token_without_a_required_claim_is_rejected(
    tokens: Tokens, forge: Forge, clock: FakeClock, name: str
) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_refresh(forge.refresh(without=name), at=clock())


@pytest.mark.covers("68", "69")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("iss", ["", "https://auth.example.com/", "HTTPS://AUTH.EXAMPLE.COM", [ISSUER], None, 1]),
        ("aud", ["", "another", [AUDIENCE], [REFRESH_AUDIENCE], [AUDIENCE, REFRESH_AUDIENCE], None, 1, {}]),
        ("sub", ["", "alice@example.com", "0A7D8C1E-0000-4000-8000-000000000001", 7, None, "{0a7d8c1e}", "0" * 32]),
        ("session_id", ["", "RATE", "0A7D8C1E-0000-4000-8000-0000000000FF", 7, None, [], "0" * 32]),
        ("gen", ["3", 3.0, True, None, [3], {}, ""]),
        ("iat", ["0", 0.0, False, None, [0]]),
        ("exp", ["9999999999", 9999999999.0, True, None, [], 1e300, 10**20, 10**400]),
        ("jti", [7, None, []]),
    ],
)
def test_a_claim_with_another_value_or_type_is_rejected(
    tokens: Tokens, forge: Forge, clock: FakeClock, name: str, values: list[Any]
) -> None:
    for value in values:
        for read in (tokens.read_access, tokens.read_access_even_if_expired):
            with pytest.raises(InvalidToken):
                read(forge.access({name: value}), at=clock())
        with pytest.raises(InvalidToken):
            tokens.read_refresh(forge.refresh({name: value}), at=clock())


@pytest.mark.parametrize("value", [True, 1.5, "1", None])
def test_auth_time_must_be_an_integer(tokens: Tokens, forge: Forge, clock: FakeClock, value: Any) -> None:
    with pytest.raises(InvalidToken):
        tokens.read_refresh(forge.refresh({"auth_time": value}), at=clock())


@pytest.mark.covers("69")
def test_a_token_from_another_deployment_is_rejected(
    deployment: Deployment, alice: User, family: Family, clock: FakeClock
) -> None:
    other = replace(deployment, secret=FakeSecret("another deployment's"))
    pair = other.tokens.pair(alice, family, at=clock())

    assert_rejected(deployment.tokens, pair.access_token, clock)
    assert_rejected(deployment.tokens, pair.refresh_token, clock)


# Malformed tokens


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "eyJ",
        "e30.e30.e30",
        "\0",
        "é.é.é",
        "\ud800",
        f"{'W' * 1000}.W10.W10",
        f"{urlsafe_b64encode(b'[' * 2900).decode()}.e30.AA",
        f"e30.{urlsafe_b64encode(b'[' * 2900).decode()}.AA",
        f"{urlsafe_b64encode(b'1' * 2900).decode()}.e30.AA",
    ],
    ids=lambda text: repr(text)[:16],
)
def test_malformed_tokens_are_rejected(tokens: Tokens, clock: FakeClock, text: str) -> None:
    assert_rejected(tokens, text, clock)


@given(st.one_of(st.text(), st.lists(st.text(alphabet="AZaz09-_="), min_size=3, max_size=4).map(".".join)))
def test_any_text_is_rejected(text: str) -> None:
    clock = FakeClock()
    built = deployed_on(in_memory(), clock=clock, log_event=RecordingLog(), secret=FakeSecret())

    assert_rejected(built.tokens, text, clock)


def test_a_very_long_token_is_rejected_without_reading_the_secret(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, secret: FakeSecret
) -> None:
    assert len(pair.access_token) < LONGEST_TOKEN / 4
    reads = secret.reads

    assert_rejected(tokens, "x" * 10_000_000, clock)
    assert_rejected(tokens, f"{pair.access_token}{'=' * LONGEST_TOKEN}", clock)

    assert secret.reads == reads


@pytest.mark.covers("74")
@pytest.mark.parametrize("padding", ["=", "==", "\n"])
def test_a_token_with_padding_appended_is_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, padding: str
) -> None:
    """PyJWT alone would accept the first of these."""
    assert_rejected(tokens, pair.access_token + padding, clock)
    assert_rejected(tokens, pair.refresh_token + padding, clock)
