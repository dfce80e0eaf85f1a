"""The sessions of a user, for the user to list and to end."""

from uuid import UUID

from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.storage.accounts import User
from gerbang.storage.families import Family, FamilyTable


class NoSuchSession(AuthError):
    """The user has no active session with that id."""

    code = "no_such_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSessions:
    """Lists and ends the sessions of one user."""

    families: FamilyTable
    log_event: LogEvent
    now: Clock

    def list(self, user: User) -> tuple[Family, ...]:
        """Return a user's active sessions, the last used first. One call a megabyte, and no write.

        A session was last seen when it was opened or last refreshed. Other requests do not record it.
        """
        active = (each for each in self.families.list(user.user_id) if self._is_active(each, user))
        return tuple(sorted(active, key=lambda family: family.rotated_at, reverse=True))

    def end(self, user: User, family_id: str) -> None:
        """End one session of a user: its tokens stop working at once. Two calls.

        The session is read first, and deleted without a condition: a deletion that the SDK sends again, because the
        answer was lost, is answered as the first time (faults.md, D6). The id comes from the client, so its form is
        checked first.

        Raises:
            NoSuchSession: the user has no active session with this id.
        """
        try:
            key_id = str(UUID(family_id))
        except ValueError:
            raise NoSuchSession("malformed id") from None
        family = self.families.find(user.user_id, key_id)
        if family is None or not self._is_active(family, user):
            raise NoSuchSession
        self.families.remove(user.user_id, key_id)
        self.log_event("session_ended", user_id=user.user_id, session_id=key_id)

    def _is_active(self, family: Family, user: User) -> bool:
        return family.epoch == user.epoch and family.is_open(self.now())
