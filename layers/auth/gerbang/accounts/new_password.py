"""What setting a password changes in an account, however its owner was authenticated."""

from dataclasses import replace
from datetime import datetime

from gerbang.accounts.addresses import cancel_change
from gerbang.passwords.hashing import replacing
from gerbang.storage.store import Change, Plus
from gerbang.storage.users import User


def set_password(user: User, password_hash: str, *, at: datetime) -> tuple[User, dict[str, Change]]:
    """Return the account with a password, and the changes that make it so.

    They raise the epoch: outstanding codes and every session that is not carried over end. A requested change of
    address ends, too: a stranger may have requested it.
    """
    cancelled, cancelling = cancel_change(user)
    changes = replacing(user.password_hash, password_hash, at=at) | cancelling | {"epoch": Plus(1)}
    return replace(cancelled, password_hash=password_hash, epoch=user.epoch + 1, updated_at=at), changes
