"""Signing out: of one session, of all others, of all."""

from enum import StrEnum

from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.sessions.sessions import Authenticated, SessionEnded, Sessions
from gerbang.storage.families import FamilyTable
from gerbang.storage.store import Action, Plus, Store
from gerbang.storage.users import UserTable


class Scope(StrEnum):
    """Which sessions of a user end, in GoTrue's terms."""

    GLOBAL = "global"
    LOCAL = "local"
    """The session of the token."""
    OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """Ends sessions of a user by an access token, which may have expired."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    log_event: LogEvent

    def sign_out(self, access_token: str, scope: Scope) -> None:
        """End the sessions of a scope: their tokens stop working at once. Two round trips.

        Other sessions end because the account's epoch is raised, which makes its outstanding codes invalid, too.

        Raises:
            InvalidToken: the token is not ours, not an access token, or damaged.
            SessionEnded: the token's session has ended before.
        """
        active = self.sessions.authenticate_even_if_expired(access_token)
        match scope:
            case Scope.LOCAL:
                self.families.remove(active.user.user_id, active.family.family_id)
            case Scope.OTHERS:
                self._end(active, scope)
            case Scope.GLOBAL:
                try:
                    self._end(active, scope)
                except SessionEnded:  # by another request meanwhile, and every other session with it
                    return
        self.log_event("signed_out", user_id=active.user.user_id, session_id=active.family.family_id, scope=scope.value)

    def _end(self, active: Authenticated, scope: Scope) -> None:
        """Raise the epoch, and carry this session over if only the others are to end: one transaction."""
        for _ in range(CHANGE_TRIES):
            actions: list[Action] = [self.users.changing(active.user, {"epoch": Plus(1)})]
            if scope is Scope.OTHERS:
                actions.append(self.families.carry_over(active.family, epoch=active.user.epoch + 1))
            if not self.store.commit(*actions):
                return
            active = self.sessions.read_again(active)
        raise KeptChanging("account")
