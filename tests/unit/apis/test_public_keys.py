"""The public keys and the discovery document, as other services fetch and cache them."""

from copy import replace
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from gerbang.container import Container
from gerbang.sessions.keys import KNOWN_AFTER, PUBLISHED_FOR, Algorithm
from gerbang.storage.secrets import SecretVersions

from tests.deployment import AUDIENCE, HOME, ISSUER, Choices, Deployment, environment_of
from tests.fakes import FakeClock, FakeSecret
from tests.gateway_events import body_of, http_event
from tests.unit.handlers import handler_of

PATHS: Final = ("/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json")


@pytest.fixture
def es256(deployment_in_memory: Deployment) -> Deployment:
    """A deployment whose access tokens others can verify."""
    return replace(deployment_in_memory, choices=Choices(algorithm=Algorithm.ES256))


def key_set_response(deployment: Deployment, path: str = PATHS[0], method: str = "GET") -> dict[str, Any]:
    """The response of the key set endpoint, with its body parsed."""
    handler = handler_of("jwks", deployment)
    answer: dict[str, Any] = handler(http_event(method=method, path=path, headers={}), None)
    return answer | {"body": body_of(answer)}


@pytest.mark.parametrize("path", PATHS)
def test_the_key_set_has_the_members_that_clients_expect(es256: Deployment, path: str) -> None:
    answer = key_set_response(es256, path)

    assert answer["statusCode"] == 200
    [key] = answer["body"]["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}  # and no `d`: that would be the private key
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")


@pytest.mark.parametrize("path", PATHS)
def test_a_symmetric_key_is_never_published(deployment_in_memory: Deployment, path: str) -> None:
    assert key_set_response(deployment_in_memory, path)["body"] == {"keys": []}


def test_the_key_set_can_be_cached_for_ten_minutes_for_each_origin(es256: Deployment) -> None:
    """The gateway's CORS headers depend on the origin."""
    headers = key_set_response(es256)["headers"]

    assert (headers["cache-control"], headers["vary"]) == ("public, max-age=600", "Origin")


def test_errors_are_not_cached(es256: Deployment) -> None:
    answer = key_set_response(es256, method="POST")

    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (405, "no-store")


def test_a_token_can_be_verified_with_the_key_set_alone(es256: Deployment) -> None:
    """Another service needs only PyJWT and the key set."""
    user = es256.register()
    token = es256.sessions.open(user, HOME, "password").tokens.access_token

    assert verify(token, key_set_response(es256)["body"])["sub"] == user.user_id


def verify(token: str, key_set: dict[str, Any], algorithm: Algorithm = Algorithm.ES256) -> dict[str, Any]:
    key = jwt.PyJWKSet.from_dict(key_set)[str(jwt.get_unverified_header(token)["kid"])]
    options: Any = {"verify_exp": False, "verify_iat": False}  # the tokens are from the fake clock
    return jwt.decode(token, key, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER, options=options)


@pytest.mark.covers("F22")
@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256])
@pytest.mark.parametrize("client_cache", [PUBLISHED_FOR, timedelta(hours=2)], ids=["Supabase's clients", "API Gateway"])
def test_a_client_with_cached_keys_never_gets_a_token_of_an_unknown_key(
    deployment_in_memory: Deployment,
    secret: FakeSecret,
    clock: FakeClock,
    algorithm: Algorithm,
    client_cache: timedelta,
) -> None:
    """The worst case: the endpoint read the secret just before its rotation, and all caches are as old.

    API Gateway caches the key set for two hours, and may have read it from a cache that was ten minutes old.
    """
    deployment = replace(deployment_in_memory, choices=Choices(algorithm=algorithm))
    user = deployment.register()
    key_set_endpoint = replace(deployment)
    cached, cached_at = key_set_response(key_set_endpoint)["body"], clock()
    client_keys, client_keys_at = cached, clock()
    secret.versions = SecretVersions("another secret", secret.versions.current, current_since=clock())

    kids = set()
    for _ in range(2 * int(KNOWN_AFTER / timedelta(minutes=1))):
        clock.advance(timedelta(minutes=1) - timedelta(milliseconds=1))
        if clock() - cached_at >= PUBLISHED_FOR:
            cached, cached_at = key_set_response(key_set_endpoint)["body"], clock()
        if clock() - client_keys_at >= client_cache:
            client_keys, client_keys_at = cached, clock()
        token = replace(deployment).sessions.open(user, HOME, "password").tokens.access_token
        assert verify(token, client_keys, algorithm)
        kids.add(jwt.get_unverified_header(token)["kid"])

    assert len(kids) == 2


# The discovery document


def discovery_response(deployment: Container, method: str = "GET") -> dict[str, Any]:
    """The response of the discovery endpoint, with its body parsed."""
    path = "/.well-known/openid-configuration"
    handler = handler_of("openid-configuration", deployment)
    answer: dict[str, Any] = handler(http_event(method=method, path=path, headers={}), None)
    return answer | {"body": body_of(answer)}


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256])
def test_the_discovery_document_contains_issuer_and_key_set_url(
    deployment_in_memory: Deployment, algorithm: Algorithm
) -> None:
    """What API Gateway, AppSync and IAM read (OpenID Connect Discovery 1.0, section 3)."""
    deployment = replace(deployment_in_memory, choices=Choices(algorithm=algorithm))

    answer = discovery_response(deployment)

    assert (answer["statusCode"], answer["headers"]["cache-control"]) == (200, "public, max-age=600")
    assert answer["body"] == {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}{PATHS[0]}",
        "id_token_signing_alg_values_supported": [algorithm.value],
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "claims_supported": ["aud", "email", "exp", "iat", "iss", "role", "session_id", "sub"],
    }


def test_an_issuer_with_a_trailing_slash_is_repeated_exactly(deployment_in_memory: Deployment) -> None:
    """OpenID Connect Discovery 1.0, section 4.3. The URL of the key set has a single slash."""
    environment = environment_of(deployment_in_memory.tables, Choices(algorithm=Algorithm.RS256))

    body = discovery_response(Container(environment | {"TOKEN_ISSUER": f"{ISSUER}/auth/"}))["body"]

    assert (body["issuer"], body["jwks_uri"]) == (f"{ISSUER}/auth/", f"{ISSUER}/auth{PATHS[0]}")


@pytest.mark.parametrize(
    "variables",
    [{"TOKEN_ISSUER": ISSUER, "TOKEN_ALGORITHM": "HS256"}, {"TOKEN_ISSUER": "gerbang:x", "TOKEN_ALGORITHM": "RS256"}],
)
def test_without_a_public_key_or_an_issuer_url_there_is_no_document(variables: dict[str, str]) -> None:
    """The key is symmetric, or the issuer is no URL because `PublicUrl` is not set."""
    assert discovery_response(Container(variables))["statusCode"] == 404
