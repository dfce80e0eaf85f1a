"""gerbang.sessions.tokens: the claims and times of tokens (F20; security.md 66, 70 to 73)."""

import subprocess
import sys
from copy import replace
from datetime import timedelta

import pytest
from gerbang.core.clock import from_epoch, to_epoch
from gerbang.sessions.claims import AccessClaims, InvalidToken, RefreshClaims, TokenExpired, TokenPair
from gerbang.sessions.tokens import REFRESH_AUDIENCE, Tokens
from gerbang.storage.accounts import User
from gerbang.storage.families import Authentication, Family

from tests.deployment import AUDIENCE, ISSUER, SECOND, Deployment
from tests.fakes import FakeClock, FakeSecret
from tests.unit.jwt_parts import claims_of, header_of
from tests.unit.tokens.forging import access_kid, assert_rejected


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


def test_times_are_whole_seconds_rounded_down(tokens: Tokens, alice: User, family: Family, clock: FakeClock) -> None:
    at = clock() + timedelta(microseconds=999_999)

    pair = tokens.pair(alice, replace(family, rotated_at=at), at=at)

    assert claims_of(pair.access_token)["iat"] == to_epoch(clock())
    assert pair.expires_at == from_epoch(to_epoch(clock()) + 3600)
    assert claims_of(pair.refresh_token)["iat"] == to_epoch(clock())
