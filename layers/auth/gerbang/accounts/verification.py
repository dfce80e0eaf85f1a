"""Proving an address: from then on it is its owner's identity, and what strangers set up under it is gone.

Until somebody proves an address, whoever typed it first may have been anybody (account pre-hijacking, MSRC 2022).
"""

from dataclasses import replace
from datetime import datetime
from enum import Enum

from gerbang.core.clock import to_epoch
from gerbang.storage.store import Change, Gone, Plus
from gerbang.storage.users import User


class EarlierCredentials(Enum):
    """What becomes of the password and the sessions that were set up before the address was verified."""

    KEPT = "kept"
    """The proof vouches for them: it answers the mail of the very registration that set them."""
    DROPPED = "dropped"


def verify_email(user: User, earlier: EarlierCredentials, *, at: datetime) -> tuple[User, dict[str, Change]]:
    """Return the account as it is once its address is verified and signed in to, and the changes that make it so.

    Nothing is dropped where the address was verified before. The changes go into the transaction that spends the proof.
    """
    now = to_epoch(at)
    changes: dict[str, Change] = {"last_sign_in_at": now}
    if user.email_verified_at is not None:
        return replace(user, last_sign_in_at=at), changes
    changes |= {"email_verified_at": now, "updated_at": now}
    verified = replace(user, last_sign_in_at=at, email_verified_at=at, updated_at=at)
    if earlier is EarlierCredentials.KEPT:
        return verified, changes
    changes |= {"epoch": Plus(1), "password_hash": Gone()}
    return replace(verified, epoch=user.epoch + 1, password_hash=None), changes
