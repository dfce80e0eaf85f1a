"""One-time codes: one item per slot and subject, with the newest secret that was mailed for it. It is spent once.

Of short codes and long tokens, only an HMAC is stored, never the secret itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gerbang.core.clock import to_epoch
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
    """What a subject has one code of at a time; how the item's key begins."""

    EMAIL = "CODE"
    """Verifies an e-mail address. The subject is the digest of the address."""
    RECOVERY = "RECOVERY"
    """Signs in with an address, to set a forgotten password for example. The subject is the digest of the address."""
    PASSWORD_RESET = "RESET"  # noqa: S105 - a label
    """Sets a password. The subject is the account's id."""
    EMAIL_CHANGE_CURRENT = "CHANGE_CURRENT"
    """Confirms a change of address at the present one. The subject is the digest of that address."""
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
    """The account's epoch when the code was made. Once the account's has moved on, the code is worthless."""
    job_id: str
    issued_at_ms: int
    """When it was requested, milliseconds since 1970: a later job's code replaces it, an earlier one's does not."""
    expires_at: datetime
    """When the code ends; once spent, when the item may be deleted (TTL)."""
    spent_at: datetime | None = None
    new_user_metadata: Mapping[str, object] | None = field(default=None, repr=False, hash=False)
    """If no account has the address, redeeming the code makes one with this `user_metadata`. None: it makes none."""
    new_user_name: str = field(default="", repr=False)
    """Along with that: the account's name."""
    user_id: str | None = None
    """Whose account it is for, where the subject does not say so."""
    mailed_to: str | None = None
    """The digest of the address it was mailed to, where the subject is another. An account that has another address
    by now is not opened by it."""

    link_hash: str | None = None
    """An HMAC of the token in the mail's link; None: the mail has none. Code and link are spent together."""
    sealed_email: str | None = field(default=None, repr=False)
    """Along with that: the address, encrypted with the token (`gerbang.mail.link_tokens`)."""
    challenge: str | None = field(default=None, repr=False)
    """Of a client that exchanges an authorization code for the session once the link was opened (RFC 7636)."""

    def is_live(self, at: datetime) -> bool:
        """Say whether the code is neither spent nor expired."""
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
        """Return the code that an item holds, spent or not; None if there is none."""
        return from_item(OneTimeCode, item)

    def replace(self, key: Key, code: OneTimeCode, *conditions: Condition) -> bool:
        """Put a code in the place of an older one, and return whether it is now the newest. Repeating it is harmless.

        A spent code is replaced by a later job's code only: a message that is delivered again does not revive it.
        """
        is_later = Less("issued_at_ms", code.issued_at_ms)
        when = (
            AnyOf((Absent("pk"), is_later, Equal("job_id", code.job_id))),
            AnyOf((Absent("spent_at"), is_later)),
            *conditions,
        )
        return not isinstance(self.store.write(Put(key, to_item(code), when)), ConditionFailed)

    def overwrite(self, key: Key, code: OneTimeCode) -> None:
        """Put a code in the place of any other. An earlier job's code does not replace it."""
        self.store.write(Put(key, to_item(code)))

    def spending(self, key: Key, code: OneTimeCode, *, at: datetime, kept: timedelta) -> Update:
        """Return the action that spends a code. It fails when the code is spent, replaced or expired.

        The item stays, marked as spent, for *kept*.
        """
        return Update(
            key,
            {"spent_at": to_epoch(at), "expires_at": to_epoch(at + kept)},
            (Equal("secret_hash", code.secret_hash), Greater("expires_at", to_epoch(at)), Absent("spent_at")),
        )

    def deletion_for(self, slot: Slot, subject: str, user_id: str) -> Delete:
        """Return the action that deletes the code of a slot. It fails when the code is for another account."""
        return Delete(self.key(slot, subject), (AnyOf((Absent("pk"), Equal("user_id", user_id))),))

    def discarding(self, key: Key, *, at: datetime, kept: timedelta) -> Update:
        """Return the action that spends the code of a slot, whichever it is by then, because another was redeemed.

        It fails when there is none: read before that there is a live one. The item stays for *kept*.
        """
        return Update(key, {"spent_at": to_epoch(at), "expires_at": to_epoch(at + kept)}, (Present("pk"),))
