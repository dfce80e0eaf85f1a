"""Verify an address: from then on it identifies its owner, and what a stranger set up under it is removed.

Until an address is verified, the person who registered it may be anyone (account pre-hijacking, MSRC 2022).
"""

from dataclasses import replace
from datetime import datetime
from enum import Enum

from gerbang.accounts.addresses import cancel_change
from gerbang.accounts.changes import set_fields
from gerbang.core.errors import AuthError
from gerbang.storage.accounts import User
from gerbang.storage.records import to_value
from gerbang.storage.store import Change, Gone, Plus
from gerbang.storage.users import learned_locale


class AccountDisabled(AuthError):
    """Who the user is has been verified, and their account may not be used."""

    code = "user_banned"

    def __init__(self, user_id: str) -> None:
        """Keep the account's id, for the log."""
        super().__init__(user_id)
        self.user_id = user_id


class EarlierCredentials(Enum):
    """What becomes of what was set up before: password, second factors, sessions, change of address."""

    KEPT = "kept"
    """The proof covers them: it is the code that the registration mailed which set them."""
    DROPPED = "dropped"
    """And with them the devices that have signed in: they may be a stranger's."""


def verify_email(
    user: User, earlier: EarlierCredentials, *, at: datetime, locale: str | None = None
) -> tuple[User, dict[str, Change]]:
    """Return the account with a verified address and this sign-in, and the changes that make it so.

    Nothing is dropped if the address was verified before. The changes go into the transaction that spends the code.
    *locale*, the request's language, becomes the account's if it has none.
    """
    signed_in, changes = set_fields(user, last_sign_in_at=at)
    signed_in = replace(signed_in, locale=user.locale or locale)
    changes |= learned_locale(user, locale)
    if user.email_verified_at is not None:
        return signed_in, changes
    verified, verifying = set_fields(signed_in, email_verified_at=at, updated_at=at)
    changes |= verifying
    if earlier is EarlierCredentials.KEPT:
        return verified, changes
    cancelled, cancelling = cancel_change(verified)
    removed = {"password_hash": Gone(), "factors": Gone(), "recovery_codes": Gone(), "devices": to_value(())}
    changes |= cancelling | removed | {"epoch": Plus(1)}
    kept = replace(cancelled, epoch=user.epoch + 1, password_hash=None, factors=(), recovery_codes=(), devices=())
    return kept, changes
