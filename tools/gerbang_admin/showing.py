"""An account as an operator sees it. No password hash, and of a Google identity only that there is one."""

from datetime import datetime
from typing import Any, Final

from gerbang.accounts.administration import ROLES, Departure
from gerbang.core.clock import system_clock
from gerbang.core.identifiers import botlaunch_id
from gerbang.passwords.bcrypt_sha256 import is_current_format
from gerbang.storage.users import User

_NOT_LISTED: Final = "not listed: no table has them by account; end-sessions ends them all"


def fields_of(user: User) -> dict[str, Any]:
    """Return the account for programs: names do not change, times are RFC 3339 in UTC, a missing value is None."""
    return {
        "id": user.user_id,
        "public_id": botlaunch_id(user.user_id),
        "number": user.number,
        "name": user.name,
        "email": user.email,
        "email_as_typed": user.email_as_typed,
        "email_verified_at": _instant(user.email_verified_at),
        "username": user.username,
        "state": _state(user),
        "disabled_at": _instant(user.disabled_at),
        "guest": user.is_anonymous,
        "password": _password(user),
        "google": user.google_subject is not None,
        "role_id": user.role_id,
        "credit_balance": user.credit_balance,
        "organization_id": user.organization_id,
        "organization_role": user.organization_role,
        "locale": user.locale,
        "epoch": user.epoch,
        "created_at": _instant(user.created_at),
        "updated_at": _instant(user.updated_at),
        "last_sign_in_at": _instant(user.last_sign_in_at),
        "migrated_at": _instant(user.migrated_at),
        "expires_at": _instant(user.expires_at),
    }


def lines_of(user: User) -> list[str]:
    """Return the account for people, one fact per line."""
    verified = "not verified" if user.email_verified_at is None else f"verified {_spoken(user.email_verified_at)}"
    facts = {
        "account": f"{user.user_id}  {botlaunch_id(user.user_id)}" + (f"  {user.number}" if user.number else ""),
        "name": user.name,
        "e-mail": None if user.email is None else f"{user.email}, {verified}",
        "user name": user.username,
        "state": _state(user) + (f" since {_spoken(user.disabled_at)}" if user.disabled_at else ""),
        "guest": f"until {_spoken(user.expires_at)}" if user.expires_at else None,
        "password": _password(user),
        "Google": "linked" if user.google_subject else "not linked",
        "role": f"{user.role_id}, {ROLES.get(user.role_id, 'unknown')}",
        "credit": str(user.credit_balance),
        "organisation": f"{user.organization_id}, {user.organization_role}" if user.organization_id else None,
        "language": user.locale,
        "registered": _spoken(user.created_at),
        "changed": _spoken(user.updated_at),
        "migrated": _spoken(user.migrated_at) if user.migrated_at else None,
        "last sign-in": _spoken(user.last_sign_in_at) if user.last_sign_in_at else "never",
        "sessions": _NOT_LISTED,
    }
    return [f"{name:<13} {fact}" for name, fact in facts.items() if fact]


def farewell_of(user: User, departure: Departure | None) -> list[str]:
    """Return what deleting the account does, in sentences."""
    sentences = ["The account, its names and its membership are deleted for good; its sessions end at once."]
    if departure is not None:
        sentences.append(_farewell_to(departure))
    if user.credit_balance:
        sentences.append(f"It has a credit of {user.credit_balance}.")
    return sentences


def _farewell_to(departure: Departure) -> str:
    name, others = departure.organization_id, departure.others
    if not others:
        return f"The organisation {name} has no other member: it is deleted, too."
    stays = f"The organisation {name} stays, with {others} other {'member' if others == 1 else 'members'}"
    return f"{stays}." if departure.other_owners else f"{stays} and NO OWNER."


def _state(user: User) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "active" if user.may_sign_in(system_clock()) else "expired"


def _password(user: User) -> str:
    if user.password_hash is None:
        return "none"
    return "set" if is_current_format(user.password_hash) else "inherited"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _spoken(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
