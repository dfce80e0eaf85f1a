"""Give an account another e-mail address. A guest becomes a registered account by its first address or identity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from gerbang.accounts.changes import set_fields
from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Action, Change, Plus
from gerbang.storage.users import NEWEST_FIRST, UserTable, month_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An account at another address, and what one transaction writes for it."""

    user: User
    changes: dict[str, Change]
    """Of the account."""
    markers: dict[Name, Action]
    """The actions that take names, by the name. The action of `Name.EMAIL` fails when the address is taken."""
    releases: tuple[Action, ...]
    """The actions that free names."""


def request_change(user: User, email: str, *, as_typed: str, at: datetime) -> tuple[User, dict[str, Change]]:
    """Return the account with a requested change of its address, and the changes that store the request."""
    return set_fields(
        user, new_email=email, new_email_as_typed=as_typed, email_change_sent_at=at, email_change_confirmed=None
    )


def cancel_change(user: User) -> tuple[User, dict[str, Change]]:
    """Return the account without a requested change of its address, and the changes that remove the request."""
    return set_fields(
        user, new_email=None, new_email_as_typed=None, email_change_sent_at=None, email_change_confirmed=None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Changes the addresses of accounts."""

    users: UserTable
    initial_credit: int
    """The credit that a guest gets when it becomes a registered account, as every registered account does."""
    new_number: Callable[[], int]

    def move(self, user: User, email: str, *, as_typed: str, at: datetime, verified_at: datetime | None) -> Move:
        """Return an account at another address. A guest becomes a registered account.

        *verified_at* is None if the owner has not verified the address yet.
        """
        cancelled, cancelling = cancel_change(user)
        moved, moving = set_fields(
            cancelled,
            email=email,
            email_as_typed=as_typed,
            email_verified_at=verified_at,
            contested_at=None,
            updated_at=at,
        )
        markers: dict[Name, Action] = {Name.EMAIL: self.users.claim(Name.EMAIL, email, user.user_id)}
        releases = () if user.email is None else (self.users.release(Name.EMAIL, user.email, user.user_id),)
        registered = self.register_guest(moved)
        return Move(
            user=registered.user,
            changes=cancelling | moving | registered.changes,
            markers=markers | registered.markers,
            releases=releases,
        )

    def register_guest(self, user: User) -> Move:
        """Return a guest as a registered account, without another address; any other account is not changed."""
        if not user.is_anonymous:
            return Move(user=user, changes={}, markers={}, releases=())
        number = self.new_number()
        registered, changes = set_fields(user, is_anonymous=False, expires_at=None, number=number)
        registered = replace(registered, credit_balance=user.credit_balance + self.initial_credit)
        changes |= {
            "credit_balance": Plus(self.initial_credit),
            NEWEST_FIRST.partition: month_of(user.created_at),
        }
        markers: dict[Name, Action] = {Name.NUMBER: self.users.claim(Name.NUMBER, number, user.user_id)}
        return Move(user=registered, changes=changes, markers=markers, releases=())
