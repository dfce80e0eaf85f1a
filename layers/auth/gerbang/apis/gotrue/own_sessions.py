"""Sessions as their owner sees them, for Supabase's clients."""

from collections.abc import Iterable
from typing import TypedDict

from gerbang.core.clock import rfc3339
from gerbang.core.user_agents import read_device
from gerbang.storage.families import Family


class OwnSession(TypedDict):
    """A session of the caller. `device` is in words, such as `Firefox on Ubuntu`; times are RFC 3339.

    `last_seen_at` is when it was opened or last refreshed; `current`, whether it is the session of the request.
    """

    id: str
    device: str | None
    browser: str | None
    system: str | None
    address: str
    method: str
    first_seen_at: str
    last_seen_at: str
    expires_at: str
    current: bool


class SessionsResponse(TypedDict):
    """The active sessions of an account, the last used first."""

    sessions: list[OwnSession]


def own_sessions(families: Iterable[Family], current: Family) -> SessionsResponse:
    """Return the answer with sessions of an account, as the *current* one sees them."""
    return SessionsResponse(sessions=[_session(family, current) for family in families])


def _session(family: Family, current: Family) -> OwnSession:
    device = read_device(family.device)
    return OwnSession(
        id=family.family_id,
        device=device.words,
        browser=device.browser,
        system=device.system,
        address=family.address,
        method=family.method,
        first_seen_at=rfc3339(family.created_at),
        last_seen_at=rfc3339(family.rotated_at),
        expires_at=rfc3339(family.expires_at),
        current=family.family_id == current.family_id,
    )
