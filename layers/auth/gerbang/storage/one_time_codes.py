"""One-time codes: one item per slot and subject, with the newest code that was mailed for it. A code is used once.

Only an HMAC of a code or token is stored, never the code or token itself.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Condition,
    ConditionFailed,
    Delete,
    Equal,
    Greater,
    Item,
    Key,
    Less,
    Present,
    Put,
    Store,
    Update,
)


class Slot(StrEnum):
    """A kind of code. A subject has one code of each kind at a time, and the item's key begins with the kind."""

    EMAIL = "CODE"
    """Verifies an e-mail address. The subject is the digest of the address."""
    RECOVERY = "RECOVERY"
    """Signs in with an address, to set a forgotten password for example. The subject is the digest of the address."""
    PASSWORD_RESET = "RESET"  # noqa: S105 - a label
    """Sets a password. The subject is the account's id."""
    EMAIL_CHANGE_CURRENT = "CHANGE_CURRENT"
    """Confirms a change of address at the current one. The subject is the digest of that address."""
    EMAIL_CHANGE_NEW = "CHANGE_NEW"
    """Confirms it at the new one. The subject is the digest of that address."""
    REAUTHENTICATION = "REAUTHENTICATION"
    """Confirms that a signed-in user is the account's owner. The subject is the digest of the address."""


EMAIL_CHANGES: Final = (Slot.EMAIL_CHANGE_CURRENT, Slot.EMAIL_CHANGE_NEW)
"""The slots of a change of address."""


class CodePurpose(StrEnum):
    """What a code was mailed for."""

    SIGN_IN = "sign_in"
    """Requested to sign in, or to verify an address."""
    VERIFICATION = "verification"
    """Mailed by the registration of the account: redeeming it keeps the password of that registration."""
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a label
    """Requested to set a forgotten password."""
    EMAIL_CHANGE = "email_change"
    """Requested to change the account's address."""
    REAUTHENTICATION = "reauthentication"
    """Requested to set another password in an old session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeCode:
    """The newest code of a subject."""

    secret_hash: str
    purpose: CodePurpose
    epoch: int
    """The account's epoch when the code was made. If it was raised since, the code is invalid."""
    job_id: str
    issued_at_ms: int
    """When it was requested, milliseconds since 1970: a later job's code replaces it, an earlier one's does not."""
    expires_at: datetime
    """When the code ends; once spent, when the item may be deleted (TTL)."""
    spent_at: datetime | None = None
    new_user_metadata: Mapping[str, object] | None = field(default=None, repr=False, hash=False)
    """If no account has the address, redeeming the code makes one with this `user_metadata`. None: it does not."""
    new_user_name: str = field(default="", repr=False)
    """The name of that account."""
    user_id: str | None = None
    """The account that the code is for, where the subject does not identify it."""
    mailed_to: str | None = None
    """The digest of the address it was mailed to, where that is not the subject. If the account's address has changed
    since, the code is invalid."""

    link_hash: str | None = None
    """An HMAC of the token in the mail's link; None: the mail has no link. Code and link are spent together."""
    sealed_email: str | None = field(default=None, repr=False)
    """The address, encrypted with that token (`gerbang.mail.link_tokens`)."""
    challenge: str | None = field(default=None, repr=False)
    """The challenge of a client that uses PKCE, which exchanges an authorization code once the link was opened."""

    def is_live(self, at: datetime) -> bool:
        """Return whether the code is neither spent nor expired."""
        return self.spent_at is None and self.expires_at > at


@dataclass(frozen=True, slots=True)
class OneTimeCodeTable:
    """The table of one-time codes: partition key `pk`, TTL on `expires_at`."""

    store: Store
    table: str

    def key(self, slot: Slot, subject: str) -> Key:
        """Return the key of a subject's code."""
        return Key(self.table, f"{slot}#{subject}")

    def find(self, key: Key) -> OneTimeCode | None:
        """Return the code of a key, spent or not; None if there is none."""
        return self.read(self.store.get(key))

    def read(self, item: Item | None) -> OneTimeCode | None:
        """Return the code in an item, spent or not; None if there is none."""
        return from_item(OneTimeCode, item)

    def replace(self, key: Key, code: OneTimeCode, *conditions: Condition) -> bool:
        """Replace an older code, and return whether the new one is now the newest. Repeating the call is harmless.

        Only the code of a later job replaces a spent code, so a message that is delivered again does not revive it.
        """
        is_later = Less("issued_at_ms", code.issued_at_ms)
        when = (
            AnyOf((Absent("pk"), is_later, Equal("job_id", code.job_id))),
            AnyOf((Absent("spent_at"), is_later)),
            *conditions,
        )
        return not isinstance(self.store.write(Put(key, to_item(code), when)), ConditionFailed)

    def overwrite(self, key: Key, code: OneTimeCode) -> None:
        """Replace any other code. The code of an earlier job does not replace this one."""
        self.store.write(Put(key, to_item(code)))

    def spending(self, key: Key, code: OneTimeCode, *, at: datetime, kept: timedelta) -> Update:
        """Return the action that spends a code. It fails if the code is spent, replaced or expired.

        The item stays, marked as spent, for *kept*.
        """
        return Update(
            key,
            {"spent_at": to_epoch(at), "expires_at": to_epoch(at + kept)},
            (Equal("secret_hash", code.secret_hash), Greater("expires_at", to_epoch(at)), Absent("spent_at")),
        )

    def deletion_for(self, slot: Slot, subject: str, user_id: str) -> Delete:
        """Return the action that deletes the code of a slot. It fails if the code is for another account."""
        return Delete(self.key(slot, subject), (AnyOf((Absent("pk"), Equal("user_id", user_id))),))

    def discarding(self, key: Key, *, at: datetime, kept: timedelta) -> Update:
        """Return the action that spends whichever code a slot has by then, because another code was redeemed.

        It fails if there is none: the caller has read a live one. The item stays for *kept*.
        """
        return Update(key, {"spent_at": to_epoch(at), "expires_at": to_epoch(at + kept)}, (Present("pk"),))
