"""The configuration of an OpenID provider, and its keys: where they come from and how long they are used.

Options and figures: docs/decisions/0021-oidc-verifier.md and 0028-oidc-providers.md.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Final, Literal
from urllib.parse import urlsplit

import jwt
import urllib3

from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable

LARGEST_KEY_SET_BYTES: Final = 64 * 1024
"""Also of a discovery document. Google's key set has about 1.5 KB, Keycloak's discovery document 7 KB."""

_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

FRESH_FOR: Final = timedelta(hours=1)
"""How long keys are used before they are fetched again; Google allows about six hours."""

STALE_FOR: Final = timedelta(hours=24)
"""How long they are used after that while new ones cannot be fetched (F43, ASVS 16.5.2)."""

FETCH_INTERVAL: Final = timedelta(minutes=1)
"""Shortest time between fetches while we have keys. A `kid` that is made up must not cause more of them (F43)."""

FETCH_INTERVAL_WITHOUT_KEYS: Final = timedelta(seconds=5)
"""Shortest time between fetches while we have none and can verify no token: soon, but not once per request."""


class ProviderKeysUnavailable(DependencyUnavailable):
    """The provider's keys, or the one that a token names, could not be fetched; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID provider that signs ID tokens, and how it knows us."""

    name: str
    issuers: frozenset[str]
    """Accepted values of `iss`, compared exactly."""
    client_ids: frozenset[str]
    """Accepted values of `aud`. Empty: every token is rejected."""
    jwks_url: str | None = None
    """Where the provider publishes its keys. None: its discovery document says; such a provider has one issuer."""
    algorithms: tuple[Literal["RS256", "ES256"], ...] = ("RS256",)
    """Accepted signature algorithms. Every provider supports RS256 (OpenID Connect Core 1.0, section 15.1)."""
    requires_verified_email: bool = True
    """Whether a token is rejected that does not name a verified e-mail address."""

    def __post_init__(self) -> None:
        """Check the addresses that are fetched. Plain HTTP is for this machine only: `make run` has its own issuer.

        Raises:
            ValueError: one is neither https nor http to this machine, or there is not one issuer to ask for the keys.
        """
        if self.jwks_url is not None:
            if not (_is_https(self.jwks_url) or _is_local_http(self.jwks_url)):
                raise ValueError(f"The address of {self.name}'s keys must be https: {self.jwks_url}")
            return
        [issuer] = self.issuers
        if not (_is_https(issuer) or _is_local_http(issuer)):
            raise ValueError(f"The issuer of {self.name} must be https: {issuer}")

    @property
    def discovery_url(self) -> str:
        """Where the provider's only issuer describes itself (OpenID Connect Discovery 1.0, section 4)."""
        [issuer] = self.issuers
        return f"{issuer.removesuffix('/')}/.well-known/openid-configuration"


def google(*, client_ids: frozenset[str], jwks_url: str) -> Provider:
    """Return Google's configuration, with both spellings of `iss` that Google documents."""
    issuers = frozenset({"https://accounts.google.com", "accounts.google.com"})
    return Provider(name="google", issuers=issuers, client_ids=client_ids, jwks_url=jwks_url)


