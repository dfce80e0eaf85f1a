"""gerbang.sessions.tokens."""

import hmac
import json
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from copy import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions import p256, rsa_pair
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.claims import AccessClaims, InvalidToken, RefreshClaims, TokenExpired, TokenPair
from gerbang.sessions.keys import REREAD_AT_MOST_EVERY, Algorithm, MasterKey, NoKeyPair, Purpose
from gerbang.sessions.tokens import LONGEST_TOKEN, REFRESH_AUDIENCE, Tokens
from gerbang.storage.accounts import User
from gerbang.storage.families import Authentication, Family
from gerbang.storage.secrets import SecretVersions
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from tests.conftest import deployed_on, in_memory
from tests.deployment import AUDIENCE, ISSUER, Choices, Deployment
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.unit.jwt_parts import claims_of, encoded, header_of

SECOND = timedelta(seconds=1)
ALGORITHMS = list(Algorithm)
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(params=ALGORITHMS)
def deployment(request: pytest.FixtureRequest, clock: FakeClock, secret: FakeSecret) -> Deployment:
    """A deployment that signs access tokens with each algorithm in turn."""
    built = deployed_on(in_memory(), clock=clock, log_event=RecordingLog(), secret=secret)
    return replace(built, choices=Choices(algorithm=request.param))


@pytest.fixture
def tokens(deployment: Deployment) -> Tokens:
    return deployment.tokens


@pytest.fixture
def pair(deployment: Deployment, alice: User, family: Family) -> TokenPair:
    return deployment.tokens.pair(alice, family, at=deployment.clock())


@pytest.fixture
def alice(clock: FakeClock) -> User:
    return User(
        user_id="0a7d8c1e-0000-4000-8000-000000000001",
        name="Alice",
        email="alice@example.com",
        password_hash="$bcrypt-sha256$v=2,t=2b,r=4$secret",
        created_at=clock(),
        updated_at=clock(),
    )


@pytest.fixture
def family(alice: User, clock: FakeClock) -> Family:
    now = clock()
    return Family(
        family_id="0a7d8c1e-0000-4000-8000-0000000000ff",
        user_id=alice.user_id,
        generation=3,
        confirmed=2,
        nonce="nonce",
        epoch=0,
        rotated_at=now,
        previous_rotated_at=now,
        created_at=now - timedelta(days=2),
        expires_at=now + timedelta(days=7),
        device="",
        address="192.0.2.1",
    )


class Forge:
    """Signs any claims with the deployment's own keys, as only a bug of ours could."""

    def __init__(self, deployment: Deployment, pair: TokenPair) -> None:
        self.deployment = deployment
        self.pair = pair

    def access(self, change: dict[str, Any] | None = None, *, without: str = "") -> str:
        return self._signed(self.pair.access_token, change or {}, without, self._access_key())

    def refresh(self, change: dict[str, Any] | None = None, *, without: str = "") -> str:
        return self._signed(self.pair.refresh_token, change or {}, without, self._symmetric(Purpose.REFRESH_TOKEN))

    def access_signed_for_refresh(self, change: dict[str, Any]) -> str:
        header = {"alg": "HS256", "kid": self.deployment.keys.current().kid}
        return self._signed(self.pair.access_token, change, "", self._symmetric(Purpose.REFRESH_TOKEN), header)

    def _signed(
        self, like: str, change: dict[str, Any], without: str, key: Any, header: dict[str, Any] | None = None
    ) -> str:
        header, claims = header_of(like) | (header or {}), claims_of(like) | change
        claims.pop(without, None)
        # Not PyJWT's encode, which rejects some of the claims that reading must reject.
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{signature(signing_input, key, header['alg'])}"

    def _access_key(self) -> Any:
        key = self.deployment.keys.current()
        match self.deployment.choices.algorithm:
            case Algorithm.HS256:
                return key.derive(Purpose.ACCESS_TOKEN)
            case Algorithm.ES256:
                return p256.private_key(key.derive(Purpose.SIGNING_KEY_P256, 48))
            case Algorithm.RS256:
                assert key.key_pair is not None
                return rsa_pair.private_key(key.key_pair)

    def _symmetric(self, purpose: Purpose) -> bytes:
        return self.deployment.keys.current().derive(purpose)


