"""Google sign-in: reads the ID token that Google's sign-in hands to an app, and believes nothing else.

The keys come from one fixed address (RFC 8725, section 3.10; ASVS 10.5.3): what a token's header says about keys is
never looked at beyond `kid`, a name among those keys. The signature is checked before any claim is believed. What comes
out is who somebody is to Google; whose account that is, is decided elsewhere, by `subject` and never by the address
(ASVS 6.8.1, 10.5.2). Options and figures: docs/decisions/0010-google-credential.md.
"""

import hashlib
import hmac
import json
import re
import ssl
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, TypeGuard
from urllib.parse import urlsplit

from gerbang.core.clock import Clock
from gerbang.core.emails import LONGEST_ADDRESS
from gerbang.core.errors import AuthError, DependencyUnavailable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

GOOGLE_CERTS_URL: Final = "https://www.googleapis.com/oauth2/v3/certs"
"""Where Google publishes its keys: `jwks_uri` of https://accounts.google.com/.well-known/openid-configuration."""

GOOGLE_ISSUERS: Final = frozenset({"https://accounts.google.com", "accounts.google.com"})
"""The two spellings of `iss` that Google documents ("Authenticate with a backend server"); compared exactly."""

ALGORITHM: Final = "RS256"
"""`id_token_signing_alg_values_supported` of Google's discovery document has this one alone (RFC 8725, 3.1)."""

LONGEST_ID_TOKEN: Final = 8 * 1024
"""Characters; Google's have about 1,200. Longer text is refused unread."""

LONGEST_SUBJECT: Final = 255
"""ASCII characters (OpenID Connect Core 1.0, section 2, `sub`)."""

CLOCK_SKEW: Final = timedelta(seconds=60)
"""By how much `iat` and `nbf` may lie ahead of our clock (ASVS 9.2.1). `exp` has no leeway: nothing lives longer."""

LARGEST_KEY_DOCUMENT_BYTES: Final = 64 * 1024
"""Google's key document has about 1.5 KB; more than this is not it."""

SMALLEST_KEY_BITS: Final = 2048
"""RFC 7518, section 3.3: RS256 keys have at least 2048 bits."""

LARGEST_KEY_BITS: Final = 8192
"""Checking a signature costs the square of this; nobody publishes larger ones."""

EXPONENTS: Final = range(2**16 + 1, 2**64, 2)
"""FIPS 186-5, appendix A.1.1, has an odd e over 2^16; beyond 64 bits OpenSSL takes it for smaller keys alone."""

FRESH_FOR_DEFAULT: Final = timedelta(hours=1)
"""For how long keys are believed when the answer that brought them does not say."""

FRESH_FOR_AT_LEAST: Final = timedelta(minutes=1)
"""However short an answer's `max-age`: so that nothing makes us ask at every sign-in."""

FRESH_FOR_AT_MOST: Final = timedelta(hours=24)
"""However long an answer's `max-age`: a key that Google withdrew is gone within a day."""

STALE_FOR: Final = timedelta(hours=24)
"""For how long past their freshness keys still serve while new ones cannot be had (F43, ASVS 16.5.2)."""

ASKED_AT_MOST_EVERY: Final = timedelta(minutes=1)
"""While some keys are held. Anybody can make up a `kid`; that must not make us ask more often (F43)."""

ASKED_AT_MOST_EVERY_WITHOUT_KEYS: Final = timedelta(seconds=5)
"""While none are held and every sign-in with Google fails: soon again, but not once for each of a burst."""

_COMPACT_FORM = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""Three parts of base64url without padding (RFC 7515, sections 2 and 7.1). PyJWT would let `=` pass: one token, many
spellings."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_LARGEST_NUMERIC_DATE = 2**53
"""Seconds; past it a float no longer counts them. Keeps infinity and numbers of a thousand digits out."""


class IdTokenFlaw(StrEnum):
    """What was wrong with an ID token: evidence for the log."""

    MALFORMED = "malformed"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    AUTHORIZED_PARTY = "authorized_party"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    SUBJECT = "subject"
    ADDRESS = "address"
    ADDRESS_UNVERIFIED = "address_unverified"
    NONCE = "nonce"


