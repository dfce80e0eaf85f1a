"""Give an account another e-mail address. A guest becomes a registered account by its first one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gerbang.core.clock import to_epoch
from gerbang.storage.store import Action, Change, Gone, Plus
from gerbang.storage.users import NEWEST_FIRST, Name, User, UserTable, month_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An account with another address, and what makes it so, for one transaction."""

    user: User
    changes: dict[str, Change]
    """Of the account."""
    markers: dict[Name, Action]
    """The actions that take names, by the name. The action of `Name.EMAIL` fails when the address is taken."""
    releases: tuple[Action, ...]
    """The actions that free names."""


def request_change(user: User, email: str, *, as_typed: str, at: datetime) -> tuple[User, dict[str, Change]]:
    """Return the account that is to have another address once that is confirmed, and the changes that make it so."""
    requested = replace(
        user, new_email=email, new_email_as_typed=as_typed, email_change_sent_at=at, email_change_confirmed=None
    )
    changes: dict[str, Change] = {
        "new_email": email,
        "new_email_as_typed": as_typed,
        "email_change_sent_at": to_epoch(at),
        "email_change_confirmed": Gone(),
    }
    return requested, changes


def cancel_change(user: User) -> tuple[User, dict[str, Change]]:
    """Return the account without a requested change of its address, and the changes that make it so."""
    cancelled = replace(
        user, new_email=None, new_email_as_typed=None, email_change_sent_at=None, email_change_confirmed=None
    )
    requested = ("new_email", "new_email_as_typed", "email_change_sent_at", "email_change_confirmed")
    return cancelled, dict.fromkeys(requested, Gone())


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Gives accounts other addresses."""

    users: UserTable
    initial_credit: int
    """What a guest is given when it becomes a registered account, as registrations are."""
    new_number: Callable[[], int]

    def move(self, user: User, email: str, *, as_typed: str, at: datetime, verified_at: datetime | None) -> Move:
        """Return an account as it is at another address.

        *verified_at*: when the owner has verified it, None if that is still to be done.
        """
        user, changes = cancel_change(user)
        changes |= {
            "contested_at": Gone(),
            "email": email,
            "email_as_typed": as_typed,
            "email_verified_at": Gone() if verified_at is None else to_epoch(verified_at),
            "updated_at": to_epoch(at),
        }
        moved = replace(
            user,
            email=email,
            email_as_typed=as_typed,
            email_verified_at=verified_at,
            updated_at=at,
            contested_at=None,
        )
        markers: dict[Name, Action] = {Name.EMAIL: self.users.claim(Name.EMAIL, email, user.user_id)}
        releases = () if user.email is None else (self.users.release(Name.EMAIL, user.email, user.user_id),)
        if not user.is_anonymous:
            return Move(user=moved, changes=changes, markers=markers, releases=releases)
        number = self.new_number()
        changes |= {
            "is_anonymous": False,
            "expires_at": Gone(),
            "number": number,
            "credit_balance": Plus(self.initial_credit),
            NEWEST_FIRST.partition: month_of(user.created_at),
        }
        markers[Name.NUMBER] = self.users.claim(Name.NUMBER, number, user.user_id)
        registered = replace(
            moved,
            is_anonymous=False,
            expires_at=None,
            number=number,
            credit_balance=user.credit_balance + self.initial_credit,
        )
        return Move(user=registered, changes=changes, markers=markers, releases=releases)
