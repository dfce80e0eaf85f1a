"""The public keys, as other services fetch and keep them."""

from copy import replace
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.keys import KNOWN_AFTER, PUBLISHED_FOR, Algorithm
from gerbang.storage.secrets import SecretVersions
from gerbang_local.declarations import function_in

from tests.deployment import AUDIENCE, HOME, ISSUER, Choices, Deployment
from tests.fakes import FakeClock, FakeSecret
from tests.gateway_events import body_of, http_event

PATHS: Final = ("/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json")


@pytest.fixture
def es256(deployment_in_memory: Deployment) -> Deployment:
    """A deployment whose access tokens others can verify."""
    return replace(deployment_in_memory, choices=Choices(algorithm=Algorithm.ES256))


def asked(deployment: Deployment, path: str = PATHS[0], method: str = "GET") -> dict[str, Any]:
    """The answer of the endpoint."""
    handler = function_in("jwks").load(deployment).handler
    answer: dict[str, Any] = handler(http_event(method=method, path=path, headers={}), None)
    return answer | {"body": body_of(answer)}


@pytest.mark.parametrize("path", PATHS)
def test_the_keys_are_what_supabase_s_clients_take(es256: Deployment, path: str) -> None:
    answer = asked(es256, path)

    assert answer["statusCode"] == 200
    [key] = answer["body"]["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}  # and no `d`: that would be the private key
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")


@pytest.mark.parametrize("path", PATHS)
def test_a_symmetric_key_is_never_published(deployment_in_memory: Deployment, path: str) -> None:
    assert asked(deployment_in_memory, path)["body"] == {"keys": []}


def test_the_keys_may_be_cached_for_ten_minutes_apart_for_each_origin(es256: Deployment) -> None:
    """The gateway's CORS headers depend on the origin."""
    headers = asked(es256)["headers"]

    assert (headers["cache-control"], headers["vary"]) == ("public, max-age=600", "Origin")


def test_errors_are_not_cached(es256: Deployment) -> None:
    answer = asked(es256, method="POST")

    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (405, "no-store")


def test_a_token_is_verified_with_the_keys_alone(es256: Deployment) -> None:
    """As another service does, with PyJWT and the key set alone."""
    user = es256.register()
    token = es256.sessions.open(user, HOME, "password").tokens.access_token

    assert verified(token, asked(es256)["body"])["sub"] == user.user_id


def verified(token: str, key_set: dict[str, Any]) -> dict[str, Any]:
    key = jwt.PyJWKSet.from_dict(key_set)[str(jwt.get_unverified_header(token)["kid"])]
    options: Any = {"verify_exp": False, "verify_iat": False}  # the clock is held
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options=options)


@pytest.mark.covers("F22")
def test_who_keeps_the_keys_for_ten_minutes_never_meets_an_unknown_one(
    es256: Deployment, secret: FakeSecret, clock: FakeClock
) -> None:
    """At its worst: the endpoint had read the secret just before it was rotated, the others' copy is as old."""
    user = es256.register()
    elsewhere = replace(es256)
    kept, fetched_at = asked(elsewhere)["body"], clock()
    secret.versions = SecretVersions("another secret", secret.versions.current, current_since=clock())

    kids = set()
    for _ in range(2 * int(KNOWN_AFTER / timedelta(minutes=1))):
        clock.advance(timedelta(minutes=1) - timedelta(milliseconds=1))
        if clock() - fetched_at >= PUBLISHED_FOR:
            kept, fetched_at = asked(elsewhere)["body"], clock()
        token = replace(es256).sessions.open(user, HOME, "password").tokens.access_token
        assert verified(token, kept)
        kids.add(jwt.get_unverified_header(token)["kid"])

    assert len(kids) == 2
    assert KNOWN_AFTER == FRESH_FOR + PUBLISHED_FOR
