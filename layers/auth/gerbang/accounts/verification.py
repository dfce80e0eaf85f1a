"""Verify an address: from then on it identifies its owner, and what a stranger may have set up before is removed.

Until an address is verified, it may have been registered by a stranger (account pre-hijacking, MSRC 2022).
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
    """The user has been identified, and the account may not be used."""

    code = "user_banned"

    def __init__(self, user_id: str) -> None:
        """Keep the account's id, for the log."""
        super().__init__(user_id)
        self.user_id = user_id


class EarlierCredentials(Enum):
    """What happens to what was set up before: password, second factors, sessions, change of address."""

    KEPT = "kept"
    """The code was mailed by the registration that set them up, or the user has signed in with them."""
    DROPPED = "dropped"
    """They may be a stranger's, and so may the devices that have signed in, which are forgotten."""


def verify_email(
    user: User, earlier: EarlierCredentials, *, at: datetime, locale: str | None = None
) -> tuple[User, dict[str, Change]]:
    """Return the account with a verified address and this sign-in, and the changes that store it.

    Nothing is dropped if the address was verified before. The changes go into the transaction that spends the code.
    *locale*, the request's language, becomes the account's if the account has none.
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
