"""The identity of a user at an OpenID provider, from a verified ID token, and what may be wrong with such a token.

This module does not import PyJWT, so a function can use these classes without loading it.
"""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError


class IdTokenFlaw(StrEnum):
    """What is wrong with an ID token, for the log."""

    MALFORMED = "malformed"
    TYPE = "type"
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    MISSING_CLAIM = "missing_claim"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    NONCE = "nonce"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - a kind of flaw
    SUBJECT = "subject"
    ADDRESS = "address"
    ADDRESS_UNVERIFIED = "address_unverified"


class InvalidIdToken(AuthError):
    """The text is not an ID token that the provider issued to one of our clients and that is valid now."""

    code = "invalid_id_token"

    def __init__(self, flaw: IdTokenFlaw) -> None:
        """Keep what is wrong, and nothing of the token."""
        super().__init__(flaw.value)
        self.flaw: Final = flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIdentity:
    """The user as the provider knows them. Address and name must still pass the rules for accounts."""

    provider: str
    """The provider's name, such as `google`."""
    issuer: str
    """The token's `iss`."""
    subject: str
    """The identity (`sub`): unique at this provider, never reused, the same when the address changes."""
    email: str = field(repr=False)
    """As the provider spells it. Empty when the token has none."""
    email_verified: bool
    """Whether there is an address, and the provider has verified it."""
    name: str = field(repr=False)
    """Empty when the token has none."""
    profile: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, hash=False)
    """Other claims of the profile: `PROFILE_CLAIMS` of `gerbang.accounts.oidc`, those that the token has as text."""
