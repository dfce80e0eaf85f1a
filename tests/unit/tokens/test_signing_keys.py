"""Keys that sign tokens: published keys, RS256 (docs/decisions/0037-rs256.md), and rotation of the secret (F22)."""

from base64 import urlsafe_b64decode
from copy import replace

import jwt
import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.claims import InvalidToken, TokenPair
from gerbang.sessions.keys import REREAD_AT_MOST_EVERY, Algorithm, MasterKey, NoKeyPair
from gerbang.storage.accounts import User
from gerbang.storage.families import Family
from gerbang.storage.secrets import SecretVersions

from tests.deployment import AUDIENCE, ISSUER, Choices, Deployment
from tests.fakes import FakeClock, FakeSecret
from tests.unit.jwt_parts import claims_of, header_of
from tests.unit.tokens.forging import access_kid, assert_rejected, with_header

# Published keys


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


# RS256: versions of the secret without a key pair


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
