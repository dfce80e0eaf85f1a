"""The stored account of a person, and the identities that sign in to it."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from gerbang.core.dataclass import dataclass
from gerbang.storage.store import Key


class Name(StrEnum):
    """The kinds of unique names. The key of a name's marker begins with its kind."""

    EMAIL = "EMAIL"
    USERNAME = "USERNAME"
    NUMBER = "NUMBER"
    IDENTITY = "IDENTITY"
    """Its value is `identity_name(provider, subject)`."""


def identity_name(provider: str, subject: str) -> str:
    """Return the unique name of an identity. A provider's name contains no `#`."""
    return f"{provider}#{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A second factor of an account: an app that shows codes. Its secret is not stored (`gerbang.accounts.totp`)."""

    factor_id: str
    """UUID, as text; its secret is derived from it."""
    friendly_name: str
    created_at: datetime
    updated_at: datetime
    verified_at: datetime | None = None
    """When its first code was accepted; until then the factor is not used."""
    last_step: int = 0
    """The time step of the last code that was accepted: no code of this step or an earlier one is."""

    @property
    def is_verified(self) -> bool:
        """Whether a code of it has been accepted."""
        return self.verified_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account as stored. Times are instants in UTC; what is None has not happened or does not exist."""

    user_id: str
    """UUID, as text: the token's `sub`."""
    name: str
    created_at: datetime
    updated_at: datetime
    number: int | None = None
    """SnapOTP's integer id, 1 to 2^31 - 1; every registered account has one, guests have none."""
    email: str | None = None
    """Canonical: the form that is looked up and counted (`gerbang.core.emails`)."""
    email_as_typed: str | None = None
    email_verified_at: datetime | None = None
    """When its owner verified the address; until then the address is not an identity."""
    contested_at: datetime | None = None
    """When another registration of the unverified address was rejected. Then redeeming a code drops the password."""
    confirmation_sent_at: datetime | None = None
    """When the code that verifies the address was last requested for the account."""
    invited_at: datetime | None = None
    """When an administrator last invited the account's owner."""
    new_email: str | None = None
    """The canonical address that is to replace `email`, once it is verified."""
    new_email_as_typed: str | None = None
    email_change_sent_at: datetime | None = None
    email_change_confirmed: str | None = None
    """Which of the two addresses has confirmed the change already: `current` or `new`; None: neither."""
    username: str | None = None
    """As typed; unique without regard to case."""
    password_hash: str | None = None
    """The current format (`gerbang.passwords.hashing`) or an inherited one (`gerbang.passwords.legacy`)."""
    migrated_at: datetime | None = None
    """When an inherited hash was replaced by one of the current format."""
    imported_at: datetime | None = None
    """When an import made the account; until it changes or signs in, another import may replace it."""
    subjects: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    """The subject of each provider's identity that signs in to the account, by provider; at most one a provider."""
    epoch: int = 0
    """Sessions opened at an older epoch have ended: password reset, sign-out everywhere and disabling raise it."""
    disabled_at: datetime | None = None
    """When an operator disabled the account for good."""
    banned_until: datetime | None = None
    """When a ban ends. Until then the account is disabled; its sessions are kept, but every use is rejected."""
    role_id: int = 3
    """SnapOTP's: 1 administrator, 2 staff, 3 user."""
    credit_balance: int = 0
    factors: tuple[Factor, ...] = ()
    """The account's second factors, the oldest first; at most ten (docs/decisions/0041-second-factor.md)."""
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
    """Hashes of the codes that replace a second factor, one use each."""
    organization_id: str | None = None
    """The account's default organization. Its role there is in the membership only."""
    is_anonymous: bool = False
    locale: str | None = None
    last_sign_in_at: datetime | None = None
    devices: tuple[str, ...] = ()
    """Digests of the devices that have signed in, the newest first (`gerbang.storage.devices`)."""
    expires_at: datetime | None = None
    """When a guest's account expires (TTL); None for registered accounts."""
    user_metadata: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    """What the account's owner stores with it: JSON of at most 8 KiB (`gerbang.storage.metadata`)."""
    app_metadata: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    """What the operator stores with it: JSON of at most 2 KiB."""

    @property
    def has_second_factor(self) -> bool:
        """Whether one of its factors is verified: then a sign-in needs a code, too."""
        return any(factor.is_verified for factor in self.factors)

    def is_disabled(self, at: datetime) -> bool:
        """Return whether the account is disabled, for good or by a ban."""
        banned = self.banned_until is not None and at < self.banned_until
        return self.disabled_at is not None or banned

    def may_sign_in(self, at: datetime) -> bool:
        """Return whether the account may be used: it is not disabled, and not an expired guest."""
        expired = self.expires_at is not None and at >= self.expires_at
        return not self.is_disabled(at) and not expired


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An identity at a provider that signs in to an account."""

    user_id: str
    provider: str
    subject: str
    """The provider's id of the user (`sub`). Unlike an address, it is never given to another user."""
    email: str
    """As the provider spelled it when the identity was linked."""
    created_at: datetime
    """When it was linked to the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Everything that is stored under one person's key."""

    user: User
    identities: tuple[Identity, ...]
    keys: tuple[Key, ...]
    """The keys of every item, also of kinds that this version does not know."""