def discovered(name: str, *, issuer: str, client_ids: frozenset[str]) -> Provider:
    """Return the configuration of a provider that describes itself.

    It may sign with RS256 or ES256, and need not have verified an address.

    Raises:
        ValueError: the issuer is neither https nor http to this machine.
    """
    return Provider(
        name=name,
        issuers=frozenset({issuer}),
        client_ids=client_ids,
        algorithms=("RS256", "ES256"),
        requires_verified_email=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEndpoint:
    """Fetches a provider's key set, with limits on time and size. Follows no redirects (ASVS 15.3.2)."""

    provider: Provider
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Makes the TLS context that verifies certificate and host name."""
    step_timeout: timedelta = timedelta(seconds=2)
    """For each connection attempt and each read."""
    deadline: timedelta = timedelta(seconds=4)
    """For the whole fetch: name look-up, each address of the name, an answer that comes byte by byte (F29)."""

    def __call__(self) -> bytes:
        """Return the body of the key set. Where its address is not configured, fetch the discovery document first.

        Runs in a thread, because a time-out of urllib3 limits neither the name look-up nor the sum of many slow reads.

        Raises:
            ProviderKeysUnavailable: no answer in time, a status other than 200, too large an answer, or a discovery
                document that is not the provider's.
        """
        pool = ThreadPoolExecutor(max_workers=1)
        try:
            return pool.submit(self._fetch).result(timeout=self.deadline.total_seconds())
        except TimeoutError:
            raise self._unavailable("no answer in time") from None
        finally:
            pool.shutdown(wait=False)

    def _fetch(self) -> bytes:
        seconds = self.step_timeout.total_seconds()
        timeout = urllib3.Timeout(connect=seconds, read=seconds)
        try:
            with urllib3.PoolManager(timeout=timeout, retries=False, ssl_context=self.trust()) as pool:
                return self._get(pool, self.provider.jwks_url or self._discover(pool))
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise self._unavailable(type(error).__name__) from None

    def _discover(self, pool: urllib3.PoolManager) -> str:
        return read_discovery(self._get(pool, self.provider.discovery_url), self.provider)

    def _get(self, pool: urllib3.PoolManager, url: str) -> bytes:
        with pool.request("GET", url, redirect=False, preload_content=False) as response:
            if response.status != HTTPStatus.OK:
                raise self._unavailable(f"answered {response.status}")
            document = response.read(LARGEST_KEY_SET_BYTES + 1, decode_content=False)
        if len(document) > LARGEST_KEY_SET_BYTES:
            raise self._unavailable("answered too much")
        return document

    def _unavailable(self, reason: str) -> ProviderKeysUnavailable:
        return ProviderKeysUnavailable(f"{self.provider.name}: {reason}")


def read_discovery(document: bytes, provider: Provider) -> str:
    """Return the address of the keys, `jwks_uri`, from a discovery document (OpenID Connect Discovery 1.0, section 4).

    Raises:
        ProviderKeysUnavailable: it is no such document, describes another issuer than the configured one (section
            4.3), or the address is not https. An issuer on this machine may have its keys there, over http.
    """
    try:
        published = json.loads(document.decode())
        described, url = published["issuer"], published["jwks_uri"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise ProviderKeysUnavailable(f"{provider.name}: answered no discovery document") from None
    [issuer] = provider.issuers
    if described != issuer:
        raise ProviderKeysUnavailable(f"{provider.name}: the discovery document describes another issuer")
    if not isinstance(url, str) or not (_is_https(url) or (_is_local_http(issuer) and _is_local_http(url))):
        raise ProviderKeysUnavailable(f"{provider.name}: the discovery document has no https address of the keys")
    return url


def _is_https(url: str) -> bool:
    return _origin(url)[0] == "https"


def _is_local_http(url: str) -> bool:
    scheme, host = _origin(url)
    return scheme == "http" and host in _LOCAL_HOSTS


def _origin(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL; empty texts if it has no host, or a character that a URL cannot have."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    is_clean = url.isascii() and url.isprintable() and " " not in url
    return (parts.scheme, parts.hostname) if is_clean and parts.hostname else ("", "")


def read_key_set(document: bytes, provider: Provider) -> dict[str, jwt.PyJWK]:
    """Return, by `kid`, the keys of a JWK set (RFC 7517, section 5) that the provider signs ID tokens with.

    Ignores keys for anything else, as section 5 asks.

    Raises:
        ProviderKeysUnavailable: it is no key set, has no such key, or has two of one name.
    """
    try:
        published = jwt.PyJWKSet.from_json(document.decode())
    except (ValueError, TypeError, AttributeError, RecursionError, jwt.PyJWTError):
        raise ProviderKeysUnavailable(f"{provider.name}: answered no key set") from None
    usable = [
        (key.key_id, key)
        for key in published
        if isinstance(key.key_id, str)
        and key.public_key_use in (None, "sig")
        and key.algorithm_name in provider.algorithms
    ]
    keys = dict(usable)
    if not keys or len(keys) < len(usable):
        raise ProviderKeysUnavailable(f"{provider.name}: answered no usable keys, or two of one name")
    return keys


class KeyCache:
    """A provider's keys in this process. One thread fetches; callers whose key is there do not wait for it."""

    def __init__(self, load: Callable[[], Mapping[str, jwt.PyJWK]], *, now: Clock) -> None:
        """Take what loads the keys, and the clock; nothing is loaded yet."""
        self._load = load
        self._now = now
        self._lock = Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fresh_until = self._tried_at = datetime.min.replace(tzinfo=UTC)
        self._failure: str | None = None

    def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of that name, None if the provider publishes none.

        Raises:
            ProviderKeysUnavailable: we do not have it, and the last fetch failed.
        """
        key = self._usable().get(kid)
        if key is not None and self._now() < self._fresh_until:
            return key
        if not self._lock.acquire(blocking=key is None):
            return key
        try:
            if self._may_fetch():
                self._fetch()
            key = self._usable().get(kid)
            if key is None and self._failure is not None:
                raise ProviderKeysUnavailable(self._failure)
            return key
        finally:
            self._lock.release()

    def warm(self) -> None:
        """Load the keys before a token needs them. If that fails, the first token tries again at once (F23).

        Raises:
            ProviderKeysUnavailable: they could not be fetched.
        """
        with self._lock:
            self._refresh()

    def _usable(self) -> Mapping[str, jwt.PyJWK]:
        return self._keys if self._now() < self._fresh_until + STALE_FOR else {}

    def _may_fetch(self) -> bool:
        interval = FETCH_INTERVAL if self._usable() else FETCH_INTERVAL_WITHOUT_KEYS
        # A clock that was set back must not stop the fetches until it has caught up.
        return not timedelta(0) <= self._now() - self._tried_at < interval

    def _fetch(self) -> None:
        try:
            self._refresh()
        except ProviderKeysUnavailable as failure:
            self._failure = str(failure)
        finally:
            self._tried_at = self._now()

    def _refresh(self) -> None:
        self._keys = self._load()
        self._fresh_until = self._now() + FRESH_FOR
        self._failure = None