@pytest.fixture
def forge(deployment: Deployment, pair: TokenPair) -> Forge:
    return Forge(deployment, pair)


def access_kid(kid: str, algorithm: Algorithm) -> str:
    """The key id in access tokens: different for RS256, so that no cache confuses the RSA and the P-256 key."""
    return f"{kid}.rs256" if algorithm is Algorithm.RS256 else kid


def signature(signing_input: str, key: Any, algorithm: str) -> str:
    signer: Any = jwt.get_algorithm_by_name(algorithm)
    made: bytes = signer.sign(signing_input.encode(), signer.prepare_key(key))
    return urlsafe_b64encode(made).decode().rstrip("=")


def with_header(token: str, change: dict[str, Any], *, key: Any = None, algorithm: str = "") -> str:
    """The token with another header, signed again if there is a key."""
    _, payload, old = token.split(".")
    signing_input = f"{encoded(header_of(token) | change)}.{payload}"
    return f"{signing_input}.{signature(signing_input, key, algorithm) if algorithm else old}"


def assert_rejected(tokens: Tokens, token: str, clock: FakeClock) -> None:
    for read in (tokens.read_access, tokens.read_access_even_if_expired, tokens.read_refresh):
        with pytest.raises(InvalidToken):
            read(token, at=clock())


# Claims


@pytest.mark.covers("70", "73")
def test_an_access_token_has_exactly_the_documented_claims(
    pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    """Of the account: the id, the address, the name and metadata; nothing secret."""
    claims = claims_of(pair.access_token)
    jti = claims.pop("jti")

    assert claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": alice.user_id,
        "iat": to_epoch(clock()),
        "exp": to_epoch(clock()) + 3600,
        "session_id": family.family_id,
        "gen": 3,
        "role": "authenticated",
        "aal": "aal1",
        "amr": [],
        "email": "alice@example.com",
        "email_verified": False,
        "phone": "",
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {"name": "Alice"},
        "token_use": "access",
    }
    assert jti.count("-") == 4


