"""gerbang.accounts.oidc_provider: key sets and discovery documents."""

import pytest
from gerbang.accounts.oidc_provider import (
    LARGEST_KEY_SET_BYTES,
    Provider,
    ProviderKeysUnavailable,
    read_discovery,
    read_key_set,
)

from tests.unit.id_tokens import KID, Claims, elliptic_jwk, jwk, key_set
from tests.unit.oidc.providers import ISSUER, discovery_document, google_at, shop_provider


class TestKeySet:
    def test_the_example_of_rfc_7517_has_one_usable_key(self) -> None:
        """Appendix A.1: the EC key for encryption is ignored, the RSA key is read."""
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
        rsa_key = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}

        keys = read_key_set(key_set(elliptic, rsa_key), google_at())

        assert [(kid, key.algorithm_name) for kid, key in keys.items()] == [("2011-04-29", "RS256")]
        assert keys["2011-04-29"].key.key_size == 2048
        assert keys["2011-04-29"].key.public_numbers().e == 65537

    @pytest.mark.parametrize(
        "changed",
        [
            {"kty": "EC"},
            {"kty": None},
            {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
            {"use": "enc"},
            {"use": ["sig"]},
            {"alg": "RS512"},
            {"alg": "HS256"},
            {"alg": "unknown"},
            {"kid": 7},
            {"kid": None},
            {"kid": ["key"]},
            {"n": ""},
            {"n": 7},
            {"n": None},
            {"e": "AQ"},
            {"e": "AQAA"},
            {"e": None},
        ],
        ids=str,
    )
    def test_a_key_that_cannot_sign_id_tokens_is_ignored(self, changed: Claims) -> None:
        unusable = {**jwk(), **changed}

        assert list(read_key_set(key_set(unusable, jwk("usable")), google_at())) == ["usable"]
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(key_set(unusable), google_at())

    def test_keys_for_other_algorithms_are_ignored(self) -> None:
        assert list(read_key_set(key_set(jwk(), elliptic_jwk("elliptic")), google_at())) == [KID]

    def test_use_and_alg_may_be_missing(self) -> None:
        bare = {name: value for name, value in jwk().items() if name not in {"use", "alg"}}

        assert list(read_key_set(key_set(bare), google_at())) == [KID]

    def test_two_keys_with_the_same_id_are_an_error(self) -> None:
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(key_set(jwk(), jwk(owner="mallory")), google_at())

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
            b'{"keys": {"kty": "RSA"}}',
            b'{"keys": "text"}',
            b'{"keys": 7}',
            b'{"keys": []}',
            b'{"keys": [null, 7, "text", []]}',
            b'{"keys": [{"kty": "RSA", "alg": ["RS256"]}]}',
            b"[" * LARGEST_KEY_SET_BYTES,
            b'{"keys": ' + b"9" * 5000 + b"}",
            b'{"key-of-march": "-----BEGIN CERTIFICATE-----"}',
        ],
        ids=lambda document: repr(document[:40]),
    )
    def test_a_document_that_is_not_a_key_set_is_an_error(self, document: bytes) -> None:
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(document, google_at())


class TestDiscovery:
    """OpenID Connect Discovery 1.0, sections 4 and 4.3 (security.md 110)."""

    @pytest.mark.parametrize(
        ("issuer", "url"),
        [
            ("https://id.example", "https://id.example/.well-known/openid-configuration"),
            ("https://id.example/", "https://id.example/.well-known/openid-configuration"),
            (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
            (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
            ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x/.well-known/openid-configuration"),
        ],
    )
    def test_the_discovery_document_is_below_the_issuer(self, issuer: str, url: str) -> None:
        assert shop_provider(issuer).discovery_url == url

    def test_the_discovery_document_has_the_address_of_the_keys(self) -> None:
        assert read_discovery(discovery_document(), shop_provider()) == "https://keys.example/certs"

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("issuer", [f"{ISSUER}/", ISSUER.upper(), "https://evil.example", "", None, 7, [ISSUER]])
    def test_the_discovery_document_must_be_of_the_configured_issuer(self, issuer: object) -> None:
        with pytest.raises(ProviderKeysUnavailable, match="the discovery document describes another issuer"):
            read_discovery(discovery_document(issuer=issuer), shop_provider())

    @pytest.mark.covers("110")
    @pytest.mark.parametrize(
        "url",
        [
            "http://keys.example/certs",
            "http://127.0.0.1:9001/certs",
            "http://localhost/certs",
            "file:///etc/passwd",
            "//keys.example/certs",
            "/certs",
            "https://",
            "https://[",
            "https://keys.example/a b",
            "https://keys.example/\r\nX: 1",
            "https://kéys.example/",
            "",
            None,
            7,
            ["https://keys.example/certs"],
        ],
        ids=ascii,
    )
    def test_the_address_of_the_keys_must_be_https(self, url: object) -> None:
        """Not even to loopback, where Lambda's runtime listens, unless the issuer is there too."""
        with pytest.raises(ProviderKeysUnavailable, match="the discovery document has no https address"):
            read_discovery(discovery_document(jwks_uri=url), shop_provider())

    @pytest.mark.parametrize("url", ["http://127.0.0.1:3001/certs", "http://localhost/certs", "https://keys.example/"])
    def test_an_issuer_on_loopback_may_have_its_keys_on_loopback(self, url: str) -> None:
        issuer = "http://127.0.0.1:3000/shop"

        assert read_discovery(discovery_document(issuer=issuer, jwks_uri=url), shop_provider(issuer)) == url
        with pytest.raises(ProviderKeysUnavailable):
            read_discovery(discovery_document(issuer=issuer, jwks_uri="http://keys.example/"), shop_provider(issuer))

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"7",
            b'"issuer"',
            b"{}",
            b'{"jwks_uri": "https://keys.example/"}',
            f'{{"issuer": "{ISSUER}"}}'.encode(),
            b"<html>captive portal</html>",
            b"[" * LARGEST_KEY_SET_BYTES,
            b"9" * 5000,
        ],
        ids=lambda document: repr(document[:40]),
    )
    def test_a_document_that_is_not_a_discovery_document_is_an_error(self, document: bytes) -> None:
        with pytest.raises(ProviderKeysUnavailable, match="custom:shop: answered no discovery document"):
            read_discovery(document, shop_provider())

    @pytest.mark.parametrize(
        "issuer", ["http://id.example", "http://10.0.0.1/", "id.example", "https://", "ftp://127.0.0.1/", ""]
    )
    def test_an_issuer_must_be_https_or_loopback(self, issuer: str) -> None:
        with pytest.raises(ValueError, match="issuer of custom:shop must be https"):
            shop_provider(issuer)

    def test_discovery_needs_exactly_one_issuer(self) -> None:
        with pytest.raises(ValueError, match="unpack"):
            Provider(name="two", issuers=frozenset({ISSUER, "https://b.example"}), client_ids=frozenset())


class TestKeyAddress:
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
    def test_the_address_of_the_keys_must_be_https_or_loopback(self, url: str) -> None:
        """security.md 110."""
        with pytest.raises(ValueError, match="google's keys must be https"):
            google_at(url)

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:3000/keys", "http://[::1]:3000/keys", "http://localhost/", "https://keys.example/"]
    )
    def test_the_address_of_the_keys_may_be_http_on_loopback(self, url: str) -> None:
        assert google_at(url).jwks_url == url
