"""The public keys, as other services fetch and keep them."""

from copy import replace
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from gerbang.container import Container
from gerbang.sessions.keys import KNOWN_AFTER, PUBLISHED_FOR, Algorithm
from gerbang.storage.secrets import SecretVersions
from gerbang_local.declarations import function_in

from tests.deployment import AUDIENCE, HOME, ISSUER, Choices, Deployment, environment_of
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


def verified(token: str, key_set: dict[str, Any], algorithm: Algorithm = Algorithm.ES256) -> dict[str, Any]:
    key = jwt.PyJWKSet.from_dict(key_set)[str(jwt.get_unverified_header(token)["kid"])]
    options: Any = {"verify_exp": False, "verify_iat": False}  # the clock is held
    return jwt.decode(token, key, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER, options=options)


@pytest.mark.covers("F22")
@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256])
@pytest.mark.parametrize("keeps", [PUBLISHED_FOR, timedelta(hours=2)], ids=["Supabase's clients", "API Gateway"])
def test_who_keeps_the_keys_never_meets_an_unknown_one(
    deployment_in_memory: Deployment, secret: FakeSecret, clock: FakeClock, algorithm: Algorithm, keeps: timedelta
) -> None:
    """At its worst: the endpoint had read the secret just before it was rotated, the copies of it are as old.

    API Gateway keeps the key set for two hours, and may have been given one that a cache had kept for ten minutes.
    """
    deployment = replace(deployment_in_memory, choices=Choices(algorithm=algorithm))
    user = deployment.register()
    elsewhere = replace(deployment)
    cached, cached_at = asked(elsewhere)["body"], clock()
    kept, kept_at = cached, clock()
    secret.versions = SecretVersions("another secret", secret.versions.current, current_since=clock())

    kids = set()
    for _ in range(2 * int(KNOWN_AFTER / timedelta(minutes=1))):
        clock.advance(timedelta(minutes=1) - timedelta(milliseconds=1))
        if clock() - cached_at >= PUBLISHED_FOR:
            cached, cached_at = asked(elsewhere)["body"], clock()
        if clock() - kept_at >= keeps:
            kept, kept_at = cached, clock()
        token = replace(deployment).sessions.open(user, HOME, "password").tokens.access_token
        assert verified(token, kept, algorithm)
        kids.add(jwt.get_unverified_header(token)["kid"])

    assert len(kids) == 2


# The discovery document


def discovered(deployment: Container, method: str = "GET") -> dict[str, Any]:
    """The answer of the discovery endpoint."""
    path = "/.well-known/openid-configuration"
    handler = function_in("openid-configuration").load(deployment).handler
    answer: dict[str, Any] = handler(http_event(method=method, path=path, headers={}), None)
    return answer | {"body": body_of(answer)}


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256])
def test_the_discovery_document_names_the_issuer_of_tokens_and_where_their_keys_are(
    deployment_in_memory: Deployment, algorithm: Algorithm
) -> None:
    """What API Gateway, AppSync and IAM read (OpenID Connect Discovery 1.0, section 3)."""
    deployment = replace(deployment_in_memory, choices=Choices(algorithm=algorithm))

    answer = discovered(deployment)

    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "public, max-age=600")
    assert answer["body"] == {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}{PATHS[0]}",
        "id_token_signing_alg_values_supported": [algorithm.value],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "claims_supported": ["aud", "email", "exp", "iat", "iss", "role", "session_id", "sub"],
    }


def test_an_issuer_with_a_slash_at_its_end_is_repeated_exactly(deployment_in_memory: Deployment) -> None:
    """Section 4.3; but its URLs have one slash."""
    environment = environment_of(deployment_in_memory.tables, Choices(algorithm=Algorithm.RS256))

    body = discovered(Container(environment | {"TOKEN_ISSUER": f"{ISSUER}/auth/"}))["body"]

    assert (body["issuer"], body["jwks_uri"]) == (f"{ISSUER}/auth/", f"{ISSUER}/auth{PATHS[0]}")


@pytest.mark.parametrize(
    "variables",
    [{"TOKEN_ISSUER": ISSUER, "TOKEN_ALGORITHM": "HS256"}, {"TOKEN_ISSUER": "gerbang:x", "TOKEN_ALGORITHM": "RS256"}],
)
def test_where_no_service_can_verify_tokens_there_is_no_document(variables: dict[str, str]) -> None:
    """The key is secret, or the issuer is no URL because `PublicUrl` is not set."""
    assert discovered(Container(variables))["statusCode"] == 404