def test_a_refresh_token_names_its_session_and_generation(
    pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    assert claims_of(pair.refresh_token) == {
        "iss": ISSUER,
        "aud": REFRESH_AUDIENCE,
        "sub": alice.user_id,
        "iat": to_epoch(clock()),
        "exp": to_epoch(family.expires_at),
        "jti": f"{family.family_id}.3",
        "session_id": family.family_id,
        "gen": 3,
        "auth_time": to_epoch(family.created_at),
        "token_use": "refresh",
    }


@pytest.mark.covers("72")
def test_a_header_has_only_algorithm_key_id_and_type(deployment: Deployment, pair: TokenPair) -> None:
    """RSA with PKCS#1 v1.5 only where the operator has chosen RS256 (docs/decisions/0037-rs256.md)."""
    kid, algorithm = deployment.keys.current().kid, deployment.choices.algorithm

    assert header_of(pair.access_token) == {"alg": algorithm, "kid": access_kid(kid, algorithm), "typ": "JWT"}
    assert header_of(pair.refresh_token) == {"alg": "HS256", "kid": kid, "typ": "JWT"}


def test_a_guests_token_is_marked_as_anonymous(deployment: Deployment, alice: User, family: Family) -> None:
    guest = replace(alice, is_anonymous=True, email=None)

    claims = claims_of(deployment.tokens.pair(guest, family, at=deployment.clock()).access_token)

    assert (claims["role"], claims["is_anonymous"], claims["email"]) == ("authenticated", True, "")


def test_a_guests_role_comes_from_the_session(deployment: Deployment, alice: User, family: Family) -> None:
    """As the API that opened the session documents it, until the guest registers."""
    guest, session = replace(alice, is_anonymous=True, email=None), replace(family, guest_role="anonymous")

    roles = [
        claims_of(deployment.tokens.pair(user, session, at=deployment.clock()).access_token)["role"]
        for user in (guest, alice)
    ]

    assert roles == ["anonymous", "authenticated"]


def test_amr_lists_the_newest_method_first(deployment: Deployment, alice: User, family: Family) -> None:
    at = deployment.clock()
    twice = replace(
        family, amr=(Authentication(method="password", at=at), Authentication(method="otp", at=at + timedelta(hours=1)))
    )

    amr = claims_of(deployment.tokens.pair(alice, twice, at=at).access_token)["amr"]

    assert amr == [
        {"method": "otp", "timestamp": to_epoch(at) + 3600},
        {"method": "password", "timestamp": to_epoch(at)},
    ]


def test_user_metadata_is_left_out_if_it_is_large_or_switched_off(
    deployment: Deployment, alice: User, family: Family
) -> None:
    at = deployment.clock()
    large = replace(alice, user_metadata={"note": "x" * 4000})
    switched_off = replace(deployment.tokens, carries_user_metadata=False)

    assert claims_of(deployment.tokens.pair(large, family, at=at).access_token)["user_metadata"] == {}
    assert "user_metadata" not in claims_of(switched_off.pair(alice, family, at=at).access_token)


def test_a_token_with_the_largest_metadata_can_be_read(deployment: Deployment, alice: User, family: Family) -> None:
    """JSON escapes a character outside ASCII with six characters."""
    at = deployment.clock()
    full = replace(alice, app_metadata={"note": "\u4e2d" * 670})

    token = deployment.tokens.pair(full, family, at=at).access_token

    assert deployment.tokens.read_access(token, at=at).user_id == alice.user_id


@pytest.mark.covers("C20")
def test_a_token_says_whether_the_address_is_verified(deployment: Deployment, alice: User, family: Family) -> None:
    """C20: a service that trusts the address must be able to tell."""
    verified = replace(alice, email_verified_at=deployment.clock())

    assert claims_of(deployment.tokens.pair(verified, family, at=deployment.clock()).access_token)["email_verified"]


def test_a_signed_token_can_be_read(
    tokens: Tokens, pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    assert tokens.read_access(pair.access_token, at=clock()) == AccessClaims(
        user_id=alice.user_id,
        family_id=family.family_id,
        generation=3,
        expires_at=pair.expires_at,
    )
    assert tokens.read_refresh(pair.refresh_token, at=clock()) == RefreshClaims(
        family_id=family.family_id,
        user_id=alice.user_id,
        generation=3,
        signed_in_at=family.created_at,
    )
    assert (pair.expires_in, pair.expires_at) == (timedelta(hours=1), clock() + timedelta(hours=1))
    assert pair.audience == claims_of(pair.access_token)["aud"]


def test_access_tokens_are_unique_and_refresh_tokens_of_one_generation_are_identical(
    tokens: Tokens, alice: User, family: Family, clock: FakeClock
) -> None:
    pairs = [tokens.pair(alice, family, at=clock()) for _ in range(5)]

    assert len({claims_of(each.access_token)["jti"] for each in pairs}) == 5
    assert len({each.refresh_token for each in pairs}) == 1


def test_the_repr_of_a_token_pair_has_no_token(pair: TokenPair) -> None:
    assert "eyJ" not in repr(pair)
    assert "eyJ" not in f"{pair} {[pair]}"


def test_importing_sessions_loads_no_jwt_library() -> None:
    """docs/decisions/0013-init.md: the container decides whether PyJWT may find cryptography, 17 ms of a start."""
    modules = "gerbang.sessions.sessions, gerbang.sessions.rotation, gerbang.accounts.guests, gerbang.apis.jwks"
    code = f"import sys, {modules}; print([name for name in ('jwt', 'cryptography') if name in sys.modules])"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"


def test_warming_up_reads_the_secret_once(tokens: Tokens, secret: FakeSecret) -> None:
    tokens.warm()

    assert secret.reads == 1


# Time: F20, security.md 66


def test_an_access_token_is_valid_until_its_last_second(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    clock.advance(timedelta(hours=1) - SECOND)
    tokens.read_access(pair.access_token, at=clock())
    clock.advance(SECOND)

    with pytest.raises(TokenExpired):
        tokens.read_access(pair.access_token, at=clock())


def test_an_expired_refresh_token_is_invalid(tokens: Tokens, pair: TokenPair, family: Family, clock: FakeClock) -> None:
    """Not expired: clients refresh after that error, and there is nothing left to refresh with."""
    tokens.read_refresh(pair.refresh_token, at=family.expires_at - SECOND)

    with pytest.raises(InvalidToken):
        tokens.read_refresh(pair.refresh_token, at=family.expires_at)
    assert clock() < family.expires_at


def test_a_token_from_a_clock_up_to_a_minute_ahead_is_accepted(
    tokens: Tokens, pair: TokenPair, clock: FakeClock
) -> None:
    a_minute = timedelta(seconds=60)
    for behind in (timedelta(seconds=5), a_minute):
        tokens.read_access(pair.access_token, at=clock() - behind)
        tokens.read_refresh(pair.refresh_token, at=clock() - behind)

    assert_rejected(tokens, pair.access_token, FakeClock(clock() - a_minute - SECOND))
    assert_rejected(tokens, pair.refresh_token, FakeClock(clock() - a_minute - SECOND))


def test_an_access_token_expires_with_its_session_at_the_latest(
    tokens: Tokens, alice: User, family: Family, clock: FakeClock
) -> None:
    until = clock() + timedelta(minutes=20)
    at = clock() + timedelta(microseconds=1)

    pair = tokens.pair(alice, replace(family, expires_at=until + timedelta(microseconds=2)), at=at)

    claims = claims_of(pair.access_token)
    assert claims["exp"] == to_epoch(pair.expires_at) == to_epoch(until)
    assert pair.expires_in == timedelta(seconds=claims["exp"] - claims["iat"]) == timedelta(minutes=20)


def test_an_expired_access_token_can_be_read_to_sign_out(
    tokens: Tokens, pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    claims = tokens.read_access_even_if_expired(pair.access_token, at=clock() + timedelta(days=30))

    assert (claims.user_id, claims.family_id, claims.generation) == (alice.user_id, family.family_id, 3)
    assert claims == tokens.read_access(pair.access_token, at=clock())


@pytest.mark.covers("F20")
def test_there_is_no_leeway_after_the_expiry(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    with pytest.raises(TokenExpired):
        tokens.read_access(pair.access_token, at=clock() + timedelta(hours=1, microseconds=1))


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
            made = urlsafe_b64encode(mac).decode().rstrip("=")
            assert_rejected(tokens, f"{signing_input}.{made}", clock)
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
        _, payload, made = token.split(".")
        assert_rejected(tokens, f"{encoded({'alg': header_of(token)['alg'], 'typ': 'JWT'})}.{payload}.{made}", clock)


@pytest.mark.parametrize("change", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": False}], ids=str)
def test_critical_header_extensions_are_rejected(
    tokens: Tokens, pair: TokenPair, clock: FakeClock, change: dict[str, Any]
) -> None:
    assert_rejected(tokens, with_header(pair.access_token, change), clock)


@pytest.mark.covers("63", "87")
def test_changing_any_claim_breaks_the_signature(tokens: Tokens, pair: TokenPair, clock: FakeClock) -> None:
    """So the ids in a token cannot be changed."""
    for token in (pair.access_token, pair.refresh_token):
        header, _, made = token.split(".")
        for name, value in claims_of(token).items():
            changed = claims_of(token) | {name: value + 1 if isinstance(value, int) else f"{value}x"}
            assert_rejected(tokens, f"{header}.{encoded(changed)}.{made}", clock)


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


# Public keys


def test_access_tokens_can_be_verified_with_the_published_key(deployment: Deployment, pair: TokenPair) -> None:
    if deployment.choices.algorithm is Algorithm.HS256:
        assert deployment.tokens.public_keys() == []
        return
    keys = {jwk["kid"]: jwk for jwk in deployment.tokens.public_keys()}
    jwk = keys[header_of(pair.access_token)["kid"]]

    claims = jwt.decode(
        pair.access_token,
        jwt.PyJWK(jwk),
        algorithms=[deployment.choices.algorithm],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )

    assert claims == claims_of(pair.access_token)
    if deployment.choices.algorithm is Algorithm.ES256:
        assert {"kty", "crv", "x", "y", "kid", "alg", "use"} == jwk.keys()
        assert (jwk["kty"], jwk["crv"], jwk["alg"], jwk["use"]) == ("EC", "P-256", "ES256", "sig")
    else:
        assert {"kty", "n", "e", "kid", "alg", "use"} == jwk.keys()
        assert (jwk["kty"], jwk["e"], jwk["alg"], jwk["use"]) == ("RSA", "AQAB", "RS256", "sig")
        assert len(urlsafe_b64decode(jwk["n"] + "==")) == 2048 // 8  # RFC 7518, section 3.3


def test_during_a_rotation_both_public_keys_are_published(
    deployment: Deployment, pair: TokenPair, secret: FakeSecret, clock: FakeClock
) -> None:
    secret.rotate("second")
    clock.advance(FRESH_FOR)

    published = [jwk["kid"] for jwk in deployment.tokens.public_keys()]

    algorithm = deployment.choices.algorithm
    if algorithm is Algorithm.HS256:
        assert published == []
    else:
        second = access_kid(MasterKey.from_secret("second").kid, algorithm)
        assert published == [second, header_of(pair.access_token)["kid"]]


def test_changing_the_algorithm_invalidates_access_tokens_but_not_refresh_tokens(
    deployment: Deployment, pair: TokenPair, clock: FakeClock
) -> None:
    """A client refreshes and continues; two algorithms are never accepted at the same time (RFC 8725, 3.1)."""
    for other in set(Algorithm) - {deployment.choices.algorithm}:
        changed = replace(deployment, choices=Choices(algorithm=other)).tokens

        with pytest.raises(InvalidToken):
            changed.read_access(pair.access_token, at=clock())
        assert changed.read_refresh(pair.refresh_token, at=clock()).generation == 3


# RS256: versions of the secret without a key pair (docs/decisions/0037-rs256.md)


@pytest.fixture
def rs256(deployment_in_memory: Deployment) -> Deployment:
    return replace(deployment_in_memory, choices=Choices(algorithm=Algorithm.RS256))


def test_the_first_key_pair_signs_immediately(
    rs256: Deployment, alice: User, family: Family, secret: FakeSecret, clock: FakeClock
) -> None:
    """In a new stack: CloudFormation makes a secret without a key pair and rotates it at once."""
    first = secret.versions.current
    secret.bare.add(first)
    secret.versions = SecretVersions("second", first, current_since=clock())

    pair = rs256.tokens.pair(alice, family, at=clock())

    assert header_of(pair.access_token)["kid"] == access_kid(MasterKey.from_secret("second").kid, Algorithm.RS256)
    assert header_of(pair.refresh_token)["kid"] == MasterKey.from_secret(first).kid  # which every function has read
    assert [jwk["kid"] for jwk in rs256.tokens.public_keys()] == [header_of(pair.access_token)["kid"]]
    rs256.tokens.read_access(pair.access_token, at=clock())


def test_without_a_key_pair_signing_fails_until_the_secret_is_read_again(
    rs256: Deployment, alice: User, family: Family, secret: FakeSecret, clock: FakeClock
) -> None:
    """503, never a token of another algorithm, and only until shortly after the rotation."""
    first = secret.versions.current
    secret.bare.add(first)
    with pytest.raises(NoKeyPair):
        rs256.tokens.pair(alice, family, at=clock())
    assert rs256.tokens.public_keys() == []

    secret.versions = SecretVersions("second", first, current_since=clock())
    clock.advance(REREAD_AT_MOST_EVERY)

    rs256.tokens.pair(alice, family, at=clock())


def test_a_token_that_names_a_version_without_a_key_pair_is_rejected(
    rs256: Deployment, alice: User, family: Family, secret: FakeSecret, clock: FakeClock
) -> None:
    pair = rs256.tokens.pair(alice, family, at=clock())
    secret.versions = SecretVersions("second", secret.versions.current)
    secret.bare.add("second")
    clock.advance(FRESH_FOR)

    kid = access_kid(MasterKey.from_secret("second").kid, Algorithm.RS256)

    assert_rejected(rs256.tokens, with_header(pair.access_token, {"kid": kid}), clock)
    rs256.tokens.read_access(pair.access_token, at=clock())  # the version before still signs and verifies
    assert header_of(rs256.tokens.pair(alice, family, at=clock()).access_token)["kid"] != kid


# Rotation of the secret: F22, security.md 78


@pytest.mark.covers("F22", "78")
def test_after_a_rotation_old_tokens_are_valid_and_new_ones_have_the_new_key(
    deployment: Deployment, pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    deployment.secret.rotate("second")
    clock.advance(FRESH_FOR)

    new = deployment.tokens.pair(alice, family, at=clock())

    second = MasterKey.from_secret("second").kid
    assert header_of(new.access_token)["kid"] == access_kid(second, deployment.choices.algorithm)
    for each in (pair, new):
        deployment.tokens.read_access(each.access_token, at=clock())
        deployment.tokens.read_refresh(each.refresh_token, at=clock())


def test_after_a_second_rotation_tokens_of_the_first_secret_are_rejected(
    deployment: Deployment, pair: TokenPair, secret: FakeSecret, clock: FakeClock
) -> None:
    secret.rotate("second")
    secret.rotate("third")
    clock.advance(FRESH_FOR)

    assert_rejected(deployment.tokens, pair.access_token, clock)


def test_warm_environments_accept_each_others_tokens_during_a_rotation(
    deployment: Deployment, alice: User, family: Family, secret: FakeSecret, clock: FakeClock
) -> None:
    one, other = replace(deployment), replace(deployment)
    one.keys.current()
    clock.advance(REREAD_AT_MOST_EVERY)
    other.keys.current()
    secret.rotate("second")
    clock.advance(FRESH_FOR - REREAD_AT_MOST_EVERY)

    new = one.tokens.pair(alice, family, at=clock())  # one reads the secret again, the other is not due yet
    old = other.tokens.pair(alice, family, at=clock())

    assert header_of(new.access_token)["kid"] != header_of(old.access_token)["kid"]
    for built in (one, other):
        for each in (old, new):
            built.tokens.read_access(each.access_token, at=clock())
            built.tokens.read_refresh(each.refresh_token, at=clock())


@pytest.mark.covers("F23")
def test_without_the_secret_tokens_are_unavailable(
    deployment: Deployment, pair: TokenPair, alice: User, family: Family, clock: FakeClock
) -> None:
    """A 503, never "invalid": clients sign users out on a final error."""
    deployment.secret.become_unreadable()
    cold = replace(deployment).tokens

    with pytest.raises(DependencyUnavailable):
        cold.pair(alice, family, at=clock())
    with pytest.raises(DependencyUnavailable):
        cold.read_access(pair.access_token, at=clock())
    with pytest.raises(DependencyUnavailable):
        cold.read_refresh(pair.refresh_token, at=clock())
    assert deployment.tokens.read_access(pair.access_token, at=clock()).generation == 3


def test_times_are_whole_seconds_rounded_down(tokens: Tokens, alice: User, family: Family, clock: FakeClock) -> None:
    at = clock() + timedelta(microseconds=999_999)

    pair = tokens.pair(alice, replace(family, rotated_at=at), at=at)

    assert claims_of(pair.access_token)["iat"] == to_epoch(clock())
    assert pair.expires_at == from_epoch(to_epoch(clock()) + 3600)
    assert claims_of(pair.refresh_token)["iat"] == to_epoch(clock())
