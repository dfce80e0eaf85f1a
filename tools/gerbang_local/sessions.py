"""The sessions of an account, as they are in the table, with those that have ended."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gerbang.core.clock import rfc3339
from gerbang.storage.families import FamilyTable
from gerbang.storage.users import UserTable


@dataclass(frozen=True, slots=True)
class StoredSessions:
    """Reads sessions."""

    users: UserTable
    families: FamilyTable
    now: Callable[[], datetime]

    def of(self, user_id: str) -> list[dict[str, Any]]:
        """Return the entries of `/_local/sessions.json`, the newest first; empty if there is no such account."""
        user, now = self.users.find(user_id), self.now()
        if user is None:
            return []
        families = sorted(self.families.list(user_id), key=lambda family: family.created_at, reverse=True)
        return [
            {
                "session_id": family.family_id,
                "method": ", ".join(each.method for each in family.amr),
                "created_at": rfc3339(family.created_at),
                "refreshed_at": rfc3339(family.rotated_at),
                "expires_at": rfc3339(family.expires_at),
                "device": family.device,
                "address": family.address,
                "is_active": family.epoch == user.epoch and family.is_open(now) and user.may_sign_in(now),
            }
            for family in families
        ]
