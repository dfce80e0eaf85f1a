"""The settings of external services: OpenID providers, CAPTCHAs, and the old system that users come from."""

import re
from typing import Final

from gerbang.core.dataclass import dataclass

_PROVIDER_NAME: Final = re.compile(r"(custom:)?[a-z][a-z0-9_-]{0,31}")
_NOT_A_PROVIDER: Final = frozenset({"google", "email", "phone", "anonymous"})
"""Names that are taken: Google has its own parameters, and the others are no OpenID providers."""

_ISSUER: Final = re.compile(
    r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?"
)
"""A URL without query or fragment (OpenID Connect Discovery 1.0, section 3); http to this machine only."""

_CLIENT_IDS: Final = re.compile(r"[A-Za-z0-9._:/-]+(,[A-Za-z0-9._:/-]+)*")

_LEGACY_VERIFY_URL: Final = re.compile(
    r"(https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1))(:[0-9]{1,5})?/[A-Za-z0-9._~%/?&=-]*"
)


class InvalidSettings(Exception):
    """A setting is missing or wrong; the message names it, without its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcProvider:
    """An OpenID provider that the operator chose."""

    name: str
    """The name that Supabase's clients send: `apple`, `keycloak`, `custom:shop`."""
    issuer: str
    client_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptchaSettings:
    """The CAPTCHA that the operator chose."""

    provider: str
    """`turnstile` or `hcaptcha`."""
    secret: str
    """Name or ARN of the secret that holds the provider's secret."""
    url: str
    """Where tokens are verified: on this machine, for development; empty: at the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyVerifySettings:
    """The endpoint that verifies passwords of the old system."""

    url: str
    secret: str
    """Name or ARN of the secret that signs requests."""
    initial_credit: int
    """The credit of the accounts that are made."""


def read_oidc_provider(entry: str, where: str) -> OidcProvider:
    """Return the provider of an entry `name=issuer|client ids`. *where* names the entry in errors.

    Raises:
        InvalidSettings: the entry is wrong.
    """
    name, _, rest = entry.partition("=")
    issuer, _, client_ids = rest.partition("|")
    if not _PROVIDER_NAME.fullmatch(name):
        raise InvalidSettings(f"{where}: the name must be lower-case letters, digits, _ and -, perhaps after custom:")
    if name in _NOT_A_PROVIDER:
        raise InvalidSettings(f"{where}: the name has another meaning; for Google, set GOOGLE_CLIENT_IDS")
    if not _ISSUER.fullmatch(issuer):
        raise InvalidSettings(f"{where}: the issuer must be an https URL without query (http for localhost alone)")
    if not _CLIENT_IDS.fullmatch(client_ids):
        raise InvalidSettings(f"{where}: after the issuer and a | there must be client ids, separated by commas")
    return OidcProvider(name=name, issuer=issuer, client_ids=frozenset(client_ids.split(",")))


def read_captcha(provider: str, secret: str, url: str) -> CaptchaSettings | None:
    """Return the CAPTCHA that these entries name, None if it is `none`.

    Raises:
        InvalidSettings: one is missing or wrong.
    """
    if provider not in {"none", "turnstile", "hcaptcha"}:
        raise InvalidSettings("CAPTCHA has no provider=none, provider=turnstile or provider=hcaptcha")
    if provider == "none":
        return None
    if not secret or not re.fullmatch(r"(http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?/.*)?", url):
        raise InvalidSettings("CAPTCHA has no secret=, or a url= that is not of this machine")
    return CaptchaSettings(provider=provider, secret=secret, url=url)


def read_legacy_verify(url: str, secret: str, credit: str) -> LegacyVerifySettings | None:
    """Return the endpoint that these entries name, None if the URL is empty.

    Raises:
        InvalidSettings: one is missing or wrong.
    """
    if not url:
        return None
    if not _LEGACY_VERIFY_URL.fullmatch(url):
        raise InvalidSettings("LEGACY_VERIFY has a url= that is no https URL (http for this machine alone)")
    if not secret or not (credit.isascii() and credit.isdecimal()):
        raise InvalidSettings("LEGACY_VERIFY has no secret=, or no credit=number")
    return LegacyVerifySettings(url=url, secret=secret, initial_credit=int(credit))
