"""What setting a password changes in an account, however its owner was authenticated."""

from dataclasses import replace
from datetime import datetime

from gerbang.accounts.addresses import cancel_change
from gerbang.passwords.hashing import replacing
from gerbang.storage.accounts import User
from gerbang.storage.store import Change, Plus


def set_password(user: User, password_hash: str, *, at: datetime) -> tuple[User, dict[str, Change]]:
    """Return the account with a new password, and the changes that store it.

    They raise the epoch, which ends outstanding codes and every session that is not carried over. They also cancel a
    requested change of address, because a stranger may have requested it.
    """
    cancelled, cancelling = cancel_change(user)
    changes = replacing(user.password_hash, password_hash, at=at) | cancelling | {"epoch": Plus(1)}
    return replace(cancelled, password_hash=password_hash, epoch=user.epoch + 1, updated_at=at), changes