class InvalidIdToken(AuthError):
    """The text is not an ID token that Google issued to one of our clients, just now, about a verified address."""

    code = "invalid_id_token"

    def __init__(self, flaw: IdTokenFlaw) -> None:
        """Take what was wrong; nothing of the token's text is kept."""
        super().__init__(flaw.value)
        self.flaw: Final = flaw


class GoogleKeysUnavailable(DependencyUnavailable):
    """Google's keys, or the one that a token names, are not held and could not be had; carries why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleIdentity:
    """Who somebody is, in Google's words. Its texts are Google's and have still to pass the account's own rules."""

    subject: str
    """Google's `sub`: the identity. Unique, never reused, the same when the address changes."""
    email: str = field(repr=False)
    """As Google spells it, not normalised. Google has verified it: else the token is refused."""
    name: str = field(repr=False)
    """Empty when the app did not ask Google for the profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedKeys:
    """What the key address answered: a JWK set, unread, and for how long it need not be asked for again."""

    document: bytes
    fresh_for: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEndpoint:
    """Fetches a JWK set from one fixed address, in bounded time and space. Follows no redirects (ASVS 15.3.2).

    Plain HTTP goes only to this machine, where `make run` has its stand-in issuer.
    """

    url: str = GOOGLE_CERTS_URL
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Makes what verifies the address's certificate and name; by default with the system's authorities."""
    patience: timedelta = timedelta(seconds=2)
    """For each connection attempt and each read."""
    deadline: timedelta = timedelta(seconds=4)
    """For all of it: finding the name, trying each of its addresses, and an answer that drips in."""

    def __post_init__(self) -> None:
        """Check the address.

        Raises:
            ValueError: it is neither https nor http to this machine.
        """
        address = urlsplit(self.url)
        host = address.hostname or ""
        if not host or not (address.scheme == "https" or (address.scheme == "http" and _is_loopback(host))):
            raise ValueError(f"the address of Google's keys must be https: {self.url}")

    def __call__(self) -> FetchedKeys:
        """Return what the address answers.

        In a thread of its own, because neither name look-up nor the sum of many slow steps heeds a socket's time-out.
        A thread given up on ends by its own time-outs, and what it still brings is dropped.

        Raises:
            GoogleKeysUnavailable: no answer in time, none of status 200, or too large a one.
        """
        outcomes: SimpleQueue[FetchedKeys | GoogleKeysUnavailable] = SimpleQueue()
        Thread(target=lambda: outcomes.put(self._outcome()), name="google-keys", daemon=True).start()
        try:
            outcome = outcomes.get(timeout=self.deadline.total_seconds())
        except Empty:
            raise GoogleKeysUnavailable("no answer in time") from None
        if isinstance(outcome, GoogleKeysUnavailable):
            raise outcome
        return outcome

    def _outcome(self) -> FetchedKeys | GoogleKeysUnavailable:
        connection = self._connection()
        try:
            connection.request("GET", self._path(), headers={"Accept": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                return GoogleKeysUnavailable(f"answered {answer.status}")
            document = answer.read(LARGEST_KEY_DOCUMENT_BYTES + 1)
        except (OSError, HTTPException) as failure:
            return GoogleKeysUnavailable(type(failure).__name__)
        finally:
            connection.close()
        if len(document) > LARGEST_KEY_DOCUMENT_BYTES:
            return GoogleKeysUnavailable("answered too much")
        fresh_for = freshness(answer.getheader("Cache-Control", ""), age=answer.getheader("Age", ""))
        return FetchedKeys(document=document, fresh_for=fresh_for)

    def _connection(self) -> HTTPConnection:
        address = urlsplit(self.url)
        host, seconds = address.hostname or "", self.patience.total_seconds()
        if address.scheme == "https":
            return HTTPSConnection(host, address.port, timeout=seconds, context=self.trust())
        return HTTPConnection(host, address.port, timeout=seconds)

    def _path(self) -> str:
        address = urlsplit(self.url)
        return (address.path or "/") + (f"?{address.query}" if address.query else "")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def freshness(cache_control: str, *, age: str = "") -> timedelta:
    """Return for how long an answer with these header values is fresh, within our own bounds.

    `max-age` less `Age` (RFC 9111, sections 4.2.1 and 4.2.3); an answer that asks not to be kept is kept for the
    shortest time all the same, and one that says nothing we understand for the default.
    """
    named = (directive.strip().lower().partition("=") for directive in cache_control.split(","))
    directives = {name: value for name, _, value in named}
    if not directives.keys().isdisjoint({"no-store", "no-cache"}):
        return FRESH_FOR_AT_LEAST
    lifetime = _delta_seconds(directives.get("max-age", "").strip('"'))
    if lifetime is None:
        return FRESH_FOR_DEFAULT
    left = lifetime - (_delta_seconds(age.strip()) or timedelta(0))
    return min(max(left, FRESH_FOR_AT_LEAST), FRESH_FOR_AT_MOST)


def _delta_seconds(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if re.fullmatch(r"[0-9]{1,10}", text) else None


def read_key_set(document: bytes) -> "dict[str, RSAPublicKey]":
    """Return the keys of a JWK set (RFC 7517, section 5) that RS256 signatures can be checked with, by `kid`.

    Keys for anything else are passed over, as section 5 asks; names used twice, or nothing left, make the set junk.

    Raises:
        GoogleKeysUnavailable: it is not such a set.
    """
    try:
        listed: Any = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise GoogleKeysUnavailable("answered no key set") from None
    if not _is_list(listed):
        raise GoogleKeysUnavailable("answered no key set")
    keys: dict[str, RSAPublicKey] = {}
    for jwk in listed:
        if (named := _read_key(jwk)) is None:
            continue
        kid, key = named
        if kid in keys:
            raise GoogleKeysUnavailable("answered two keys of one name")
        keys[kid] = key
    if not keys:
        raise GoogleKeysUnavailable("answered no usable key")
    return keys


def _read_key(jwk: Any) -> "tuple[str, RSAPublicKey] | None":
    """Return name and key of a JWK, None if it is not one to check RS256 with (RFC 7517, 4; RFC 7518, 6.3.1)."""
    if not _is_object(jwk) or jwk.get("kty") != "RSA":
        return None
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
        return None
    modulus, exponent = _base64url_integer(jwk.get("n")), _base64url_integer(jwk.get("e"))
    if not SMALLEST_KEY_BITS <= modulus.bit_length() <= LARGEST_KEY_BITS or modulus % 2 == 0:
        return None
    kid = _text(jwk, "kid")
    if not kid or exponent not in EXPONENTS:
        return None

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415 - see the decision

    return kid, RSAPublicNumbers(e=exponent, n=modulus).public_key()


def _base64url_integer(text: Any) -> int:
    """Return the number that a member of a JWK is (RFC 7518, section 2, Base64urlUInt), 0 if it is none."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", text) or len(text) % 4 == 1:
        return 0
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeySet:
    keys: "Mapping[str, RSAPublicKey]"
    fresh_until: datetime

    def is_fresh(self, at: datetime) -> bool:
        return at < self.fresh_until

    def may_serve(self, at: datetime) -> bool:
        """Say whether the keys may still be used, if need be stale."""
        return bool(self.keys) and at < self.fresh_until + STALE_FOR

    def find(self, kid: str, *, at: datetime) -> "RSAPublicKey | None":
        return self.keys.get(kid) if self.may_serve(at) else None


class GoogleKeys:
    """The keys as this process holds them. One thread asks for new ones; who can be served meanwhile does not wait."""

    def __init__(self, *, fetch: Callable[[], FetchedKeys], now: Clock) -> None:
        """Take what fetches the keys (`KeyEndpoint`) and the clock; nothing is fetched yet."""
        self._fetch = fetch
        self._now = now
        self._asking = Lock()
        self._held = _KeySet(keys={}, fresh_until=_LONG_AGO)
        self._asked_at = _LONG_AGO
        self._failure: str | None = None

    def find(self, kid: str) -> "RSAPublicKey | None":
        """Return the key of that name, None if Google publishes none.

        Raises:
            GoogleKeysUnavailable: it is not held, and Google could not be asked.
        """
        now, held = self._now(), self._held
        key = held.find(kid, at=now)
        if key is not None and held.is_fresh(now):
            return key
        if not self._asking.acquire(blocking=key is None):
            return key
        try:
            return self._find_asking(kid)
        finally:
            self._asking.release()

    def warm(self) -> None:
        """Ask for the keys before a token needs them. If that fails, the first token asks by itself, at once (F23).

        Raises:
            GoogleKeysUnavailable: they could not be had.
        """
        with self._asking:
            self._held = self._fetched()

    def _find_asking(self, kid: str) -> "RSAPublicKey | None":
        now = self._now()
        if self._may_ask(now):  # not if somebody else has just asked while this thread waited
            self._ask()
        key = self._held.find(kid, at=now)
        if key is None and self._failure is not None:
            raise GoogleKeysUnavailable(self._failure)
        return key

    def _may_ask(self, now: datetime) -> bool:
        pause = ASKED_AT_MOST_EVERY if self._held.may_serve(now) else ASKED_AT_MOST_EVERY_WITHOUT_KEYS
        # A clock set back must not stop the asking until it has caught up.
        return not timedelta(0) <= now - self._asked_at < pause

    def _ask(self) -> None:
        try:
            self._held = self._fetched()
        except GoogleKeysUnavailable as failure:
            self._failure = str(failure)
        else:
            self._failure = None
        finally:
            self._asked_at = self._now()

    def _fetched(self) -> _KeySet:
        fetched = self._fetch()
        return _KeySet(keys=read_key_set(fetched.document), fresh_until=self._now() + fetched.fresh_for)


class GoogleVerifier:
    """Reads ID tokens that Google issued to any of the given clients."""

    def __init__(self, *, client_ids: frozenset[str], now: Clock, fetch: Callable[[], FetchedKeys]) -> None:
        """Take the client ids that may appear as `aud` and `azp` (none: every token is refused), clock and fetcher.

        An Android or iOS app's own id is its tokens' `azp`, so it belongs here beside the web client's id in `aud`.
        """
        self._client_ids = client_ids
        self._now = now
        self._keys = GoogleKeys(fetch=fetch, now=now)

    def warm(self) -> None:
        """Fetch Google's keys before a token needs them; without client ids there is nothing that would.

        Raises:
            GoogleKeysUnavailable: they could not be had.
        """
        if self._client_ids:
            self._keys.warm()

    def verify(self, id_token: str, *, nonce: str | None = None) -> GoogleIdentity:
        """Return whom an ID token is about.

        With a *nonce*, the token must carry the lower-case hex SHA-256 of it: the app told Google the hash and us the
        raw text, so a token that was overheard is of no use (GoTrue's id_token grant). The same token is accepted again
        until it expires: without a nonce, whoever holds it is its bearer.

        Raises:
            InvalidIdToken: it is not Google's, not for us, not now, not about a verified address, or not for *nonce*.
            GoogleKeysUnavailable: the key it names is not held, and Google could not be asked.
        """
        if not self._client_ids:
            raise InvalidIdToken(IdTokenFlaw.AUDIENCE)
        claims = self._signed_claims(id_token)
        self._check_purpose(claims)
        self._check_time(claims)
        if nonce is not None:
            _check_nonce(claims, nonce)
        return _identity(claims)

    def _signed_claims(self, id_token: str) -> dict[str, Any]:
        """Return the payload of a token that Google signed (RFC 7515, section 5.2)."""
        if len(id_token) > LONGEST_ID_TOKEN or not _COMPACT_FORM.fullmatch(id_token):
            raise InvalidIdToken(IdTokenFlaw.MALFORMED)

        from jwt import InvalidSignatureError, PyJWS, PyJWTError  # noqa: PLC0415 - see the decision

        signatures = PyJWS(algorithms=[ALGORITHM])
        try:
            header = signatures.get_unverified_header(id_token)
        except PyJWTError:
            raise InvalidIdToken(IdTokenFlaw.MALFORMED) from None
        key = self._key_named_by(header)
        try:
            payload = signatures.decode_complete(id_token, key, algorithms=[ALGORITHM])["payload"]
        except InvalidSignatureError:
            raise InvalidIdToken(IdTokenFlaw.SIGNATURE) from None
        except PyJWTError:
            raise InvalidIdToken(IdTokenFlaw.MALFORMED) from None
        return _read_object(payload)

    def _key_named_by(self, header: dict[str, Any]) -> "RSAPublicKey":
        """Return the key that a header names; nothing else that it says about keys is looked at.

        `typ` tells ID tokens from what else Google signs with the same keys for the same clients, such as security
        events, `secevent+jwt` (RFC 8725, section 3.11; RFC 8417, section 2.3).
        """
        token_type = header.get("typ", "JWT")
        if not isinstance(token_type, str) or token_type.upper() != "JWT":
            raise InvalidIdToken(IdTokenFlaw.TYPE)
        if header.get("alg") != ALGORITHM:
            raise InvalidIdToken(IdTokenFlaw.ALGORITHM)
        kid = header.get("kid")
        key = self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise InvalidIdToken(IdTokenFlaw.KEY)
        return key

    def _check_purpose(self, claims: dict[str, Any]) -> None:
        """Check who issued the token and for whom (OpenID Connect Core 1.0, section 3.1.3.7; ASVS 10.5.4).

        A list as `aud` is refused although the standard allows it: Google writes none, and with several audiences
        each of them could present the token to the others.
        """
        if _text(claims, "iss") not in GOOGLE_ISSUERS:
            raise InvalidIdToken(IdTokenFlaw.ISSUER)
        if _text(claims, "aud") not in self._client_ids:
            raise InvalidIdToken(IdTokenFlaw.AUDIENCE)
        if "azp" in claims and _text(claims, "azp") not in self._client_ids:
            raise InvalidIdToken(IdTokenFlaw.AUTHORIZED_PARTY)

    def _check_time(self, claims: dict[str, Any]) -> None:
        """Check `exp` and `iat`, which must be there, and `nbf`, which may (RFC 7519, section 4.1)."""
        now = self._now().timestamp()
        latest_start = now + CLOCK_SKEW.total_seconds()
        if not now < _numeric_date(claims, "exp"):
            raise InvalidIdToken(IdTokenFlaw.EXPIRED)
        if _numeric_date(claims, "iat") > latest_start:
            raise InvalidIdToken(IdTokenFlaw.NOT_YET_VALID)
        if "nbf" in claims and _numeric_date(claims, "nbf") > latest_start:
            raise InvalidIdToken(IdTokenFlaw.NOT_YET_VALID)


def _check_nonce(claims: dict[str, Any], nonce: str) -> None:
    expected = hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).hexdigest()
    if not hmac.compare_digest((_text(claims, "nonce") or "").encode("utf-8"), expected.encode("ascii")):
        raise InvalidIdToken(IdTokenFlaw.NONCE)


def _identity(claims: dict[str, Any]) -> GoogleIdentity:
    subject, email = _text(claims, "sub") or "", _text(claims, "email") or ""
    if not subject.strip() or not subject.isascii() or not subject.isprintable() or len(subject) > LONGEST_SUBJECT:
        raise InvalidIdToken(IdTokenFlaw.SUBJECT)
    if "@" not in email or not email.isprintable() or len(email) > LONGEST_ADDRESS:
        raise InvalidIdToken(IdTokenFlaw.ADDRESS)
    # The text "true" as well: Google has issued tokens with it, as with the `iss` without https. "1" and "True", never.
    if claims.get("email_verified") is not True and claims.get("email_verified") != "true":
        raise InvalidIdToken(IdTokenFlaw.ADDRESS_UNVERIFIED)
    return GoogleIdentity(
        subject=subject,
        email=email,
        name=_text(claims, "name") or "",
    )


def _read_object(payload: bytes) -> dict[str, Any]:
    """Return the claims; NaN and infinities, which JSON does not know and Python does, are refused."""
    try:
        claims = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidIdToken(IdTokenFlaw.MALFORMED) from None
    if not _is_object(claims):
        raise InvalidIdToken(IdTokenFlaw.MALFORMED)
    return claims


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Say whether parsed JSON is an object; its names are text."""
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _text(members: dict[str, Any], name: str) -> str | None:
    """Return a member that is text, None if it is missing, something else, or holds half a surrogate pair."""
    value = members.get(name)
    if not isinstance(value, str) or re.search(r"[\ud800-\udfff]", value):
        return None
    return value


def _numeric_date(claims: dict[str, Any], name: str) -> float:
    """Return a claim that is seconds since 1970 (RFC 7519, section 2, NumericDate)."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST_NUMERIC_DATE:
        raise InvalidIdToken(IdTokenFlaw.MALFORMED)
    return value
