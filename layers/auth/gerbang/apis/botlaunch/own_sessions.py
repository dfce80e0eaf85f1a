"""Sessions as their owner sees them, for BotLaunch's clients."""

from collections.abc import Iterable
from typing import TypedDict

from gerbang.core.clock import rfc3339
from gerbang.core.user_agents import read_device
from gerbang.storage.families import Family


class OwnSession(TypedDict):
    """A session of the caller. `device` is in words, such as `Firefox on Ubuntu`; times are RFC 3339.

    `lastSeenAt` is when it was opened or last refreshed; `current`, whether it is the session of the request.
    """

    id: str
    device: str | None
    browser: str | None
    system: str | None
    address: str
    method: str
    firstSeenAt: str
    lastSeenAt: str
    expiresAt: str
    current: bool


class SessionsResponse(TypedDict):
    """The active sessions of an account, the last used first, and what was done."""

    data: list[OwnSession]
    message: str


def own_sessions(families: Iterable[Family], current: Family) -> SessionsResponse:
    """Return the answer with sessions of an account, as the *current* one sees them."""
    return SessionsResponse(data=[_session(family, current) for family in families], message="Sessions found")


def _session(family: Family, current: Family) -> OwnSession:
    device = read_device(family.device)
    return OwnSession(
        id=family.family_id,
        device=device.words,
        browser=device.browser,
        system=device.system,
        address=family.address,
        method=family.method,
        firstSeenAt=rfc3339(family.created_at),
        lastSeenAt=rfc3339(family.rotated_at),
        expiresAt=rfc3339(family.expires_at),
        current=family.family_id == current.family_id,
    )
