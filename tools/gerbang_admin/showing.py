"""An account as operators see it, without password hash and without subjects of identities."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from gerbang.accounts.administration import ROLES, Details
from gerbang.accounts.deletion import Departure
from gerbang.core.clock import system_clock
from gerbang.core.identifiers import botlaunch_id
from gerbang.core.user_agents import read_device
from gerbang.passwords.bcrypt_sha256 import is_current_format
from gerbang.storage.accounts import User
from gerbang.storage.families import Family

_NOT_LISTED: Final = "`sessions` lists them, end-sessions ends them all"


def fields_of(user: User, details: Details) -> dict[str, Any]:
    """Return the account for programs: names do not change, times are RFC 3339 in UTC, missing values are None."""
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
        "banned_until": _instant(user.banned_until),
        "guest": user.is_anonymous,
        "password": _password(user),
        "identities": [
            {"provider": identity.provider, "email": identity.email, "created_at": _instant(identity.created_at)}
            for identity in details.identities
        ],
        "factors": [
            {"id": factor.factor_id, "name": factor.friendly_name, "verified_at": _instant(factor.verified_at)}
            for factor in user.factors
        ],
        "recovery_codes_left": len(user.recovery_codes),
        "role_id": user.role_id,
        "credit_balance": user.credit_balance,
        "organization_id": user.organization_id,
        "organization_role": details.role,
        "locale": user.locale,
        "epoch": user.epoch,
        "created_at": _instant(user.created_at),
        "updated_at": _instant(user.updated_at),
        "last_sign_in_at": _instant(user.last_sign_in_at),
        "migrated_at": _instant(user.migrated_at),
        "expires_at": _instant(user.expires_at),
        "user_metadata": user.user_metadata,
        "app_metadata": user.app_metadata,
    }


def lines_of(user: User, details: Details) -> list[str]:
    """Return the account as text, one fact per line."""
    verified = "not verified" if user.email_verified_at is None else f"verified {_spoken(user.email_verified_at)}"
    identities = [f"{identity.provider} {identity.email}" for identity in details.identities]
    facts = {
        "account": f"{user.user_id}  {botlaunch_id(user.user_id)}" + (f"  {user.number}" if user.number else ""),
        "name": user.name,
        "e-mail": None if user.email is None else f"{user.email}, {verified}",
        "user name": user.username,
        "state": _state(user) + _since_or_until(user),
        "guest": f"until {_spoken(user.expires_at)}" if user.expires_at else None,
        "password": _password(user),
        "identities": ", ".join(identities) or "none",
        "second factor": _second_factor(user),
        "role": f"{user.role_id}, {ROLES.get(user.role_id, 'unknown')}",
        "credit": str(user.credit_balance),
        "organization": f"{user.organization_id}, {details.role or 'not a member'}" if user.organization_id else None,
        "language": user.locale,
        "registered": _spoken(user.created_at),
        "changed": _spoken(user.updated_at),
        "migrated": _spoken(user.migrated_at) if user.migrated_at else None,
        "last sign-in": _spoken(user.last_sign_in_at) if user.last_sign_in_at else "never",
        "sessions": _NOT_LISTED,
    }
    return [f"{name:<13} {fact}" for name, fact in facts.items() if fact]


def session_fields_of(family: Family) -> dict[str, Any]:
    """Return an active session for programs."""
    device = read_device(family.device)
    return {
        "id": family.family_id,
        "browser": device.browser,
        "system": device.system,
        "user_agent": family.device,
        "address": family.address,
        "method": family.method,
        "first_seen_at": _instant(family.created_at),
        "last_seen_at": _instant(family.rotated_at),
        "expires_at": _instant(family.expires_at),
    }


def session_line_of(family: Family) -> str:
    """Return an active session as one line of a list."""
    device = read_device(family.device).words or "unknown device"
    times = f"{_spoken(family.created_at)}  {_spoken(family.rotated_at)}"
    return f"{family.family_id}  {times}  {family.method:<9}  {family.address:<15}  {device}"


def summary_of(user: User) -> dict[str, Any]:
    """Return the account as one object of a list, for programs."""
    return {
        "id": user.user_id,
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "state": _state(user),
        "created_at": _instant(user.created_at),
    }


def line_of(user: User) -> str:
    """Return the account as one line of a list."""
    return f"{_spoken(user.created_at)}  {user.user_id}  {_state(user):<8}  {user.email or user.username or user.name}"


def deletion_of(user: User, departures: Iterable[Departure]) -> list[str]:
    """Return what deleting the account will do, in sentences."""
    sentences = ["This deletes the account, its names and its memberships permanently, and ends its sessions at once."]
    sentences += map(_deletion_from, departures)
    if user.credit_balance:
        sentences.append(f"The account has a credit of {user.credit_balance}.")
    return sentences


def unlinking_of(user: User, provider: str) -> list[str]:
    """Return what unlinking an identity will do, in sentences."""
    ways = [name for name in user.subjects if name != provider]
    ways += ["the password"] if user.password_hash is not None else []
    ways += [f"a code or a reset token mailed to {user.email}"] if user.email_verified_at is not None else []
    return [
        f"This unlinks the {provider} identity and ends the account's sessions at once.",
        f"The owner can still sign in with {', '.join(ways)}." if ways else "The owner cannot sign in without it.",
        f"The next {provider} sign-in with the address {user.email} links that identity.",
    ]


def _deletion_from(departure: Departure) -> str:
    name, others = departure.organization_id, departure.others
    if not others:
        return f"Organization {name} has no other members: it is deleted, too."
    stays = f"Organization {name} stays, with {others} other {'member' if others == 1 else 'members'}"
    return f"{stays}." if departure.other_owners else f"{stays} and NO OWNER."


def _state(user: User) -> str:
    now = system_clock()
    if user.disabled_at is not None:
        return "disabled"
    if user.is_disabled(now):
        return "banned"
    return "active" if user.may_sign_in(now) else "expired"


def _since_or_until(user: User) -> str:
    if user.disabled_at is not None:
        return f" since {_spoken(user.disabled_at)}"
    if user.banned_until is not None and _state(user) == "banned":
        return f" until {_spoken(user.banned_until)}"
    return ""


def _password(user: User) -> str:
    if user.password_hash is None:
        return "none"
    return "set" if is_current_format(user.password_hash) else "inherited"


def _second_factor(user: User) -> str:
    verified = [factor.friendly_name or factor.factor_id for factor in user.factors if factor.is_verified]
    return f"{', '.join(verified)}, {len(user.recovery_codes)} recovery codes left" if verified else "none"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _spoken(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
